//! What the star and the server have to say to each other, and what a player keeps for a server that loses its memory.

use super::event::PeerEvent;
use super::{Peer, Phase};
use crate::id::Incarnation;
use crate::star::{Me, ServerSays, Word};
use crate::wire::signal::{
    ClientMessage, Grant, Heard, InForce, LobbyJoined, MAX_PROMISED, Restore, Sealed, ServerMessage, Unheard,
};
use crate::wire::view::{PublicKey, SigningKey, StarId};

/// Who we are for the server and for the star.
#[derive(Debug)]
pub(super) struct Identity {
    key: SigningKey,
    /// In which star, and in which life of our memory.
    entered: Option<(StarId, Incarnation)>,
    sealed: Option<Sealed>,
}

impl Identity {
    pub(super) fn new(key: SigningKey) -> Self {
        Identity { key, entered: None, sealed: None }
    }

    /// What our promises are checked with.
    pub(super) fn public(&self) -> PublicKey {
        self.key.public()
    }
}

impl Peer {
    /// Into the star of the lobby, unless we are in it.
    pub(super) fn enter_star(&mut self, joined: &LobbyJoined) {
        let mine = joined.player_list.iter().find(|entry| entry.player_id == joined.player_id);
        let Some(incarnation) = mine.map(|entry| entry.incarnation) else { return };
        let place = Some((joined.star, incarnation));
        if self.identity.entered == place {
            return;
        }
        self.identity.entered = place;
        let me = Me {
            player: joined.player_id,
            incarnation,
            key: self.identity.key.clone(),
            star: joined.star,
            server: joined.server_key,
        };
        self.hub.enter(self.now, me, self.connection.version);
    }

    /// The server says something about the star; anything else comes back.
    pub(super) fn on_star_message(&mut self, message: ServerMessage) -> Option<ServerMessage> {
        let says = match message {
            ServerMessage::ProposeView(told) => {
                ServerSays::Proposed { view: told.view, signature: told.signature, promised: told.promised }
            }
            ServerMessage::Granted(told) => {
                ServerSays::Granted { epoch: told.epoch, signature: told.signature, promised: told.promised }
            }
            ServerMessage::ViewInForce(told) => ServerSays::InForce(told.certified),
            ServerMessage::AskHeard(told) => ServerSays::Asked(told.epoch),
            ServerMessage::Sealed(record) => {
                self.identity.sealed = Some(record.sealed);
                return None;
            }
            other => return Some(other),
        };
        self.hub.on_server(self.now, says);
        None
    }

    /// Everything that the star has said goes its way.
    pub(super) fn settle_star(&mut self) {
        let heard_at = self.carrier_heard_at();
        if self.hub.on_carrier_heard(self.now, heard_at, &mut self.out) {
            self.ask_carrier();
        }
        self.hub.settle(self.now, &mut self.out);
        while let Some(word) = self.hub.said.words.pop_front() {
            // What is said while the server cannot hear it, it learns from what brings us back.
            if self.connection.phase == Phase::In {
                self.say(&match word {
                    Word::InForce(certified) => ClientMessage::InForce(InForce { certified }),
                    Word::Grant(view) => ClientMessage::Grant(Grant { view }),
                    Word::Unheard { epoch } => ClientMessage::Unheard(Unheard { epoch }),
                    Word::Heard { epoch, heard } => ClientMessage::Heard(Heard { epoch, heard }),
                });
            }
        }
    }

    /// What brings the lobby back, if the server has lost it. Who has promised more than can be told tells of no view:
    /// what it knows is not enough to go on from.
    pub(super) fn restore(&self) -> Option<Box<Restore>> {
        let sealed = self.identity.sealed.clone()?;
        let promised = self.hub.star.promised();
        let (view, promised) = if promised.len() > MAX_PROMISED {
            (None, Vec::new())
        } else {
            (self.hub.star.certified().cloned(), promised)
        };
        Some(Box::new(Restore { sealed, view, promised }))
    }

    /// We are in, or back: what the application is told of it.
    pub(super) fn tell_joined(&mut self, joined: LobbyJoined, resumed: bool) {
        let said = joined.host_id.map(|host| (host, joined.epoch));
        let known = self.hub.name_host(self.now, said, &mut self.out);
        self.out.event(PeerEvent::Joined {
            player: joined.player_id,
            lobby: joined.lobby,
            members: joined.player_list,
            host: known.map(|(host, _)| host),
            epoch: known.map_or(joined.epoch, |(_, epoch)| epoch),
            resumed,
        });
    }
}
