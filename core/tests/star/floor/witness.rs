//! What a machine has done in a step, told to the checkers and carried out: its log, its events, its frames, its words.

use super::seat::{self, Sight};
use super::{Floor, short};
use crate::check::{Fact, Id, Item, Life, Why};
use webstar_core::id::PlayerId;
use webstar_core::star::{Channel, Delivered, Destination, Event, Frame, Position, Role, Snapshot, To};
use webstar_core::wire::signal::{Epoch, HostCause};

/// How a step began.
#[derive(Clone, Copy)]
struct Step {
    before: Sight,
    epoch: Epoch,
    since: Epoch,
    role: Role,
}

impl Floor {
    /// Until the machine has nothing more to say.
    pub(super) fn witness(&mut self, life: Life) {
        let before = self.seats[&life].sight;
        self.observe(life);
        loop {
            let sight = self.seats[&life].sight;
            let step = Step { before, epoch: sight.epoch, since: sight.since, role: sight.role };
            let Some(seat) = self.seats.get_mut(&life) else { return };
            let events: Vec<Event> = seat.out.events.drain(..).collect();
            let frames: Vec<(To, Frame)> = seat.out.frames.drain(..).collect();
            let words: Vec<_> = seat.out.words.drain(..).collect();
            let is_idle = events.is_empty() && frames.is_empty() && words.is_empty();
            self.on_events(life, step, events);
            for (to, frame) in frames {
                self.on_said(life, &frame);
                let to = match to {
                    To::One(player) => vec![player],
                    To::Many(players) => players,
                };
                for player in to {
                    self.say(life, player, frame.clone());
                }
            }
            for word in words {
                self.tell_server(life, word);
            }
            let has_polled = self.poll(life);
            self.observe(life);
            if is_idle && !has_polled {
                return;
            }
        }
    }

    /// Takes entries and publishes while the links have room.
    fn poll(&mut self, life: Life) -> bool {
        let room = self.setup.room;
        let mut has_polled = false;
        let players: Vec<PlayerId> = self.seats[&life].roster.iter().map(|member| member.player).collect();
        for player in players.into_iter().filter(|player| *player != life.player) {
            while let Some(seat) = self.seats.get_mut(&life) {
                let out = seat.entries_out.entry(player).or_default();
                if *out >= room {
                    break;
                }
                let Some(frame) = seat.star.poll_entry(player) else { break };
                *out += usize::from(matches!(frame, Frame::Entry { .. }));
                has_polled = true;
                self.on_said(life, &frame);
                self.say(life, player, frame);
            }
        }
        while let Some(seat) = self.seats.get_mut(&life) {
            let host = seat.star.view().map(|view| view.host);
            if host.is_some_and(|host| seat.publishes_out.get(&host).is_some_and(|out| *out >= room)) {
                break;
            }
            let Some((host, frame)) = seat.star.poll_publish() else { break };
            *seat.publishes_out.entry(host).or_default() += 1;
            has_polled = true;
            self.say(life, host, frame);
        }
        has_polled
    }

    /// A situation that random runs should meet.
    fn mark(&mut self, what: &'static str) {
        *self.marks.entry(what).or_default() += 1;
    }

    fn on_said(&mut self, by: Life, frame: &Frame) {
        match frame {
            Frame::Activate { voids, .. } if !voids.is_empty() => self.mark("a place was void"),
            Frame::Start { is_joiner: false, .. } => self.mark("a follower began anew"),
            Frame::Fetch { .. } => self.mark("a better log was fetched"),
            Frame::Freeze { .. } => self.mark("a host froze"),
            Frame::Newer(_) => self.mark("somebody was told a newer view"),
            Frame::Hold(true) => self.mark("a host held its members"),
            Frame::Promise(promise) if !promise.promised.is_empty() => self.mark("another view was promised before"),
            Frame::Promise(promise) if !promise.beyond.is_empty() => self.mark("a promise brought entries"),
            _ => {}
        }
        let fact = match frame {
            Frame::Mark { epoch, .. } => Fact::Marked { by, epoch: *epoch },
            Frame::Stored { epoch, .. } => Fact::Stored { by, epoch: *epoch },
            Frame::Entry { epoch, .. } => Fact::Handed { by, epoch: *epoch },
            Frame::Propose { view, is_dormant } => {
                self.bars.insert(view.epoch, !view.is_light() && !is_dormant);
                return;
            }
            Frame::Promise(promise) => {
                let bars = self.bars.get(&promise.epoch).copied().unwrap_or(false);
                Fact::Promised { by, epoch: promise.epoch, bars }
            }
            _ => return,
        };
        self.fact(&fact);
    }

