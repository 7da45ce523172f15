//! Back into a place after the connection broke, and into the relay endpoint.
//!
//! Each `lobby_joined` gives a new resume token, with a generation one higher. The rule, per player:
//!
//! | the token's generation | what happens |
//! |---|---|
//! | the newest | it is accepted |
//! | older, but nothing has come yet on the connection that got a newer one | it is accepted: the answer was lost |
//! | older than that | it is refused, and the player loses its place: somebody has copied a token |
//!
//! So a client whose answer was lost comes back with the token it has, and once it has been heard with the new one the
//! old one is worth nothing. A token of a lobby that had the same name before is worth nothing. One of an older
//! incarnation is good for a fresh start only. The token's MAC is checked before anything else: who cannot make one
//! changes nothing.

use super::connection::Place;
use super::joining::Job;
use super::lobby::Player;
use super::token::{Claims, Purpose};
use super::{Server, ServerEvent};
use crate::id::{ConnectionId, Incarnation};
use crate::wire::signal::{CloseReason, ErrorCode, JoinRelay, LobbyName, Resume, ServerMessage};

/// What a token is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Worth {
    Good,
    Nothing,
    Copied,
}

impl Server {
    pub(super) fn on_resume(&mut self, id: ConnectionId, resume: Resume) {
        match self.mint.read(Purpose::Resume, &resume.lobby_id, &resume.token, self.unix()) {
            Some(claims) => {
                let shown = resume.restore.and_then(|restore| self.shown(&resume.lobby_id, &claims, *restore));
                self.start(id, Job::Resume(resume.lobby_id, claims, resume.fresh, shown));
            }
            None => self.refuse_token(id),
        }
    }

    pub(super) fn on_join_relay(&mut self, id: ConnectionId, join: JoinRelay) {
        match self.mint.read(Purpose::Relay, &join.lobby_id, &join.token, self.unix()) {
            Some(claims) => self.start(id, Job::Relay(join.lobby_id, claims)),
            None => self.refuse_token(id),
        }
    }

    /// No token of this server, or too old. Who tries too often is told so, right or wrong.
    fn refuse_token(&mut self, id: ConnectionId) {
        let Some(address) = self.exchange.get(id).map(|connection| connection.address) else { return };
        let now = self.exchange.now;
        if self.addresses.may_try(now, address, &self.config) {
            self.addresses.failed(now, address, &self.config);
            self.refuse(id, ErrorCode::BadToken, 0);
        } else {
            self.refuse(id, ErrorCode::RateLimited, 0);
        }
    }

    /// The lobby is here: the player takes its place again.
    pub(super) fn resume(&mut self, id: ConnectionId, name: &LobbyName, claims: Claims, fresh: bool) {
        let (now, resume_timeout) = (self.exchange.now, self.config.resume_timeout);
        let session = self.draw_session();
        self.correct_lobby(id, name);
        let shown = self.shown_mut(id).and_then(Option::take);
        let public = self.exchange.get(id).and_then(|connection| connection.key);
        let Some((key, lobby)) = self.lobbies.by_name(name) else { return self.fail(id, ErrorCode::BadToken) };
        let is_of_it = lobby.edition == claims.edition;
        let is_restored = lobby.star.recovery.is_some();
        let Some(player) = lobby.player_mut(claims.player).filter(|_| is_of_it) else {
            return self.fail(id, ErrorCode::BadToken);
        };
        if is_restored {
            // The token was given after the record was.
            player.newest = player.newest.max(claims.generation);
        }
        let is_late = player.away_since.is_some_and(|since| since + resume_timeout <= now);
        match worth(player, claims, fresh) {
            Worth::Good if !is_late => {}
            Worth::Good | Worth::Nothing => return self.fail(id, ErrorCode::BadToken),
            Worth::Copied => {
                if let Some(connection) = player.connection {
                    self.exchange.doom(connection, CloseReason::TokenReused);
                }
                self.remove_player(key, claims.player, CloseReason::TokenReused);
                return self.fail(id, ErrorCode::BadToken);
            }
        }
        player.oldest = claims.generation;
        player.newest += 1;
        if fresh {
            // The token may know of a life that the record which it came with does not.
            player.incarnation = Incarnation(player.incarnation.max(claims.incarnation).0 + 1);
            player.session = session;
            player.key = public;
            player.ready = false;
        }
        player.away_since = None;
        player.let_in_with = claims.generation;
        player.hidden = false;
        let old = player.connection.replace(id);
        // What the old incarnation had on its way must not reach the new one.
        let old_relay = if fresh { player.relay.take() } else { None };
        if fresh && lobby.host == Some(claims.player) {
            lobby.forget_host();
        }
        lobby.roster_changed = true;
        lobby.empty_since = None;
        for old in [old, old_relay].into_iter().flatten() {
            self.replace(old);
        }
        self.take_place(id, Place { lobby: key, player: claims.player });
        self.exchange.counts.stats.resumes += 1;
        let event = ServerEvent::PlayerJoined { lobby: name.clone(), player: claims.player, resumed: true };
        self.exchange.event(event);
        match shown {
            Some(shown) if !fresh => self.hear_out(key, claims.player, &shown),
            _ if fresh => self.hear_newcomer(key, claims.player),
            _ => {}
        }
        self.announce(key, Some((claims.player, true)));
        self.finish(id);
    }

