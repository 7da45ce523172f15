//! Who takes over from a lost host, as the server sees it: it asks members, judges, proposes, and tells everybody what is
//! in force. The decisions themselves stand in `star` and `watch`.

use super::connection::{Exchange, Place, Shared};
use super::counts::Dropped;
use super::lobby::{Lobby, LobbyKey, Player};
use super::queue::Class;
use super::star::{Adoption, Seat};
use super::watch::{HOST_WAIT, Wire};
use super::{Server, ServerEvent};
use crate::id::{ConnectionId, PlayerId};
use crate::time::{Duration, Instant};
use crate::wire::signal::{
    AskHeard, CloseReason, Epoch, ErrorCode, Grant, Granted, Heard, HostCause, HostMigration, InForce, ProposeView,
    Role, ServerMessage, Unheard, ViewInForce,
};
use crate::wire::view::View;

/// A player that says something outdated about the view in force is corrected this often at most.
const CORRECT_EVERY: Duration = Duration::from_secs(1);

impl Server {
    /// A player says that a view is in force.
    pub(super) fn on_in_force(&mut self, id: ConnectionId, message: &InForce) {
        let Some(place) = self.star_place(id) else { return };
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let adoption = lobby.star.adopt(&self.seal, &message.certified);
        if message.certified.view.host == place.player && matches!(adoption, Adoption::New | Adoption::Known) {
            lobby.star.watch.on_claimed();
        }
        match adoption {
            Adoption::New => {
                self.on_adopted(place.lobby, None);
                self.announce(place.lobby, None);
            }
            Adoption::Known => {}
            Adoption::Old => self.correct(place),
            Adoption::Unproven => {
                self.exchange.counts.dropped(Dropped::Unproven);
                self.correct(place);
            }
        }
    }

    /// A host, or one that would be, asks for the server's promise.
    pub(super) fn on_grant(&mut self, id: ConnectionId, message: &Grant) {
        let now = self.exchange.now;
        let Some(place) = self.star_place(id) else { return };
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let Some(current) = lobby.star.view() else { return };
        let view = &message.view;
        if view.since != current.since {
            if view.host == place.player || view.epoch < current.epoch {
                self.correct(place);
            }
            return self.on_bound(place, view.epoch);
        }
        let (is_host, is_named) = (place.player == current.host, place.player == view.host);
        let is_lost = lobby.star.watch.lost().is_some() || wire(&self.exchange, lobby).is_none_or(|wire| !wire.is_open);
        if is_host && view.base == current.epoch {
            lobby.star.watch.on_plea(now);
            self.poll_members(place.lobby);
        }
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let may_ask = is_host || is_named && !view.is_light() && is_lost;
        if !may_ask || !lobby.star.has_weight(now) {
            self.exchange.counts.dropped(Dropped::Unproven);
            return self.arm_lobby(place.lobby);
        }
        lobby.star.hear_of(view.epoch);
        let signature = lobby.star.promise(&self.seal, view);
        let promised = lobby.star.promised_before(view.epoch);
        match signature {
            Some(signature) => {
                let granted = Granted { epoch: view.epoch, signature, promised };
                self.exchange.say(id, &ServerMessage::Granted(granted));
            }
            None => {
                self.exchange.counts.dropped(Dropped::Unproven);
                // What binds the server is no secret: who wants its promise must go beyond that.
                let bound = lobby.star.bound(&self.seal).filter(|(epoch, _)| *epoch > view.epoch);
                if let Some((epoch, signature)) = bound {
                    let granted = Granted { epoch, signature, promised: lobby.star.promised().to_vec() };
                    self.exchange.say(id, &ServerMessage::Granted(granted));
                }
                self.correct(place);
            }
        }
        self.tend(place.lobby);
        self.arm_lobby(place.lobby);
    }

