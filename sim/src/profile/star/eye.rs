//! Sees everything that happens in a world and passes it on: to the trace, to the checkers, and to the tally. A lens in
//! front of it can falsify what is seen, to prove that the checkers notice.

use super::closings::{self, Closing, Closings};
use super::deliveries::Landed;
use super::forger::Forger;
use super::lens::Lens;
use super::mischief::Hoard;
use super::plan::{Mood, Part, Plan};
use super::tickets::Tickets;
use crate::check::Red;
use crate::check::star::{
    Bounds, Cast, Checks, Holding, Life, Lives, Person, Room, Ruled, Said, Seen, Submission, bit,
};
use crate::net::Side;
use crate::profile::Tally;
use crate::seed::Seed;
use crate::trace::{self, StarStep, Step, Trace};
use crate::world::{SeatId, Watch, Way, World};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use webstar_core::config::PlayerConfig;
use webstar_core::id::{PathId, PlayerId};
use webstar_core::path::{Order, PathKind};
use webstar_core::peer::{Ended, PeerEvent, Position, Proposal, Sent};
use webstar_core::server::{ServerConfig, ServerEvent};
use webstar_core::star::Role;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{CloseReason, Epoch, Frame, ServerMessage};
use webstar_core::wire::view::StarId;

/// How a life ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) seat: SeatId,
    pub(super) why: Option<Ended>,
}

/// The observer of one run.
#[derive(Debug)]
pub(super) struct Eye<'a, L> {
    pub(super) lens: L,
    book: Book<'a>,
}

/// What is written down.
#[derive(Debug)]
pub(super) struct Book<'a> {
    pub(super) cast: Cast,
    pub(super) checks: Checks,
    pub(super) tally: Tally,
    pub(super) trace: &'a mut Trace,
    mood: Mood,
    /// By lobby and star: which life of the lobby it is.
    rooms: BTreeMap<(u8, StarId), u16>,
    /// By seat: the star that it was last told to be in.
    pub(super) stars: Vec<StarId>,
    /// Who sits where now.
    sitting: Vec<Option<Life>>,
    /// Seats whose occupants are strangers, and which of the used tokens they have.
    pub(super) strangers: BTreeMap<SeatId, usize>,
    pub(super) tickets: Tickets,
    pub(super) closings: Closings,
    /// Who is not to be trusted.
    pub(super) hostile: Option<SeatId>,
    /// That one, if it has no machine.
    pub(super) forger: Option<Forger>,
    /// What that one has heard and said.
    pub(super) hoard: Hoard,
    /// By seat: what it has heard last came directly.
    pub(super) landed: Vec<Landed>,
    /// By seat: how large the state of its game is.
    pub(super) states: Vec<Option<u32>>,
    /// Whose game was asked for its state, and after which place.
    pub(super) wanted: VecDeque<(SeatId, Position)>,
    /// What games have still to decide, in the order in which they were asked.
    pub(super) proposals: Vec<(Life, Proposal)>,
    /// By life: what its star was last seen to be.
    pub(super) glances: Lives<(Role, Epoch, Epoch)>,
    /// Lives that have ended and nobody has looked at yet.
    pub(super) ends: Vec<End>,
    /// Whether the server still owes an answer to a stranger.
    pub(super) replays: u32,
}

impl<'a, L: Lens> Eye<'a, L> {
    pub(super) fn new(seed: Seed, plan: &Plan, trace: &'a mut Trace, lens: L) -> Self {
        let bounds = Bounds::of(&PlayerConfig::default().session(), &ServerConfig::default());
        let seats = plan.seats.len();
        let hasty = (0..).zip(&plan.lobbies).filter(|(_, lobby)| !lobby.is_safe[0]).map(|(lobby, _)| lobby);
        let ruled = (0..).zip(&plan.lobbies).filter(|(_, lobby)| lobby.authority.is_some()).map(|(lobby, _)| lobby);
        let book = Book {
            cast: Cast::new(hasty.collect()),
            checks: Checks::new(bounds, Ruled::new(ruled.collect())),
            tally: Tally::default(),
            trace,
            mood: plan.mood,
            rooms: BTreeMap::new(),
            stars: vec![StarId::default(); seats],
            sitting: vec![None; seats],
            strangers: BTreeMap::new(),
            tickets: Tickets::new(seats),
            closings: Closings::default(),
            hostile: plan.hostile.map(SeatId),
            forger: plan.is_forger.then(|| Forger::new(seed.stream("forger"))),
            hoard: Hoard::default(),
            landed: vec![Landed::default(); seats],
            states: plan.seats.iter().map(|seat| plan.lobbies[usize::from(seat.lobby)].snapshots).collect(),
            wanted: VecDeque::new(),
            proposals: Vec::new(),
            glances: Lives::default(),
            ends: Vec::new(),
            replays: 0,
        };
        Eye { lens, book }
    }

