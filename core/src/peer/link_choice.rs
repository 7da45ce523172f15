//! Which path of a link is in use, and how the paths stand by one another when one of them becomes suspect.

use super::link::{Link, LinkEvent};
use crate::path::{self, Candidate, Cause, Token};
use crate::session::MAX_PATHS;
use crate::session::pipe::PathState;

impl Link {
    /// Takes the best path. What is in flight on one that is left because it is suspect leaves again on the new one;
    /// on one that is merely bettered it arrives by itself.
    pub(super) fn choose(&mut self) {
        let before = self.session.path();
        let candidates: [Option<Candidate>; MAX_PATHS] = core::array::from_fn(|index| {
            let path = self.paths.get(index)?;
            let reading = self.session.reading(self.now, path.setup.id);
            Some(Candidate {
                id: path.setup.id,
                kind: path.setup.kind,
                state: path.watch.state(),
                up: path.watch.is_up(),
                relayed: path.setup.relayed_only,
                rtt: reading.and_then(|reading| reading.rtt),
            })
        });
        let best = path::choose(candidates.iter().flatten(), before);
        // A path that died is no longer before us, but it is what was told last.
        if core::mem::replace(&mut self.told, best) != best {
            self.events.push_back(LinkEvent::Using(best));
        }
        if best == before {
            return;
        }
        self.session.use_path(best);
        if let Some(left) = before
            && candidates.iter().flatten().any(|known| known.id == left && known.state == PathState::Suspect)
        {
            self.session.give_up(self.now, left);
        }
        // It may have been idle for long, and have broken since it was proved. The other side has been promised no rhythm
        // on it yet and misses nothing there, and may be heard all the while on another path.
        if let Some(index) = best.and_then(|best| self.find(best).ok()) {
            self.paths[index].watch.ask(self.now);
            self.ask_now(index);
        }
    }

    /// A path has become suspect. Other pipes of its connection are so with it, or the next packets would leave on a way
    /// that is as broken; but not those that were heard since.
    pub(super) fn shake(&mut self, index: usize, why: Cause) {
        if why == Cause::Shaken {
            return;
        }
        let unheard = |link: &Link, at: usize| {
            link.session.reading(link.now, link.paths[at].setup.id).map(|reading| reading.unheard)
        };
        let (kind, silence) = (self.paths[index].setup.kind, unheard(self, index));
        for at in (0..self.paths.len()).filter(|at| *at != index) {
            // That the other side does not hear us says nothing about what we hear.
            let is_silent = why == Cause::Reported || unheard(self, at) >= silence;
            if is_silent && kind.shares_connection(self.paths[at].setup.kind) {
                self.paths[at].judged = None;
                let change = self.paths[at].watch.on_shaken(self.now);
                self.on_change(at, change);
                self.ask_now(at);
            }
        }
    }

    /// Sends the probe that is due on a path, if one is.
    pub(super) fn probe(&mut self, index: usize) {
        if let Some(Token(token)) = self.paths[index].watch.wants_probe(self.now) {
            self.paths[index].judged = None;
            self.session.probe(self.paths[index].setup.id, token);
        }
    }

    /// The same at a moment at which nobody else looks after the path.
    fn ask_now(&mut self, index: usize) {
        self.probe(index);
        let reading = self.session.reading(self.now, self.paths[index].setup.id);
        self.paths[index].look_ahead(reading);
    }
}