    /// A player has promised a view of another line, which binds it: the next one that is forced must be newer.
    fn on_bound(&mut self, place: Place, epoch: Epoch) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let Some(current) = lobby.star.view().filter(|current| epoch > current.epoch) else { return };
        let is_host = current.host == place.player;
        lobby.star.hear_of(epoch);
        if is_host {
            lobby.star.watch.on_declined(now);
            self.tend(place.lobby);
            self.arm_lobby(place.lobby);
        }
    }

    /// A player does not hear the host.
    pub(super) fn on_unheard(&mut self, id: ConnectionId, message: &Unheard) {
        if let Some(place) = self.star_place(id) {
            self.suspect(place, message.epoch);
        }
    }

    /// A player answers whether it hears the host.
    pub(super) fn on_heard(&mut self, id: ConnectionId, message: &Heard) {
        let now = self.exchange.now;
        let Some(place) = self.star_place(id) else { return };
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let Some(view) = lobby.star.view() else { return };
        if view.epoch.term == message.epoch.term && view.host != place.player {
            lobby.star.watch.on_answer(now, place.player, message.heard);
            self.tend(place.lobby);
            self.arm_lobby(place.lobby);
        }
    }

    /// Where a player sits that may speak about the star. What others say is dropped.
    fn star_place(&mut self, id: ConnectionId) -> Option<Place> {
        let place = self.exchange.get(id).and_then(|connection| connection.place);
        let is_player = |place: &Place| {
            let player = self.lobbies.get(place.lobby).and_then(|lobby| lobby.player(place.player));
            player.is_some_and(|player| player.role != Role::Guest)
        };
        let place = place.filter(is_player);
        if place.is_none() {
            self.exchange.counts.dropped(Dropped::NotInLobby);
        }
        place
    }

    /// A player does not hear the host of this view.
    pub(super) fn suspect(&mut self, place: Place, epoch: Epoch) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let Some(view) = lobby.star.view() else { return };
        if epoch.term < view.epoch.term {
            return self.correct(place);
        }
        let seat = seats(&self.exchange, lobby).into_iter().find(|seat| seat.player == place.player);
        let is_voter = seat.is_some_and(|seat| seat.is_voter_of(view));
        if epoch.term != view.epoch.term {
            return;
        }
        if place.player == view.host {
            // It is bound to another view, and nobody hears a host then.
            lobby.star.watch.on_plea(now);
            self.poll_members(place.lobby);
            return self.arm_lobby(place.lobby);
        }
        if !lobby.star.watch.is_asking() && lobby.star.watch.lost().is_none() {
            self.ask_members(place.lobby);
        }
        if let Some(lobby) = self.lobbies.get_mut(place.lobby) {
            match is_voter {
                true => lobby.star.watch.on_unheard(now, place.player),
                false => lobby.star.watch.on_denied(now, place.player),
            }
        }
        self.tend(place.lobby);
        self.arm_lobby(place.lobby);
    }

    /// Tells a player which view is in force.
    fn correct(&mut self, place: Place) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let Some(certified) = lobby.star.current().cloned() else { return };
        let Some(player) = lobby.player_mut(place.player) else { return };
        if player.corrected.is_some_and(|at| at + CORRECT_EVERY > now) {
            return;
        }
        player.corrected = Some(now);
        if let Some(connection) = player.connection {
            let message = ViewInForce { certified: Box::new(certified) };
            self.exchange.say(connection, &ServerMessage::ViewInForce(message));
        }
    }

    /// Asks all players whether they hear the host, and the host whether it is there. The answers of voters are waited for,
    /// or of others where no voter is there.
    fn ask_members(&mut self, key: LobbyKey) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let Some(view) = lobby.star.view() else { return };
        let (epoch, host) = (view.epoch, view.host);
        let there = lobby.players.iter().filter(|player| player.is_eligible());
        let there = there.filter_map(|player| Some((player.id, player.connection?)));
        let there: Vec<(PlayerId, ConnectionId)> = there.collect();
        let others: Vec<PlayerId> = there.iter().map(|(player, _)| *player).filter(|player| *player != host).collect();
        let voters: Vec<PlayerId> = others.iter().copied().filter(|player| view.voter(*player).is_some()).collect();
        let asked = if voters.is_empty() { others } else { voters };
        if asked.is_empty() {
            return;
        }
        lobby.star.watch.ask(now, asked.into_iter());
        let message = ServerMessage::AskHeard(AskHeard { epoch });
        let mut shared = Shared::new(&message);
        for (_, connection) in there {
            shared.send(&mut self.exchange, connection, Class::Signal);
        }
    }

    /// Asks all players for a sign of life: who is to be host must be there.
    fn poll_members(&mut self, key: LobbyKey) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let Some(epoch) = lobby.star.view().map(|view| view.epoch) else { return };
        if !lobby.star.watch.poll(now) {
            return;
        }
        self.tell_players(key, &ServerMessage::AskHeard(AskHeard { epoch }), None);
    }

    /// One who has just come in, or back, is asked and told what the others were.
    pub(super) fn catch_up(&mut self, key: LobbyKey, id: PlayerId) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let Some(player) = lobby.player(id).filter(|player| player.is_eligible()) else { return };
        let (Some(connection), Some(view)) = (player.connection, lobby.star.view()) else { return };
        let (epoch, is_host) = (view.epoch, view.host == id);
        if view.voter(id).is_some_and(|voter| voter.incarnation == player.incarnation) {
            lobby.star.watch.on_return(now);
        }
        let proposal = lobby.star.watch.lost().and_then(|lost| lost.proposal.clone());
        if let Some(proposal) = proposal.filter(|proposal| proposal.voter(id).is_some()) {
            let message = self.proposal(key, proposal);
            if let Some(message) = message {
                self.exchange.say(connection, &message);
            }
        } else if lobby.star.watch.is_asking() && !is_host {
            lobby.star.watch.ask(now, core::iter::once(id));
            self.exchange.say(connection, &ServerMessage::AskHeard(AskHeard { epoch }));
        }
    }

    /// Does what the star of a lobby needs. Called after everything that may matter to it.
    pub(super) fn tend(&mut self, key: LobbyKey) {
        let now = self.exchange.now;
        if self.insist(key) {
            return;
        }
        let Some(lobby) = self.lobbies.get_mut(key).filter(|lobby| lobby.is_open()) else { return };
        let Some(voters) = lobby.star.view().map(|view| view.voters.len()) else { return };
        let line = wire(&self.exchange, lobby);
        if line.is_some_and(|wire| lobby.star.watch.is_mistaken(now, wire, voters)) {
            lobby.star.watch.on_mistaken();
        }
        if line.is_some_and(|wire| !wire.is_open) && lobby.star.watch.wants_answers(now) {
            self.ask_members(key);
        }
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let cause = match line {
            None => Some(lobby.departure()),
            Some(wire) => lobby.star.watch.judge(now, wire, voters),
        };
        if let Some(cause) = cause {
            lobby.star.watch.lose(now, cause);
        }
        self.pursue(key, line.is_none());
    }

    /// The host is lost: another one is proposed, forced, or the lobby ends.
    fn pursue(&mut self, key: LobbyKey, is_gone: bool) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let Some(lost) = lobby.star.watch.lost().cloned() else { return self.help(key) };
        if !lobby.rules.enable_host_migration {
            if is_gone || lost.since + HOST_WAIT <= now && lobby.star.may_force(now) {
                self.end_lobby(key, CloseReason::HostLost);
            }
            return;
        }
        let seats = seats(&self.exchange, lobby);
        let able = lobby.star.successors(&seats);
        let is_late = lobby.star.watch.force_at().is_some_and(|at| at <= now) || lobby.star.is_forsaken(&seats);
        if is_late && lobby.star.may_force(now) && self.force(key, &seats) {
            return;
        }
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let last = lost.proposal.map(|view| view.host);
        if last.is_some_and(|last| !able.contains(&last)) && !able.is_empty() {
            lobby.star.watch.hurry(now);
        }
        // Who was silent so far and answers now need not wait.
        let is_first = last.is_none() && !able.is_empty();
        if !is_first && lobby.star.watch.lost().is_none_or(|lost| lost.next > now) {
            return;
        }
        lobby.star.watch.wait(now);
        self.poll_members(key);
        let tried = last.and_then(|last| able.iter().position(|player| *player == last));
        let next = tried.map_or(0, |tried| tried + 1) % able.len().max(1);
        if let Some(host) = able.get(next).copied() {
            self.propose(key, &seats, host, lost.cause);
        }
    }

    /// The host is there, but not those without whom nothing can be agreed upon: it goes on in a line of its own. Never
    /// another in its place: first it is asked whether it is there.
    fn help(&mut self, key: LobbyKey) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get(key).filter(|lobby| lobby.star.watch.is_helpless(now, false)) else {
            return;
        };
        let awake = seats(&self.exchange, lobby);
        let seats = seats_of(&self.exchange, lobby, |heard| lobby.star.watch.has_answered(now, heard));
        let host = lobby.star.view().map(|view| view.host);
        let has_quorum = lobby.star.has_quorum(&seats, lobby.star.has_weight(now));
        if !awake.iter().any(|seat| Some(seat.player) == host && seat.is_connected && seat.is_awake) {
            self.poll_members(key);
        } else if lobby.star.watch.is_helpless(now, has_quorum) && lobby.star.may_force(now) {
            self.force(key, &seats);
        }
    }

    /// A host that was forced upon the lobby and does not take it up is followed by another. True: it was just now.
    fn insist(&mut self, key: LobbyKey) -> bool {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get(key).filter(|lobby| lobby.is_open()) else { return false };
        let watch = &lobby.star.watch;
        if !watch.wants_roll_call(now) || !lobby.star.may_force(now) {
            return false;
        }
        let is_late = watch.is_unclaimed(now);
        let seats = seats(&self.exchange, lobby);
        if is_late && self.force(key, &seats) {
            return true;
        }
        self.poll_members(key);
        if let Some(lobby) = self.lobbies.get_mut(key).filter(|_| is_late) {
            lobby.star.watch.postpone(now);
        }
        false
    }

    /// Proposes another host to the voters of the view in force, and promises it. False if it may not.
    pub(super) fn propose(&mut self, key: LobbyKey, seats: &[Seat], host: PlayerId, cause: HostCause) -> bool {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(key).filter(|lobby| lobby.star.may_propose()) else { return false };
        let Some(view) = lobby.star.succession(seats, host, cause) else { return false };
        if lobby.star.has_weight(now) {
            if lobby.star.promise(&self.seal, &view).is_none() {
                return false;
            }
        } else {
            lobby.star.term = view.epoch.term;
        }
        lobby.star.watch.propose(now, view.clone());
        let there = lobby.players.iter().filter(|player| view.voter(player.id).is_some());
        let there: Vec<ConnectionId> = there.filter_map(|player| player.connection).collect();
        let Some(message) = self.proposal(key, view) else { return false };
        let mut shared = Shared::new(&message);
        for connection in there {
            shared.send(&mut self.exchange, connection, Class::Signal);
        }
        true
    }

    /// A proposal as it is told.
    fn proposal(&mut self, key: LobbyKey, view: View) -> Option<ServerMessage> {
        let now = self.exchange.now;
        let star = &mut self.lobbies.get_mut(key)?.star;
        let signature = if star.has_weight(now) { star.promise(&self.seal, &view) } else { None };
        let promised = star.promised_before(view.epoch);
        Some(ServerMessage::ProposeView(ProposeView { view: Box::new(view), signature, promised }))
    }

    /// Forces a host upon the lobby. False if nobody can be.
    fn force(&mut self, key: LobbyKey, seats: &[Seat]) -> bool {
        let random = u32::from_le_bytes(self.draw());
        let Some(lobby) = self.lobbies.get_mut(key) else { return false };
        let Some(view) = lobby.star.beginning(seats, random) else { return false };
        let (named, host) = (lobby.star.watch.named_in_vain(), view.host);
        lobby.star.install(&self.seal, view);
        lobby.star.watch.on_forced(self.exchange.now, named, host);
        self.on_adopted(key, None);
        self.record(key);
        true
    }

    /// A lobby without a view gets one when somebody is there who can be host.
    pub(super) fn begin_star(&mut self, key: LobbyKey) -> Option<HostMigration> {
        let random = u32::from_le_bytes(self.draw());
        let lobby = self.lobbies.get_mut(key)?;
        let seats = seats(&self.exchange, lobby);
        lobby.star.term = lobby.star.term.max(lobby.epoch.term);
        let view = lobby.star.beginning(&seats, random)?;
        lobby.star.install(&self.seal, view);
        self.follow(key)
    }

    /// Another view is in force: those who need to know are told.
    pub(super) fn on_adopted(&mut self, key: LobbyKey, except: Option<PlayerId>) {
        let migration = self.follow(key);
        let Some(lobby) = self.lobbies.get(key) else { return };
        let begins_line = lobby.star.view().is_some_and(View::begins_line);
        if migration.is_some() || begins_line {
            self.tell_view(key, except);
        }
        if let Some(migration) = migration {
            self.tell_all(key, &ServerMessage::HostMigration(migration), except, Class::Signal);
        }
    }

    /// Everybody that has a star is told which view is in force.
    pub(super) fn tell_view(&mut self, key: LobbyKey, except: Option<PlayerId>) {
        let Some(lobby) = self.lobbies.get(key) else { return };
        let Some(certified) = lobby.star.current().cloned() else { return };
        let message = ServerMessage::ViewInForce(ViewInForce { certified: Box::new(certified) });
        self.tell_players(key, &message, except);
    }

    /// The lobby takes over what its view says. Tells of the host if it is another one.
    fn follow(&mut self, key: LobbyKey) -> Option<HostMigration> {
        let lobby = self.lobbies.get_mut(key)?;
        let view = lobby.star.view()?;
        let (host, epoch, cause) = (view.host, view.epoch, view.cause);
        let is_another_term = lobby.epoch.term != epoch.term;
        let is_replaced = lobby.host.is_some() || lobby.vacated.is_some();
        if is_another_term || lobby.star.promised().is_empty() {
            lobby.star.watch.reset();
        }
        let is_other = lobby.follow();
        let name = lobby.name.clone();
        if !is_other {
            return None;
        }
        if is_replaced {
            self.exchange.counts.host_changed(cause);
        }
        self.exchange.event(ServerEvent::HostChanged { lobby: name, host, cause });
        Some(HostMigration { new_host_id: host, epoch, cause })
    }

    /// The host gives its role to the one it names, or to the best.
    pub(super) fn hand_over_star(&mut self, key: LobbyKey, to: Option<PlayerId>) -> Result<(), ErrorCode> {
        let now = self.exchange.now;
        let lobby = self.lobbies.get_mut(key).ok_or(ErrorCode::NotInLobby)?;
        let seats = seats(&self.exchange, lobby);
        let able = lobby.star.successors(&seats);
        let heir = to.or(able.first().copied()).filter(|heir| able.contains(heir)).ok_or(ErrorCode::NoSuchPlayer)?;
        if lobby.star.watch.lost().is_some() {
            return Ok(());
        }
        let cause = if to.is_some() { HostCause::Chosen } else { HostCause::Graceful };
        lobby.star.watch.lose(now, cause);
        self.propose(key, &seats, heir, cause);
        self.arm_lobby(key);
        Ok(())
    }
}

