//! Liveness: once faults are over everybody is active with one host, and everything that was sent is acknowledged. A
//! light round may be under way at that moment.

use super::{Check, Fact, Lines};
use webstar_core::star::Role;

#[derive(Default)]
pub(crate) struct Settle;

impl Check for Settle {
    fn name(&self) -> &'static str {
        "L1"
    }

    fn on(&mut self, _lines: &Lines, fact: &Fact) -> Result<(), String> {
        let Fact::Quiet { standings } = fact else { return Ok(()) };
        let hosts = standings.iter().filter(|standing| standing.role == Role::Hosting).count();
        let follow = standings.iter().filter(|standing| standing.role == Role::Following).count();
        let is_one = standings.windows(2).all(|two| two[0].epoch.term == two[1].epoch.term);
        if !standings.is_empty() && (hosts != 1 || hosts + follow != standings.len() || !is_one) {
            return Err(format!("not all are active in one epoch: {standings:?}"));
        }
        match standings.iter().find(|standing| standing.unacked > 0) {
            Some(waiting) => Err(format!("unacknowledged: {waiting:?}")),
            None => Ok(()),
        }
    }
}