    pub(super) fn book(&self) -> &Book<'a> {
        &self.book
    }

    pub(super) fn book_mut(&mut self) -> &mut Book<'a> {
        &mut self.book
    }

    pub(super) fn red(&self) -> Option<&Red> {
        self.book.checks.red()
    }

    pub(super) fn note(&mut self, at: Instant, step: Step) {
        self.book.trace.note(at, step);
    }

    /// Somebody is about to sit down.
    pub(super) fn on_enter(&mut self, now: Instant, seat: SeatId, lobby: u8, part: Part) -> Life {
        let room = Room { lobby, made: 0 };
        let life = self.book.cast.enter(seat, room, part == Part::Guest, now);
        self.book.cast.person_mut(life).is_player = part == Part::Player;
        self.book.sitting[usize::from(seat.0)] = Some(life);
        self.book.tickets.forget(seat);
        self.note(now, Step::Star(StarStep::Entered { seat, life }));
        life
    }

    /// A message was taken.
    pub(super) fn on_said(&mut self, life: Life, sent: Option<Sent>, said: Said) {
        let now = said.at;
        self.book.set_now(now);
        let Book { cast, checks, trace, .. } = &mut self.book;
        if cast.submit(life, sent, said).is_none() {
            checks.fail("acknowledged", format!("{life:?} does not count its messages from 1 upwards: {sent:?}"));
            return;
        }
        let submission = cast.submissions().last().expect("one was just noted");
        let Submission { number, content, channel, ref payload, .. } = *submission;
        let bytes = payload.len() as u32;
        trace.note(now, Step::Star(StarStep::Said { life, number, channel, bytes, content }));
        checks.see(Some(life), &Seen::Submitted(submission), cast);
    }

    /// A message was refused for want of room.
    pub(super) fn on_refused(&mut self, now: Instant, life: Life, channel: webstar_core::peer::Channel) {
        self.book.set_now(now);
        self.book.tally.mark("full");
        self.note(now, Step::Star(StarStep::Full { life }));
        self.book.checks.see(Some(life), &Seen::Refused(channel), &self.book.cast);
    }

    /// Looks at what everybody holds.
    pub(super) fn weigh(&mut self, world: &World) {
        self.book.set_now(world.now());
        let Eye { lens, book: Book { cast, checks, sitting, tally, .. } } = self;
        for (seat, life) in (0..).map(SeatId).zip(sitting.iter()) {
            let stats = world.stats(seat);
            for player in &stats {
                let holding = lens.weigh(Holding::Queued(player.queued));
                checks.see(*life, &Seen::Holding(holding), cast);
            }
            let [up, down] = world.buffered(seat);
            if down > 64 * 1024 {
                tally.mark("backlog");
            }
            let holding = lens.weigh(Holding::Streams { links: stats.len(), up, down });
            checks.see(*life, &Seen::Holding(holding), cast);
        }
        for stats in world.server_stats() {
            let holding = Holding::Shard { connections: stats.connections, queued: stats.queued_bytes };
            checks.see(None, &Seen::Holding(lens.weigh(holding)), cast);
        }
    }

    /// What came of it all. `settled` if everything that had to arrive was acknowledged.
    pub(super) fn finish(self, settled: bool) -> (Option<Red>, Tally, u64) {
        let Book { cast, mut checks, trace, mut tally, .. } = self.book;
        if settled {
            checks.end(&cast);
        }
        (checks.finish(&mut tally), tally, trace.hash())
    }
}