/// The members as the star sees them. Guests are in none.
fn seats(exchange: &Exchange, lobby: &Lobby) -> Vec<Seat> {
    seats_of(exchange, lobby, |heard| lobby.star.watch.is_awake(exchange.now, heard))
}

fn seats_of(exchange: &Exchange, lobby: &Lobby, is_awake: impl Fn(Instant) -> bool) -> Vec<Seat> {
    let members = lobby.players.iter().filter(|player| player.role != Role::Guest);
    let seat = |player: &Player| Seat {
        player: player.id,
        incarnation: player.incarnation,
        key: player.key,
        is_eligible: player.is_eligible(),
        is_connected: player.connection.is_some(),
        is_awake: heard(exchange, player).is_some_and(&is_awake),
        is_preferred: lobby.preferred.is_some() && player.peer == lobby.preferred,
    };
    members.map(seat).collect()
}

/// When something came from a member last.
fn heard(exchange: &Exchange, player: &Player) -> Option<Instant> {
    let heard = |id: ConnectionId| exchange.get(id).map(|connection| connection.heard);
    [player.connection, player.relay].into_iter().flatten().filter_map(heard).max()
}

/// The connection of the host of the view in force; none if the host is gone, or has come back without its memory.
fn wire(exchange: &Exchange, lobby: &Lobby) -> Option<Wire> {
    let view = lobby.star.view()?;
    let host = lobby.player(view.host)?;
    let is_itself = view.voter(host.id).is_none_or(|voter| voter.incarnation == host.incarnation);
    let heard = heard(exchange, host).unwrap_or(Instant::ZERO);
    let wire = Wire { is_open: host.connection.is_some(), heard };
    is_itself.then_some(wire)
}
