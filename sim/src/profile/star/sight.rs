//! What the observer of a run sees of the stars themselves and of harm, and what the games of its players answer when they
//! are asked for their state.

use super::eye::{Book, End, Eye};
use super::lens::Lens;
use super::tickets::Ticket;
use crate::check::star::{Life, News, Person, Room, Seen, bit};
use crate::net::Side;
use crate::trace::{StarStep, Step};
use crate::world::{SeatId, World};
use bytes::Bytes;
use webstar_core::peer::{Ended, PeerEvent, Position, Snapshot};
use webstar_core::star::Role;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{CloseReason, Encoding, ErrorCode, Frame, SIGNAL_TAG, ServerMessage, decode_server};

impl<L: Lens> Eye<'_, L> {
    /// Something goes wrong with somebody, or with the server, or is over.
    pub(super) fn on_harm(&mut self, now: Instant, seat: Option<SeatId>, begins: bool) {
        let book = self.book_mut();
        book.set_now(now);
        book.checks.see(None, &Seen::Harm { seat, begins }, &book.cast);
    }

    /// Whoever sits there is about to be gone.
    pub(super) fn on_crash(&mut self, now: Instant, seat: SeatId) {
        let book = self.book_mut();
        let Some(life) = book.sitting(seat) else { return };
        if book.cast.person(life).is_over {
            return;
        }
        book.set_now(now);
        book.see(life, &Seen::Crashed);
        let person = book.cast.person_mut(life);
        (person.is_over, person.is_joined) = (true, false);
        book.note(now, StarStep::Ended { life, why: "crashed" });
    }

    /// The host that sits there has been asked to hand over.
    pub(super) fn on_hands_over(&mut self, now: Instant, seat: SeatId) {
        let book = self.book_mut();
        book.set_now(now);
        if let Some(life) = book.sitting(seat) {
            book.see(life, &Seen::HandsOver);
        }
    }

    /// Whoever sits there is told to leave.
    pub(super) fn on_leaves(&mut self, now: Instant, seat: SeatId) {
        let book = self.book_mut();
        book.set_now(now);
        if let Some(life) = book.sitting(seat).filter(|life| !book.cast.person(*life).is_over) {
            book.see(life, &Seen::Leaves);
        }
    }

    /// The server is there again and remembers nothing.
    pub(super) fn on_server_restarted(&mut self, now: Instant) {
        let book = self.book_mut();
        book.set_now(now);
        book.checks.see(None, &Seen::ServerRestarted, &book.cast);
    }

    /// No fault is left.
    pub(super) fn on_quiet(&mut self, now: Instant) {
        self.note(now, Step::Quiet);
        let book = self.book_mut();
        book.set_now(now);
        book.checks.see(None, &Seen::Quiet, &book.cast);
    }
}

