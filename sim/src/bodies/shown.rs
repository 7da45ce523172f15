//! What a script shows to a lobby server of views and records: some of it true, by what the server has told and by keys
//! that the script knows.

use super::script::Script;
use webstar_core::id::PlayerId;
use webstar_core::wire::signal::{
    ClientMessage, Epoch, Grant, Heard, InForce, MAX_PROMISED, Restore, Sealed, ServerMessage, Unheard,
};
use webstar_core::wire::view::{Certified, Proof, Signature, SigningKey, StarId, Statement, View};

/// Views that are kept.
const MOST_VIEWS: usize = 16;
/// Keys that players have.
const KEYS: u8 = 4;

/// What was told.
#[derive(Default)]
pub(super) struct Shown {
    star: StarId,
    views: Vec<Certified>,
    sealed: Vec<Sealed>,
    /// Promises of the server.
    granted: Vec<(Epoch, Signature)>,
}

/// What a player signs with.
pub(super) fn key(script: &mut Script<'_>) -> SigningKey {
    SigningKey::from_seed(&[script.byte() % KEYS; 32])
}

impl Shown {
    /// What one is told all know.
    pub(super) fn learn(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::LobbyJoined(joined) => {
                self.star = joined.star;
                self.views.extend(joined.view);
            }
            ServerMessage::ViewInForce(view) => self.views.push(*view.certified),
            ServerMessage::ProposeView(proposal) => {
                self.granted.extend(proposal.signature.map(|signature| (proposal.view.epoch, signature)));
            }
            ServerMessage::Granted(granted) => self.granted.push((granted.epoch, granted.signature)),
            ServerMessage::Sealed(record) => self.sealed.push(record.sealed),
            _ => {}
        }
        self.views.drain(..self.views.len().saturating_sub(MOST_VIEWS));
        self.granted.drain(..self.granted.len().saturating_sub(MOST_VIEWS));
        self.sealed.drain(..self.sealed.len().saturating_sub(MOST_VIEWS));
    }

    pub(super) fn restore(&self, script: &mut Script<'_>) -> Option<Box<Restore>> {
        let at = usize::from(script.byte());
        let sealed = self.sealed.get(self.sealed.len().wrapping_sub(1 + at)).cloned();
        let sealed = sealed.or_else(|| Sealed::new(bytes::Bytes::copy_from_slice(script.take(60))))?;
        let view = script.flag().then(|| self.certified(script)).flatten();
        let count = usize::from(script.byte()) % (MAX_PROMISED + 1);
        let promised = (0..count).filter_map(|_| self.view(script)).collect();
        Some(Box::new(Restore { sealed, view, promised }))
    }

    pub(super) fn message(&self, script: &mut Script<'_>) -> Option<ClientMessage> {
        Some(match script.byte() % 4 {
            0 => ClientMessage::InForce(InForce { certified: Box::new(self.certified(script)?) }),
            1 => ClientMessage::Grant(Grant { view: Box::new(self.view(script)?) }),
            2 => ClientMessage::Unheard(Unheard { epoch: self.view(script)?.base }),
            _ => ClientMessage::Heard(Heard { epoch: self.view(script)?.base, heard: script.byte() > 200 }),
        })
    }

    /// One that follows a view that was told.
    fn view(&self, script: &mut Script<'_>) -> Option<View> {
        let at = usize::from(script.byte() % 4);
        let base = &self.views.get(self.views.len().wrapping_sub(1 + at))?.view;
        let mut view = View { base: base.epoch, cause: None, ..base.clone() };
        let flags = script.byte();
        if flags & 1 == 0 {
            view.epoch.round = view.epoch.round.saturating_add(1);
        } else {
            view.epoch = Epoch { term: view.epoch.term.saturating_add(u32::from(flags >> 6) + 1), round: 0 };
        }
        if flags & 2 != 0 {
            view.host = PlayerId(u32::from(script.byte() % 8));
        }
        if flags & 4 != 0 {
            view.voters.truncate(usize::from(script.byte() % 4));
            view.backups.clear();
        }
        if flags & 8 != 0 {
            view.since = view.epoch;
        }
        if flags & 16 != 0 {
            view.base.round = view.base.round.wrapping_sub(1);
        }
        Some(view)
    }

    fn certified(&self, script: &mut Script<'_>) -> Option<Certified> {
        let view = self.view(script)?;
        let promise = |player: PlayerId| {
            let keys = (0..KEYS).map(|key| SigningKey::from_seed(&[key; 32]));
            let known = view.voter(player).map(|voter| voter.key);
            let key = keys.into_iter().find(|key| Some(key.public()) == known)?;
            Some((player, Statement::Promised(player).sign(&key, self.star, &view)))
        };
        let proof = match script.byte() {
            0..200 => Proof::Quorum {
                server: self.granted.iter().find(|(epoch, _)| *epoch == view.epoch).map(|(_, signature)| *signature),
                promises: view.voters.iter().filter_map(|voter| promise(voter.player)).collect(),
            },
            200..230 => Proof::Server(Signature([script.byte(); 64])),
            _ => Proof::Fork(Signature([script.byte(); 64])),
        };
        Some(Certified { view, proof })
    }
}