impl Book<'_> {
    /// The life of the lobby that somebody at this seat was told to be in.
    pub(super) fn room(&mut self, seat: SeatId, lobby: u8) -> Room {
        let star = self.stars.get(usize::from(seat.0)).copied().unwrap_or_default();
        self.room_of_star(lobby, star)
    }

    pub(super) fn room_of_star(&mut self, lobby: u8, star: StarId) -> Room {
        let next = self.rooms.len() as u16 + 1;
        Room { lobby, made: *self.rooms.entry((lobby, star)).or_insert(next) }
    }

    fn set_direct(&mut self, seat: SeatId, direct: Option<PathKind>) {
        self.landed.get_mut(usize::from(seat.0)).into_iter().for_each(|known| known.last = direct);
    }

    /// It is so late.
    pub(super) fn set_now(&mut self, now: Instant) {
        self.cast.now = now;
    }

    /// Who sits there now.
    pub(super) fn sitting(&self, seat: SeatId) -> Option<Life> {
        self.sitting.get(usize::from(seat.0)).copied().flatten()
    }

    pub(super) fn note(&mut self, now: Instant, step: StarStep) {
        self.trace.note(now, Step::Star(step));
    }

    pub(super) fn see(&mut self, life: Life, seen: &Seen<'_>) {
        self.checks.see(Some(life), seen, &self.cast);
    }

    pub(super) fn told(&mut self, now: Instant, life: Option<Life>, what: &'static str, words: &impl core::fmt::Debug) {
        let content = trace::content(format!("{words:?}").as_bytes());
        self.note(now, StarStep::Told { life, what, content });
    }

    fn on_event(&mut self, now: Instant, life: Life, event: PeerEvent) {
        match event {
            PeerEvent::Joined { player, host, epoch, resumed, ref members, .. } => {
                self.on_joined(life, now, &event);
                self.note(now, StarStep::Joined { life, player, host, epoch, resumed });
                self.see(life, &Seen::Joined { members, epoch, resumed });
            }
            PeerEvent::PlayerJoined(ref entry) => {
                self.cast.person_mut(life).knows |= bit(entry.player_id);
                self.note(now, StarStep::Came { life, player: entry.player_id });
                self.see(life, &Seen::Came(entry));
            }
            PeerEvent::PlayerLeft { player, .. } => {
                self.cast.person_mut(life).knows &= !bit(player);
                self.note(now, StarStep::Went { life, player });
                self.see(life, &Seen::Went(player));
            }
            PeerEvent::PlayerChanged(ref entry) => {
                self.told(now, Some(life), "player_changed", entry);
                self.see(life, &Seen::Changed(entry));
            }
            PeerEvent::HostChanged { epoch, host, cause, .. } => {
                if self.cast.person(life).host.is_some() {
                    self.tally.mark("host_changed");
                }
                let person = self.cast.person_mut(life);
                (person.epoch, person.host) = (epoch, Some(host));
                self.note(now, StarStep::HostChanged { life, host, epoch });
                self.told(now, Some(life), "cause", &cause);
                self.see(life, &Seen::HostChanged { epoch, host, cause });
            }
            PeerEvent::ViewChanged { epoch, host, ref voters, .. } => {
                // Who is host when it comes is no change.
                let person = self.cast.person_mut(life);
                if epoch >= person.epoch {
                    (person.epoch, person.host) = (epoch, Some(host));
                }
                self.see(life, &Seen::ViewChanged { epoch, host, voters });
            }
            PeerEvent::ContinuityLost => {
                self.tally.mark("continuity_lost");
                self.cast.lose(life);
                self.note(now, StarStep::ContinuityLost { life });
                self.see(life, &Seen::ContinuityLost);
            }
            PeerEvent::Message(ref message) => self.on_message(now, life, message),
            PeerEvent::Acked(sent) => self.on_acked(now, life, sent),
            PeerEvent::Drained(channel) => {
                self.tally.mark("drained");
                self.note(now, StarStep::Drained { life });
                self.see(life, &Seen::Drained(channel));
            }
            PeerEvent::Reconnecting { attempt, .. } => {
                self.tally.mark("reconnecting");
                self.cast.person_mut(life).is_away = true;
                self.note(now, StarStep::Reconnecting { life, attempt });
            }
            PeerEvent::Closed(why) => self.on_ended(now, life, Some(why)),
            PeerEvent::Suspect { player } => self.note(now, StarStep::Suspects { life, player }),
            PeerEvent::Started { .. }
            | PeerEvent::Resynced { .. }
            | PeerEvent::Promoted { .. }
            | PeerEvent::SnapshotWanted { .. }
            | PeerEvent::Paused => self.on_game(now, life, &event),
            PeerEvent::GameStarted { .. } => self.told(now, Some(life), "game_started", &event),
            PeerEvent::Path { .. } => self.told(now, Some(life), "path", &event),
            PeerEvent::Proposal(ref proposal) => self.on_proposal(now, life, proposal),
            PeerEvent::Rejected { .. } => self.on_rejected(now, life, &event),
            other => self.told(now, Some(life), "other", &other),
        }
    }

    fn on_joined(&mut self, life: Life, now: Instant, event: &PeerEvent) {
        let PeerEvent::Joined { player, ref lobby, ref members, host, epoch, resumed } = *event else { return };
        let Person { seat, room, .. } = *self.cast.person(life);
        let room = self.room(seat, room.lobby);
        let person = self.cast.person_mut(life);
        person.player = Some(player);
        let own = members.iter().find(|entry| entry.player_id == player);
        person.incarnation = own.map_or(person.incarnation, |entry| entry.incarnation);
        if !resumed {
            (person.room, person.since) = (room, now);
        }
        // Whoever comes back may know of a newer view than the server.
        if !resumed || epoch > person.epoch {
            (person.epoch, person.host) = (epoch, host);
        }
        (person.is_joined, person.is_away) = (true, false);
        person.knows = members.iter().fold(0, |known, entry| known | bit(entry.player_id));
        if resumed {
            self.tally.mark("resumed");
        } else if lobby.started {
            self.tally.mark("joined_in_progress");
        }
        let versions: BTreeSet<_> = members.iter().map(|entry| entry.version).collect();
        if versions.len() > 1 {
            self.tally.mark("mixed_versions");
        }
    }
}