impl Book<'_> {
    /// A frame leaves: the server may let in somebody who never hears of it.
    pub(super) fn on_answer(&mut self, seat: SeatId, from: Side, bytes: &[u8]) {
        let Some(life) = self.sitting(seat).filter(|_| from == Side::B && bytes.first() == Some(&SIGNAL_TAG)) else {
            return;
        };
        let person = self.cast.person(life);
        if person.is_over || person.is_joined && !person.is_away {
            return;
        }
        let (lobby, frame) = (person.room.lobby, Frame::Binary(Bytes::copy_from_slice(bytes)));
        if let Ok(ServerMessage::LobbyJoined(joined)) = decode_server(Encoding::Postcard, &frame) {
            let room = self.room_of_star(lobby, joined.star);
            self.cast.let_in.insert((room, joined.player_id), seat);
        }
    }

    /// A frame arrives that may bring somebody into its lobby, or prove that it was used.
    pub(super) fn on_ticket(&mut self, now: Instant, seat: SeatId, connection: usize, at: Side, frame: &Frame) {
        let known = self.tickets.used.len();
        let joined = self.tickets.follow(seat, connection, at, frame);
        for token in known..self.tickets.used.len() {
            let Ticket { player, seat, .. } = self.tickets.used[token];
            let Some(room) = self.room_of(seat) else { continue };
            self.set_now(now);
            self.checks.see(None, &Seen::Used { token, room, player }, &self.cast);
        }
        let Some(joined) = joined else { return };
        self.stars[usize::from(seat.0)] = joined.star;
        if let Some(room) = self.room_of(seat) {
            self.set_now(now);
            self.checks.see(None, &Seen::LetIn { room, player: joined.player_id }, &self.cast);
        }
    }

    /// The server closes a connection: perhaps it takes somebody's place.
    pub(super) fn on_server_closes(&mut self, now: Instant, connection: usize, reason: CloseReason) {
        let is_put_out = matches!(reason, CloseReason::TokenReused | CloseReason::Kicked);
        if let Some(seat) = self.closings.seat(connection).filter(|_| is_put_out) {
            self.set_now(now);
            self.checks.see(None, &Seen::PutOut(seat), &self.cast);
        }
    }

    /// The life of the lobby that whoever sits there was told to be in last.
    fn room_of(&mut self, seat: SeatId) -> Option<Room> {
        let lobby = self.cast.person(self.sitting(seat)?).room.lobby;
        Some(self.room(seat, lobby))
    }

    /// What the hostile member hears is of no account; only what others must know of it is.
    pub(super) fn on_hostile(&mut self, now: Instant, life: Life, event: &PeerEvent) {
        match event {
            PeerEvent::Joined { player, members, epoch, host, .. } => {
                let Person { seat, room, .. } = *self.cast.person(life);
                let room = self.room(seat, room.lobby);
                let own = members.iter().find(|entry| entry.player_id == *player);
                let person = self.cast.person_mut(life);
                person.incarnation = own.map_or(person.incarnation, |entry| entry.incarnation);
                (person.player, person.epoch, person.host, person.room) = (Some(*player), *epoch, *host, room);
                person.knows = members.iter().fold(0, |known, entry| known | bit(entry.player_id));
                self.cast.distrusted.insert((room, *player));
            }
            PeerEvent::SnapshotWanted { .. } => self.on_game(now, life, event),
            // Its machine is sound, and so is its game.
            PeerEvent::Proposal(proposal) => self.on_proposal(now, life, proposal),
            PeerEvent::Closed(why) => self.on_ended(now, life, Some(why.clone())),
            _ => {}
        }
    }

    /// A life is over.
    pub(super) fn on_ended(&mut self, now: Instant, life: Life, why: Option<Ended>) {
        let word = match &why {
            Some(Ended::Left) => "left",
            Some(Ended::Refused(refusal)) => match refusal.code {
                ErrorCode::LobbyFull => "lobby_full",
                ErrorCode::LobbyLocked => "lobby_locked",
                ErrorCode::GameStarted => "game_started",
                ErrorCode::BadToken => "bad_token",
                ErrorCode::Busy => "busy",
                ErrorCode::RateLimited => "rate_limited",
                ErrorCode::NoSuchLobbyOrPassword => "no_such_lobby",
                _ => "refused",
            },
            Some(Ended::PutOut(_)) => "put_out",
            Some(Ended::RedirectLoop) => "redirect_loop",
            Some(Ended::Unreachable { .. }) => "unreachable",
            None => "hung_up",
        };
        self.tally.mark(word);
        let person = self.cast.person_mut(life);
        (person.is_over, person.is_joined) = (true, false);
        let seat = person.seat;
        self.note(now, StarStep::Ended { life, why: word });
        self.see(life, &Seen::Ended);
        self.ends.push(End { seat, why });
    }

    /// The one without a machine hears something.
    pub(super) fn on_forger_heard(&mut self, now: Instant, seat: SeatId, message: &ServerMessage) {
        if let Some(forger) = &mut self.forger {
            forger.learn(now, message);
            if let (ServerMessage::LobbyJoined(joined), Some(life)) = (message, self.sitting(seat)) {
                self.cast.person_mut(life).player = Some(joined.player_id);
                if let Some(room) = self.room_of(seat) {
                    self.cast.distrusted.insert((room, joined.player_id));
                }
            }
        }
    }

    /// The star tells a game where it stands.
    pub(super) fn on_game(&mut self, now: Instant, life: Life, event: &PeerEvent) {
        let place = |snapshot: &Snapshot| snapshot.position.0;
        match event {
            PeerEvent::Started { snapshot } => {
                self.tally.mark("started");
                // What was said before has its place before its own coming.
                self.cast.person_mut(life).since = now;
                self.note(now, StarStep::Started { life, position: place(snapshot) });
                self.see(life, &Seen::Started(snapshot));
            }
            PeerEvent::Resynced { snapshot } => {
                self.cast.person_mut(life).since = now;
                self.note(now, StarStep::Resynced { life, position: place(snapshot) });
                self.see(life, &Seen::Resynced(snapshot));
            }
            PeerEvent::Promoted { snapshot, tail } => {
                self.tally.mark("promoted");
                self.cast.person_mut(life).hosts_since = now;
                self.note(now, StarStep::Promoted { life, position: place(snapshot), tail: tail.len() as u32 });
                self.see(life, &Seen::Promoted(snapshot, tail));
            }
            PeerEvent::SnapshotWanted { position } => {
                let seat = self.cast.person(life).seat;
                self.wanted.push_back((seat, *position));
            }
            PeerEvent::Paused => {
                self.tally.mark("paused_star");
                self.note(now, StarStep::Paused { life });
                self.see(life, &Seen::Paused);
            }
            _ => {}
        }
    }

    /// What the game of a player answers, if it was asked.
    pub(super) fn state(&mut self, seat: SeatId) -> Option<(Position, Bytes)> {
        let at = self.wanted.iter().position(|(asked, _)| *asked == seat)?;
        let (_, position) = self.wanted.remove(at)?;
        let life = self.sitting(seat)?;
        let length = self.states[usize::from(seat.0)]?;
        // The place and who says so, so that no two states are alike, and the rest to give it some weight.
        let mut state = position.0.to_le_bytes().to_vec();
        state.extend(life.0.to_le_bytes());
        state.resize(state.len().max(length as usize), life.0.to_le_bytes()[0]);
        let state = Bytes::from(state);
        self.tally.mark("snapshot");
        self.see(life, &Seen::SnapshotGiven(position, &state));
        Some((position, state))
    }

    /// A machine was drained.
    pub(super) fn on_step(&mut self, world: &World, seat: SeatId, falsify: impl FnOnce(&mut News)) {
        let (Some(life), Some(peer)) = (self.sitting(seat), world.peer(seat)) else { return };
        let (now, star) = (world.now(), peer.star());
        if self.cast.person(life).is_over {
            return;
        }
        self.set_now(now);
        let glance = star.glance();
        let known = (glance.role, glance.epoch, glance.promised);
        if self.glances.get(life) != Some(&known) {
            self.glances.insert(life, known);
            let (role, epoch, promised) = known;
            self.note(now, StarStep::Role { life, role: name(role), epoch, promised });
            self.cast.follow_line(life, star.view().map(|view| view.since).unwrap_or_default());
        }
        self.checks.step(life, (star, &glance), &self.cast, falsify);
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Waiting => "waiting",
        Role::Following => "following",
        Role::Barred => "barred",
        Role::Collecting => "collecting",
        Role::Hosting => "hosting",
        Role::Frozen => "frozen",
    }
}