    /// What is new in the log, and what is committed now.
    fn observe(&mut self, by: Life) {
        let Some(seat) = self.seats.get_mut(&by) else { return };
        let before = seat.sight;
        let glance = seat.star.glance();
        let since = seat.star.view().map_or(Epoch::default(), |view| view.since);
        let mut sight = Sight { role: glance.role, epoch: glance.epoch, since, ..before };
        sight.committed = glance.committed;
        let mut facts = Vec::new();
        if let Some((cut, log_end)) = glance.log {
            sight.log_end = log_end.end;
            sight.whole_in = log_end.whole_in;
            let stored = self.stored.entry((by, log_end.whole_in.term)).or_default();
            *stored = log_end.end.max(*stored);
            let is_same = before.whole_in == log_end.whole_in && before.log_end <= log_end.end;
            let from = if is_same { before.log_end } else { Position(0) };
            let is_hosting = glance.role == Role::Hosting;
            if !is_same || before.log_end < log_end.end {
                let news = seat.star.entries().rev().take_while(|entry| entry.position > from);
                let mut news: Vec<_> = news.map(|entry| (entry.position, entry.epoch, seat::item(entry))).collect();
                news.reverse();
                for (position, epoch, _) in news.iter().filter(|(_, epoch, _)| is_hosting && *epoch == glance.epoch) {
                    facts.push(Fact::Appended { by, epoch: *epoch, position: *position });
                }
                let items: Vec<(Position, Item)> =
                    news.into_iter().map(|(position, _, item)| (position, item)).collect();
                if !is_same {
                    seat.uncommitted.clear();
                }
                seat.uncommitted.extend(items.iter().copied());
                facts.push(Fact::Log { by, whole_in: log_end.whole_in, cut, items });
            }
            let was_hosting = matches!(before.role, Role::Hosting | Role::Frozen);
            if is_hosting && !(was_hosting && before.epoch.term == glance.epoch.term) {
                let items: Vec<(Position, Item)> =
                    seat.star.entries().map(|entry| (entry.position, seat::item(entry))).collect();
                facts.push(Fact::Hosting { by, since, epoch: glance.epoch, cut, items });
            }
            if matches!(glance.role, Role::Hosting | Role::Frozen) {
                let is_new = !was_hosting || before.since != since;
                let from = if is_new { Position(0) } else { before.committed };
                self.commit(by, since, from, glance.committed, &mut facts);
            }
        }
        let Some(seat) = self.seats.get_mut(&by) else { return };
        if matches!(glance.role, Role::Hosting | Role::Frozen) {
            seat.uncommitted = seat.uncommitted.split_off(&glance.committed.next());
        }
        seat.sight = sight;
        if sight.role != before.role || sight.epoch != before.epoch {
            let view = seat.star.view().map(short::view);
            self.note(|| {
                format!(
                    "{by:?} is {:?} in {:?}, promised {:?}, log {:?}",
                    glance.role, view, glance.promised, glance.log
                )
            });
        }
        for fact in facts {
            self.fact(&fact);
        }
    }

    fn commit(&self, by: Life, since: Epoch, from: Position, to: Position, facts: &mut Vec<Fact>) {
        if from >= to {
            return;
        }
        let seat = &self.seats[&by];
        let Some(view) = seat.star.view() else { return };
        let voters = view.backups.iter().filter_map(|backup| view.voter(*backup));
        let backups: Vec<Life> =
            voters.map(|voter| Life { player: voter.player, incarnation: voter.incarnation }).collect();
        let term = view.epoch.term;
        for (position, item) in seat.uncommitted.range(from.next()..=to) {
            let (position, item) = (*position, *item);
            let lacks = |life: &&Life| !self.has_stored(**life, term, position, item);
            let absent = backups.iter().filter(lacks).map(|life| life.player).collect();
            facts.push(Fact::Committed { by, since, epoch: view.epoch, position, item, absent });
        }
    }

    /// Whether a log holds an entry, or went so far in this term.
    fn has_stored(&self, life: Life, term: u32, at: Position, item: Item) -> bool {
        if self.stored.get(&(life, term)).is_some_and(|end| *end >= at) {
            return true;
        }
        let star = self.seats.get(&life).map(|seat| &seat.star).or_else(|| self.graves.get(&life));
        let held = star.and_then(|star| star.entries().find(|held| held.position == at));
        let is_cut = star.and_then(|star| star.glance().log).is_some_and(|(cut, _)| cut >= at);
        is_cut || held.is_some_and(|held| seat::item(held) == item)
    }

