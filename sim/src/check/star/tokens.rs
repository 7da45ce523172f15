//! S9: a resume token works once.

use super::{Cast, Check, Life, Seen};

/// Watches those who come with a token that was used.
#[derive(Clone, Copy, Debug)]
pub struct Tokens;

impl Check for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn see(&mut self, _life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        match seen {
            Seen::Replayed { worked: true } => Err("a stranger came back with a token that was used before".into()),
            _ => Ok(()),
        }
    }
}
