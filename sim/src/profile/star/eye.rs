//! Sees everything that happens in a world and passes it on: to the trace, to the checkers, and to the tally. A lens in
//! front of it can falsify what is seen, to prove that the checkers notice.

use super::closings::{self, Closing, Closings};
use super::lens::Lens;
use super::plan::{Mood, Part, Plan};
use crate::check::Red;
use crate::check::star::{Bounds, Cast, Checks, Holding, Life, Room, Said, Seen, Submission, bit};
use crate::net::Side;
use crate::profile::Tally;
use crate::trace::{self, StarStep, Step, Trace};
use crate::world::{SeatId, Watch, World};
use std::collections::BTreeSet;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Ended, PeerEvent, PeerMessage, Sent};
use webstar_core::server::{ServerConfig, ServerEvent};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, Encoding, ErrorCode, Frame, Resume, SIGNAL_TAG, ServerMessage, decode_client,
    decode_server,
};

/// How a life ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) seat: SeatId,
    pub(super) why: Option<Ended>,
}

/// The observer of one run.
#[derive(Debug)]
pub(super) struct Eye<'a, L> {
    lens: L,
    book: Book<'a>,
}

/// What is written down.
#[derive(Debug)]
pub(super) struct Book<'a> {
    pub(super) cast: Cast,
    pub(super) checks: Checks,
    pub(super) tally: Tally,
    trace: &'a mut Trace,
    mood: Mood,
    /// By lobby: how often it was made.
    made: Vec<u16>,
    /// Who sits where now.
    sitting: Vec<Option<Life>>,
    /// Seats whose occupants are strangers with old tokens.
    pub(super) strangers: BTreeSet<SeatId>,
    /// By seat: the token that it came back with and that has not been answered.
    asked: Vec<Option<Resume>>,
    /// By seat: the token that worked and on which connection, until the server has heard something there that was said
    /// after the answer. So long it is good.
    answered: Vec<Option<(Resume, usize)>>,
    /// Tokens that have worked.
    pub(super) used: Vec<Resume>,
    closings: Closings,
    /// Lives that have ended and nobody has looked at yet.
    pub(super) ends: Vec<End>,
    /// Whether the server still owes an answer to a stranger.
    pub(super) replays: u32,
}

impl<'a, L: Lens> Eye<'a, L> {
    pub(super) fn new(plan: &Plan, trace: &'a mut Trace, lens: L) -> Self {
        let bounds = Bounds::of(&PlayerConfig::default().session(), &ServerConfig::default());
        let seats = plan.seats.len();
        let book = Book {
            cast: Cast::default(),
            checks: Checks::new(bounds),
            tally: Tally::default(),
            trace,
            mood: plan.mood,
            made: vec![0; plan.lobbies.len()],
            sitting: vec![None; seats],
            strangers: BTreeSet::new(),
            asked: vec![None; seats],
            answered: vec![None; seats],
            used: Vec::new(),
            closings: Closings::default(),
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
        let room = self.book.room(lobby);
        let life = self.book.cast.enter(seat, room, part == Part::Guest, now);
        self.book.sitting[usize::from(seat.0)] = Some(life);
        self.book.asked[usize::from(seat.0)] = None;
        self.book.answered[usize::from(seat.0)] = None;
        self.note(now, Step::Star(StarStep::Entered { seat, life }));
        life
    }

    /// A message was taken.
    pub(super) fn on_said(&mut self, life: Life, sent: Option<Sent>, said: Said) {
        let now = said.at;
        let Book { cast, checks, trace, .. } = &mut self.book;
        if cast.submit(life, sent, said).is_none() {
            checks.fail("acknowledged", format!("{life:?} does not count its messages from 1 upwards: {sent:?}"));
            return;
        }
        let submission = cast.submissions().last().expect("one was just noted");
        let Submission { number, content, ref payload, .. } = *submission;
        let bytes = payload.len() as u32;
        trace.note(now, Step::Star(StarStep::Said { life, number, bytes, content }));
        checks.see(Some(life), &Seen::Submitted(submission), cast);
    }

    /// A message was refused for want of room.
    pub(super) fn on_refused(&mut self, now: Instant, life: Life, channel: webstar_core::peer::Channel) {
        self.book.tally.mark("full");
        self.note(now, Step::Star(StarStep::Full { life }));
        self.book.checks.see(Some(life), &Seen::Refused(channel), &self.book.cast);
    }

    /// Looks at what everybody holds.
    pub(super) fn weigh(&mut self, world: &World) {
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
        let Book { cast, mut checks, trace, tally, .. } = self.book;
        if settled {
            checks.end(&cast);
        }
        (checks.red().cloned(), tally, trace.hash())
    }
}

impl Book<'_> {
    /// The present life of a lobby.
    fn room(&self, lobby: u8) -> Room {
        Room { lobby, made: self.made.get(usize::from(lobby)).copied().unwrap_or(0) }
    }

    /// Who sits there now.
    pub(super) fn sitting(&self, seat: SeatId) -> Option<Life> {
        self.sitting.get(usize::from(seat.0)).copied().flatten()
    }