    fn on_events(&mut self, by: Life, step: Step, events: Vec<Event>) {
        let lost_at = events.iter().position(|event| *event == Event::ContinuityLost);
        for (at, event) in events.into_iter().enumerate() {
            self.note(|| format!("{by:?} ! {}", told(&event)));
            let is_before = lost_at.is_some_and(|lost| at < lost);
            let since = if is_before { step.before.since } else { step.since };
            match event {
                Event::Message(delivered) => self.on_delivered(by, step, since, &delivered),
                Event::Acked(channel, seq) => {
                    let Some(seat) = self.seats.get_mut(&by) else { return };
                    let lane = usize::from(channel == Channel::Ordered);
                    assert!(
                        seat.acked[lane] < seq && seq <= seat.sent[lane],
                        "{by:?}: {channel:?} {seq} is acknowledged"
                    );
                    seat.acked[lane] = seq;
                    // Who keeps the log alone may commit and cut at once.
                    let view = seat.star.view();
                    let is_alone = view.is_some_and(|view| view.host == by.player && view.backups.is_empty());
                    self.fact(&Fact::Acked { id: Id { by, channel, seq }, since, is_alone });
                }
                Event::HostChanged { epoch, cause, .. } => {
                    self.mark(match cause {
                        None => "a first host",
                        Some(HostCause::CrashSilent) => "a silent host was replaced",
                        Some(HostCause::CrashClosed) => "a closed host was replaced",
                        Some(HostCause::Graceful) => "a host handed over",
                        Some(HostCause::Chosen) => "a host chose its successor",
                        Some(HostCause::Forced) => "a host was forced",
                        Some(HostCause::Voted) => "a backup elected itself",
                    });
                    self.hear_of(by, format!("host {epoch:?}"));
                    self.fact(&Fact::HostChanged { by, epoch });
                }
                Event::ContinuityLost => {
                    self.hear_of(by, "lost".into());
                    self.fact(&Fact::ContinuityLost { by, since });
                }
                Event::Started(snapshot) => self.on_began(by, Why::Started, since, &snapshot),
                Event::Resynced(snapshot) => self.on_began(by, Why::Resynced, since, &snapshot),
                Event::Promoted { snapshot, tail } => {
                    self.hear_of(by, "promoted".into());
                    if snapshot.state.is_some() {
                        self.on_began(by, Why::Promoted, since, &snapshot);
                        self.on_tail(by, step, since, &snapshot, &tail);
                    }
                }
                Event::SnapshotWanted { position } => self.touch_game(by, position),
                Event::Paused => {
                    self.mark("a player paused");
                    self.hear_of(by, "paused".into());
                }
                Event::Drained(_) | Event::Proposal(_) | Event::Rejected { .. } => {}
            }
        }
    }

    fn hear_of(&mut self, by: Life, what: String) {
        if let Some(seat) = self.seats.get_mut(&by) {
            seat.heard.push(what);
        }
    }

    fn touch_game(&mut self, by: Life, position: Position) {
        let now = self.now;
        let Some(seat) = self.seats.get_mut(&by) else { return };
        if seat.gives_snapshots {
            let state = seat::freeze(seat.game);
            seat.star.on_snapshot(now, position, state, &mut seat.out);
        }
    }

    fn on_delivered(&mut self, by: Life, step: Step, since: Epoch, delivered: &Delivered) {
        let id = seat::read(&delivered.payload);
        assert_eq!((delivered.from, delivered.channel, delivered.seq), (id.by.player, id.channel, id.seq), "S4");
        let is_for_all = self.checks.lines().sent.get(&id) == Some(&Destination::All);
        if is_for_all && let Some(seat) = self.seats.get_mut(&by) {
            seat.game.hear(id);
        }
        let waits = |role: Role| matches!(role, Role::Barred | Role::Collecting);
        let stood = waits(step.before.role) && waits(step.role) && step.before.epoch == step.epoch;
        let epoch = step.epoch.max(step.before.epoch);
        self.fact(&Fact::Delivered { by, epoch, since, stood, id, position: delivered.position });
    }

    fn on_began(&mut self, by: Life, why: Why, since: Epoch, snapshot: &Snapshot) {
        self.hear_of(by, format!("{why:?}"));
        self.mark(match why {
            Why::Started => "somebody started",
            Why::Resynced => "somebody was resynchronised",
            Why::Promoted => "a game was promoted from a snapshot",
        });
        let game = seat::thaw(snapshot);
        if let Some(seat) = self.seats.get_mut(&by) {
            seat.game = game.unwrap_or_default();
        }
        self.fact(&Fact::Began { by, why, since, position: snapshot.position, game });
    }

    /// A new host's game hears again what follows its snapshot, and what was for the old host.
    fn on_tail(&mut self, by: Life, step: Step, since: Epoch, snapshot: &Snapshot, tail: &[Delivered]) {
        let mut last = snapshot.position;
        for delivered in tail {
            assert!(last < delivered.position, "S8: {:?} after {last:?} in the tail of {by:?}", delivered.position);
            last = delivered.position;
            let id = seat::read(&delivered.payload);
            if self.checks.lines().is_for(id, by.player) != Some(false) {
                self.on_delivered(by, step, since, delivered);
            }
        }
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::Message(delivered) => format!("hears {:?} at {}", seat::read(&delivered.payload), delivered.position.0),
        Event::Promoted { snapshot, tail } => {
            let tail: Vec<u64> = tail.iter().map(|delivered| delivered.position.0).collect();
            format!("promoted from {} with {tail:?}", snapshot.position.0)
        }
        other => format!("{other:?}"),
    }
}