    /// The connection is the player's from now on; so is the name that either has claimed.
    fn take_place(&mut self, id: ConnectionId, place: Place) {
        let Some(connection) = self.exchange.get_mut(id) else { return };
        connection.place = Some(place);
        connection.unproven = true;
        let (address, version, own) = (connection.address, connection.version, connection.peer.clone());
        let Some(player) = self.lobbies.get_mut(place.lobby).and_then(|lobby| lobby.player_mut(place.player)) else {
            return;
        };
        player.address = address;
        player.version = version.unwrap_or(player.version);
        let kept = player.peer.take();
        player.peer = own.clone().or_else(|| kept.clone());
        match (own, kept) {
            (Some(_), Some(kept)) => self.release_peer(kept),
            (None, Some(kept)) => {
                if let Some(connection) = self.exchange.get_mut(id) {
                    connection.peer = Some(kept);
                }
            }
            (_, None) => {}
        }
    }

    /// Another connection has taken its place. Its claim goes with the player.
    fn replace(&mut self, old: ConnectionId) {
        if let Some(connection) = self.exchange.get_mut(old) {
            connection.place = None;
            connection.peer = None;
        }
        self.exchange.doom(old, CloseReason::Replaced);
    }

    /// Something has come on the connection that got the newest token: the ones before are worth nothing now.
    pub(super) fn on_proven(&mut self, place: Place) {
        if let Some(player) = self.lobbies.get_mut(place.lobby).and_then(|lobby| lobby.player_mut(place.player)) {
            player.oldest = player.newest;
            self.record(place.lobby);
        }
    }

    /// The lobby is here: what is relayed to the player goes over this connection from now on.
    pub(super) fn enter_relay(&mut self, id: ConnectionId, name: &LobbyName, claims: Claims) {
        let place = self.lobbies.by_name(name).and_then(|(key, lobby)| {
            let is_of_it = lobby.edition == claims.edition;
            let player = lobby.player_mut(claims.player)?;
            let is_its_own = is_of_it && player.incarnation == claims.incarnation;
            is_its_own.then(|| (Place { lobby: key, player: claims.player }, player.relay.replace(id)))
        });
        let Some((place, old)) = place else { return self.fail(id, ErrorCode::BadToken) };
        if let Some(old) = old {
            self.replace(old);
        }
        if let Some(connection) = self.exchange.get_mut(id) {
            connection.place = Some(place);
            connection.version = self.lobbies.get(place.lobby).and_then(|l| l.player(place.player)).map(|p| p.version);
        }
        self.exchange.say(id, &ServerMessage::RelayJoined);
        self.finish(id);
    }
}

fn worth(player: &Player, claims: Claims, fresh: bool) -> Worth {
    if claims.generation > player.newest {
        Worth::Nothing
    } else if claims.generation < player.oldest {
        Worth::Copied
    } else if claims.incarnation != player.incarnation && !fresh {
        Worth::Nothing
    } else {
        Worth::Good
    }
}