    fn note(&mut self, now: Instant, step: StarStep) {
        self.trace.note(now, Step::Star(step));
    }

    fn see(&mut self, life: Life, seen: &Seen<'_>) {
        self.checks.see(Some(life), seen, &self.cast);
    }

    fn told(&mut self, now: Instant, life: Option<Life>, what: &'static str, words: &impl core::fmt::Debug) {
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
                (person.epoch, person.host, person.since) = (epoch, Some(host), now);
                self.note(now, StarStep::HostChanged { life, host, epoch });
                self.told(now, Some(life), "cause", &cause);
                self.see(life, &Seen::HostChanged(epoch));
            }
            PeerEvent::ContinuityLost { unacknowledged } => {
                self.tally.mark("continuity_lost");
                let counted = self.cast.give_up(life);
                self.cast.person_mut(life).since = now;
                self.note(now, StarStep::ContinuityLost { life, unacknowledged });
                self.see(life, &Seen::ContinuityLost(unacknowledged, counted));
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
            PeerEvent::Suspect { .. } => self.told(now, Some(life), "suspect", &event),
            PeerEvent::GameStarted { .. } => self.told(now, Some(life), "game_started", &event),
            PeerEvent::Path { .. } => self.told(now, Some(life), "path", &event),
            other => self.told(now, Some(life), "other", &other),
        }
    }

    fn on_joined(&mut self, life: Life, now: Instant, event: &PeerEvent) {
        let PeerEvent::Joined { player, ref lobby, ref members, host, epoch, resumed } = *event else { return };
        let room = self.room(self.cast.person(life).room.lobby);
        let person = self.cast.person_mut(life);
        person.player = Some(player);
        if !resumed {
            person.room = room;
        }
        if !resumed || epoch != person.epoch {
            person.since = now;
        }
        (person.epoch, person.host) = (epoch, host);
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

    fn on_message(&mut self, now: Instant, life: Life, message: &PeerMessage) {
        let Book { cast, checks, trace, tally, .. } = self;
        let room = cast.person(life).room;
        let (origin, stamped) = (cast.origin(room, message), cast.stamped(&message.payload));
        let by = if message.seq == 0 { "server" } else { "relay" };
        *tally.delivered_by.entry(by).or_default() += 1;
        if message.seq == 0 {
            tally.mark("guest_talked");
        } else if message.payload.len() > 2_048 {
            tally.mark("fragmented");
        }
        let content = origin.map_or_else(|| trace::content(&message.payload), |origin| origin.content);
        let number = origin.map(|origin| origin.number);
        trace.note(now, Step::Star(StarStep::Heard { life, number, content }));
        checks.see(Some(life), &Seen::Delivered { message, origin, stamped }, cast);
    }

    fn on_acked(&mut self, now: Instant, life: Life, sent: Sent) {
        self.tally.acked += 1;
        let person = self.cast.person(life);
        let found = person.player.and_then(|player| self.cast.named(person.room, player, sent.channel, sent.seq));
        let number = found.filter(|found| found.life == life).map(|found| found.number);
        self.note(now, StarStep::Safe { life, number });
        if let Some(number) = number {
            self.cast.acknowledge(number);
        }
        let origin = number.map(|number| &self.cast.submissions()[number as usize]);
        self.checks.see(Some(life), &Seen::Acked(sent, origin), &self.cast);
    }

    fn on_ended(&mut self, now: Instant, life: Life, why: Option<Ended>) {
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

    /// A guest hears something.
    fn on_guest(&mut self, now: Instant, life: Life, message: &ServerMessage) {
        match message {
            ServerMessage::LobbyJoined(joined) => {
                let room = self.room(self.cast.person(life).room.lobby);
                let person = self.cast.person_mut(life);
                (person.room, person.player, person.is_joined) = (room, Some(joined.player_id), true);
                person.knows = joined.player_list.iter().fold(0, |known, entry| known | bit(entry.player_id));
                let step = StarStep::Joined {
                    life,
                    player: joined.player_id,
                    host: joined.host_id,
                    epoch: joined.epoch,
                    resumed: false,
                };
                self.note(now, step);
                self.see(life, &Seen::Joined { members: &joined.player_list, epoch: joined.epoch, resumed: false });
            }
            ServerMessage::HostMigration(migration) => {
                self.cast.person_mut(life).host = Some(migration.new_host_id);
                self.told(now, Some(life), "host_migration", migration);
            }
            ServerMessage::RelayData(relayed) => {
                self.overhear(now, life, relayed.from_player, &relayed.data.to_bytes());
            }
            ServerMessage::BroadcastData(relayed) => {
                self.overhear(now, life, relayed.from_player, &relayed.data.to_bytes());
            }
            other => self.told(now, Some(life), "guest", other),
        }
    }

    fn overhear(&mut self, now: Instant, life: Life, from: webstar_core::id::PlayerId, payload: &[u8]) {
        *self.tally.delivered_by.entry("server").or_default() += 1;
        let (origin, stamped) = (self.cast.overheard(life, from, payload), self.cast.stamped(payload));
        let number = origin.map(|origin| origin.number);
        let content = trace::content(payload);
        self.trace.note(now, Step::Star(StarStep::Heard { life, number, content }));
        let seen = Seen::Overheard { from, payload, origin, stamped };
        self.checks.see(Some(life), &seen, &self.cast);
    }

    /// Follows the tokens: one that brought its player back is used as soon as the server hears the player after it has
    /// had the answer.
    fn follow_tokens(&mut self, seat: SeatId, connection: usize, at: Side, frame: &Frame) {
        let index = usize::from(seat.0);
        let Frame::Binary(bytes) = frame else { return };
        if index >= self.asked.len() {
            return;
        }
        let is_signal = bytes.first() == Some(&SIGNAL_TAG);
        let (answered, used) = (&mut self.answered[index], &mut self.used);
        if at == Side::A {
            if let (true, Ok(ServerMessage::LobbyJoined(joined))) =
                (is_signal, decode_server(Encoding::Postcard, frame))
                && joined.resumed
            {
                used.extend(answered.take().map(|(resume, _)| resume));
                *answered = self.asked[index].take().map(|resume| (resume, connection));
            }
            return;
        }
        match decode_client(Encoding::Postcard, frame) {
            Ok(ClientMessage::Resume(resume)) if is_signal => self.asked[index] = Some(resume),
            Ok(ClientMessage::Hello(_)) if is_signal => {}
            _ => used.extend(answered.take_if(|(_, on)| *on == connection).map(|(resume, _)| resume)),
        }
    }
}

impl<L: Lens> Watch for Eye<'_, L> {
    fn on_event(&mut self, now: Instant, seat: SeatId, event: PeerEvent) {
        let Eye { lens, book } = self;
        let Some(life) = book.sitting(seat) else { return };
        lens.pass(life, event, &mut |life, event| book.on_event(now, life, event));
    }

    fn on_heard(&mut self, now: Instant, seat: SeatId, message: ServerMessage) {
        let Eye { lens, book } = self;
        if book.strangers.contains(&seat) {
            let worked = matches!(message, ServerMessage::LobbyJoined(_));
            if worked || matches!(message, ServerMessage::Error(_)) {
                book.replays += 1;
                let seen = Seen::Replayed { worked: lens.replay(worked) };
                book.checks.see(None, &seen, &book.cast);
            }
            return;
        }
        if let Some(life) = book.sitting(seat) {
            book.on_guest(now, life, &message);
        }
    }

    fn on_hung_up(&mut self, now: Instant, seat: SeatId, reason: &str) {
        let book = &mut self.book;
        if let (Some(life), false) = (book.sitting(seat), book.strangers.contains(&seat)) {
            book.told(now, Some(life), "hung_up", &reason);
            if !book.cast.person(life).is_over {
                book.on_ended(now, life, None);
            }
        }
    }

    fn on_frame(&mut self, now: Instant, seat: SeatId, from: Side, _is_text: bool, bytes: &[u8]) {
        let content = trace::content(bytes);
        self.book.note(now, StarStep::Frame { seat, from, bytes: bytes.len() as u32, content });
    }

    fn on_arrival(&mut self, now: Instant, seat: SeatId, connection: usize, at: Side, frame: &Frame) {
        self.book.closings.on_arrival(now, connection, at);
        self.book.follow_tokens(seat, connection, at, frame);
    }

    fn on_server_event(&mut self, now: Instant, event: ServerEvent) {
        match &event {
            ServerEvent::LobbyOpened { lobby } => {
                let number = lobby.as_str().rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
                if let Some(made) = number.and_then(|number| self.book.made.get_mut(number)) {
                    *made += 1;
                }
            }
            ServerEvent::Refused { .. } => self.book.tally.mark("server_refused"),
            _ => {}
        }
        self.book.told(now, None, "server", &event);
    }

    fn on_server_closes(&mut self, now: Instant, connection: usize, reason: CloseReason) {
        let book = &mut self.book;
        book.tally.mark(closings::mark(reason));
        match book.closings.judge(now, connection, reason) {
            Closing::Fine => {}
            Closing::Excused(why) => *book.tally.excused.entry(why).or_default() += 1,
            Closing::Fault if book.mood == Mood::Swarm => {}
            // That is what strangers with copied tokens must come to.
            Closing::Fault if reason == CloseReason::TokenReused && !book.strangers.is_empty() => {}
            Closing::Fault => {
                let why = format!("the server closed a connection without any fault: {reason:?}");
                book.checks.fail("stays", why);
            }
        }
    }

    fn on_rest(&mut self, _now: Instant, seat: Option<SeatId>, outputs: usize, wants_more: bool) {
        let Eye { lens, book } = self;
        let life = seat.and_then(|seat| book.sitting.get(usize::from(seat.0)).copied().flatten());
        let (outputs, wants_more) = match life {
            Some(life) => lens.rest(life, outputs, wants_more),
            None => (outputs, wants_more),
        };
        book.checks.see(life, &Seen::Rested { outputs, wants_more }, &book.cast);
    }
}