impl<L: Lens> Watch for Eye<'_, L> {
    fn state(&mut self, seat: SeatId) -> Option<(Position, Bytes)> {
        self.book.state(seat)
    }

    fn on_step(&mut self, world: &World, seat: SeatId) {
        let Eye { lens, book } = self;
        book.on_step(world, seat, |news| lens.look(news));
    }

    fn on_given(&mut self, now: Instant, way: Way, due: Instant) {
        self.book.cast.hearing.given(now, way, due);
    }

    fn on_came(&mut self, now: Instant, way: Way) {
        self.book.cast.hearing.came(now, way);
    }

    fn on_landed(&mut self, seat: SeatId, kind: PathKind) {
        self.book.set_direct(seat, Some(kind));
    }

    fn on_order(&mut self, now: Instant, seat: SeatId, player: PlayerId, path: PathId, order: Order) {
        let content = trace::content(format!("{player:?} {path:?} {order:?}").as_bytes());
        let life = self.book.sitting(seat);
        self.book.note(now, StarStep::Told { life, what: "order", content });
    }

    fn on_packet(&mut self, now: Instant, seat: SeatId, _player: PlayerId, _path: PathId, bytes: &[u8]) {
        if self.book.hostile.is_some() && seat.0.is_multiple_of(2) || self.book.hostile == Some(seat) {
            self.book.hoard.packet(bytes);
        }
        self.book.tally.count_sent(bytes.len());
        let content = trace::content(bytes);
        self.book.note(now, StarStep::Packet { seat, bytes: bytes.len() as u32, content });
    }

    fn on_event(&mut self, now: Instant, seat: SeatId, event: PeerEvent) {
        self.book.set_now(now);
        let Eye { lens, book } = self;
        let Some(life) = book.sitting(seat) else { return };
        if book.hostile == Some(seat) {
            return book.on_hostile(now, life, &event);
        }
        lens.pass(life, event, &mut |life, event| book.on_event(now, life, event));
    }

    fn on_heard(&mut self, now: Instant, seat: SeatId, message: ServerMessage) {
        self.book.set_now(now);
        let Eye { lens, book } = self;
        if book.hostile == Some(seat) {
            return book.on_forger_heard(now, seat, &message);
        }
        if let Some(token) = book.strangers.get(&seat).copied() {
            let worked = matches!(message, ServerMessage::LobbyJoined(_));
            if worked || matches!(message, ServerMessage::Error(_)) {
                book.replays += 1;
                let seen = Seen::Replayed { token, worked: lens.replay(worked) };
                book.checks.see(None, &seen, &book.cast);
            }
            return;
        }
        if let Some(life) = book.sitting(seat) {
            book.on_guest(now, life, &message);
        }
    }

    fn on_relayed(&mut self, now: Instant, seat: SeatId, frame: &[u8]) {
        if let Some(forger) = self.book.forger.as_mut().filter(|_| self.book.hostile == Some(seat)) {
            forger.overhear(now, frame);
        }
    }

    fn on_hung_up(&mut self, now: Instant, seat: SeatId, reason: &str) {
        self.book.set_now(now);
        let book = &mut self.book;
        if let (Some(life), false) = (book.sitting(seat), book.strangers.contains_key(&seat)) {
            book.told(now, Some(life), "hung_up", &reason);
            if !book.cast.person(life).is_over {
                book.on_ended(now, life, None);
            }
        }
    }

    fn on_frame(&mut self, now: Instant, seat: SeatId, from: Side, is_text: bool, bytes: &[u8]) {
        if self.book.hostile == Some(seat) && from == Side::A {
            self.book.hoard.said(is_text, bytes);
        }
        self.book.on_answer(seat, from, bytes);
        self.book.tally.count_sent(bytes.len());
        let content = trace::content(bytes);
        self.book.note(now, StarStep::Frame { seat, from, bytes: bytes.len() as u32, content });
    }

    fn on_arrival(&mut self, now: Instant, seat: SeatId, connection: usize, at: Side, frame: &Frame) {
        self.book.closings.on_arrival(now, seat, connection, at);
        self.book.set_direct(seat, None);
        if self.book.hostile == Some(seat) && at == Side::A {
            self.book.hoard.heard(frame);
        }
        self.book.on_ticket(now, seat, connection, at, frame);
    }

    fn on_server_event(&mut self, now: Instant, event: ServerEvent) {
        if matches!(event, ServerEvent::Refused { .. }) {
            self.book.tally.mark("server_refused");
        }
        self.book.told(now, None, "server", &event);
    }

    fn on_server_closes(&mut self, now: Instant, connection: usize, reason: CloseReason) {
        let book = &mut self.book;
        book.tally.mark(closings::mark(reason));
        book.on_server_closes(now, connection, reason);
        if !book.mood.is_gentle() {
            return;
        }
        match book.closings.judge(now, connection, reason) {
            Closing::Fine => {}
            Closing::Excused(why) => *book.tally.excused.entry(why).or_default() += 1,
            // That is what strangers with copied tokens must come to.
            Closing::Fault if reason == CloseReason::TokenReused && !book.strangers.is_empty() => {}
            Closing::Fault => {
                let why = format!("the server closed a connection without any fault: {reason:?}");
                book.checks.fail("stays", why);
            }
        }
    }

    fn on_rest(&mut self, now: Instant, seat: Option<SeatId>, outputs: usize, wants_more: bool) {
        self.book.set_now(now);
        let Eye { lens, book } = self;
        let life = seat.and_then(|seat| book.sitting.get(usize::from(seat.0)).copied().flatten());
        let (outputs, wants_more) = match life {
            Some(life) => lens.rest(life, outputs, wants_more),
            None => (outputs, wants_more),
        };
        book.checks.see(life, &Seen::Rested { outputs, wants_more }, &book.cast);
    }
}
