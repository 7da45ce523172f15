//! The floor: virtual time, an agenda of what happens when, players and the server. What players do is told to the
//! checkers in `witness`; what goes wrong is done by `deeds`; how frames travel is `links`, what the server does
//! `room`.

mod deeds;
mod dice;
mod links;
mod room;
mod seat;
mod short;
mod talk;
mod travel;
mod witness;

pub(crate) use dice::Dice;
pub(crate) use links::Weather;

use crate::check::{Checks, Fact, Life};
use links::{Flight, Links};
use room::Room;
use seat::Seated;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::id::PlayerId;
use webstar_core::star::{Frame, Member, Position, ServerSays, Star, StarConfig, Word};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::Epoch;

/// A machine that is woken so often without time passing spins.
const SPINS: u32 = 1000;

/// What a floor is like.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// Between players.
    pub(crate) weather: Weather,
    /// To and from the server.
    pub(crate) far: Weather,
    pub(crate) config: StarConfig,
    /// Entries that a link bears at a time.
    pub(crate) room: usize,
    /// A player speaks about this often, while speaking is allowed.
    pub(crate) talk_every: Duration,
    /// The longest message.
    pub(crate) size: u64,
    /// Frames go through bytes.
    pub(crate) by_bytes: bool,
}

impl Setup {
    /// A quick and quiet network.
    pub(crate) fn calm(seed: u64) -> Self {
        let weather =
            Weather { delay: Duration::from_millis(20), jitter: Duration::from_millis(5), late_one_in: u64::MAX };
        Setup {
            seed,
            weather,
            far: weather,
            config: StarConfig::default(),
            room: 64,
            talk_every: Duration::from_millis(50),
            size: 40,
            by_bytes: false,
        }
    }
}

/// What the server tells a player.
#[derive(Clone, Debug)]
enum Tell {
    Members(Vec<Member>),
    Says(ServerSays),
}

#[derive(Debug)]
enum What {
    Arrives(Flight),
    /// An entry has arrived, its sender knows.
    Taken {
        at: Life,
        by: Life,
        epoch: Epoch,
        position: Position,
    },
    Published {
        at: Life,
        by: Life,
    },
    Word {
        from: Life,
        word: Word,
    },
    Tell {
        to: Life,
        tell: Tell,
    },
    /// It is time for a sign of life.
    Beat {
        from: Life,
        to: Life,
    },
    Sign {
        from: Life,
        to: Life,
    },
    Wake {
        life: Life,
    },
    Tick,
    Listen,
    /// Somebody has slept long enough.
    Rouse {
        life: Life,
    },
    Talk {
        life: Life,
    },
    /// Somebody was cut off from the server for long enough to be noticed.
    Notice {
        life: Life,
        cut: u64,
    },
    Reconnect {
        life: Life,
    },
    /// A place is given up.
    GiveUp {
        life: Life,
    },
}

pub(crate) struct Floor {
    pub(crate) setup: Setup,
    pub(crate) now: Instant,
    agenda: BTreeMap<(Instant, u64), What>,
    number: u64,
    seats: BTreeMap<Life, Seated>,
    /// Who is dead, with what it held.
    graves: BTreeMap<Life, Star>,
    /// How far logs went at most, by the term in which they were whole.
    stored: BTreeMap<(Life, u32), Position>,
    room: Room,
    links: Links,
    blocked: BTreeSet<(PlayerId, PlayerId)>,
    /// Who is cut off from the server, and which cut it is.
    cut: BTreeMap<PlayerId, u64>,
    /// What waits at a cut that nobody has noticed yet.
    held_words: Vec<(Life, Word)>,
    held_tells: Vec<(Life, Tell)>,
    cuts: u64,
    /// When the last message to and from the server arrives: these stay in order.
    server_lanes: BTreeMap<(Life, bool), Instant>,
    net: Dice,
    chat: Dice,
    keys: Dice,
    may_talk: bool,
    /// Views that were proposed: whether promising them bars.
    bars: BTreeMap<Epoch, bool>,
    pub(crate) checks: Checks,
    pub(crate) broken: Option<String>,
    /// Everything that happened, if wanted.
    pub(crate) trace: Option<Vec<String>>,
    /// Rare situations, and how often they occurred.
    pub(crate) marks: BTreeMap<&'static str, u32>,
    spins: u32,
    pub(crate) steps: u64,
}

impl Floor {
    pub(crate) fn new(setup: Setup) -> Self {
        let is_safe = [setup.config.safe_reliable, setup.config.safe_ordered];
        let mut floor = Floor {
            now: Instant::ZERO,
            agenda: BTreeMap::new(),
            number: 0,
            seats: BTreeMap::new(),
            graves: BTreeMap::new(),
            stored: BTreeMap::new(),
            room: Room::new(Dice::new(setup.seed, 1)),
            links: Links::default(),
            blocked: BTreeSet::new(),
            cut: BTreeMap::new(),
            held_words: Vec::new(),
            held_tells: Vec::new(),
            cuts: 0,
            server_lanes: BTreeMap::new(),
            net: Dice::new(setup.seed, 2),
            chat: Dice::new(setup.seed, 3),
            keys: Dice::new(setup.seed, 4),
            may_talk: true,
            bars: BTreeMap::new(),
            checks: Checks::new(is_safe),
            broken: None,
            trace: std::env::var_os("STAR_TRACE").map(|_| Vec::new()),
            marks: BTreeMap::new(),
            spins: 0,
            steps: 0,
            setup,
        };
        floor.plan(Duration::ZERO, What::Tick);
        floor.plan(Duration::ZERO, What::Listen);
        floor
    }

    fn plan(&mut self, after: Duration, what: What) {
        self.plan_at(self.now + after, what);
    }

    fn plan_at(&mut self, at: Instant, what: What) {
        self.number += 1;
        self.agenda.insert((at.max(self.now), self.number), what);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:10.3} {}", self.now.as_millis_f64(), line()));
        }
    }

    fn fact(&mut self, fact: &Fact) {
        if self.broken.is_some() {
            return;
        }
        if let Err(what) = self.checks.on(fact) {
            self.note(|| format!("BROKEN {what}"));
            self.broken = Some(format!("at {:.3} ms: {what}", self.now.as_millis_f64()));
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.broken.is_none()
            && let Some(((at, _), _)) = self.agenda.first_key_value()
            && *at <= end
        {
            let ((at, _), what) = self.agenda.pop_first().expect("it was just seen");
            self.spins = if at == self.now { self.spins + 1 } else { 0 };
            self.now = at;
            assert!(self.spins < 100 * SPINS, "at {:.3} ms the floor spins: {what:?}", self.now.as_millis_f64());
            self.steps += 1;
            self.happen(what);
        }
        self.now = end;
    }

    pub(crate) fn run_ms(&mut self, time_ms: u64) {
        self.run(Duration::from_millis(time_ms));
    }

    /// The life that would have to act, if it does.
    fn actor(what: &What) -> Option<Life> {
        match what {
            What::Arrives(flight) => Some(flight.to),
            What::Taken { at, .. } | What::Published { at, .. } => Some(*at),
            What::Tell { to, .. } | What::Sign { to, .. } => Some(*to),
            What::Beat { from, .. } => Some(*from),
            What::Wake { life } | What::Talk { life } => Some(*life),
            _ => None,
        }
    }

    fn happen(&mut self, what: What) {
        if let Some(actor) = Self::actor(&what) {
            let Some(seat) = self.seats.get_mut(&actor) else { return };
            if seat.asleep_until > self.now || !seat.backlog.is_empty() {
                seat.backlog.push_back(what);
                return;
            }
        }
        self.carry_out(what);
    }

    /// What came while it slept is handled in order.
    fn rouse(&mut self, life: Life) {
        let Some(seat) = self.seats.get_mut(&life) else { return };
        if seat.asleep_until > self.now {
            return;
        }
        for what in std::mem::take(&mut seat.backlog) {
            if self.seats.contains_key(&life) {
                self.carry_out(what);
            }
        }
    }

    fn carry_out(&mut self, what: What) {
        match what {
            What::Arrives(flight) => self.arrive(flight),
            What::Taken { at, by, epoch, position } => self.on_taken(at, by, epoch, position),
            What::Published { at, by } => self.touch(at, |seat, _| {
                let out = seat.publishes_out.entry(by.player).or_default();
                *out = out.saturating_sub(1);
            }),
            What::Word { from, word } => self.on_word(from, &word),
            What::Tell { to, tell } => self.on_tell(to, tell),
            What::Beat { from, to } => self.beat(from, to),
            What::Sign { from, to } => self.hear(to, from),
            What::Wake { life } => self.wake(life),
            What::Tick => {
                if self.room.is_up {
                    self.room.on_tick(self.now);
                    self.serve();
                }
                self.plan(Duration::from_millis(20), What::Tick);
            }
            What::Listen => self.listen(),
            What::Rouse { life } => self.rouse(life),
            What::Talk { life } => self.talk(life),
            What::Notice { life, cut } => self.notice(life, cut),
            What::Reconnect { life } => self.reconnect(life),
            What::GiveUp { life } => self.give_up(life),
        }
    }

    fn wake(&mut self, life: Life) {
        let Some(seat) = self.seats.get_mut(&life) else { return };
        if seat.wake.is_none_or(|wake| wake > self.now) {
            return;
        }
        seat.wake = None;
        self.touch(life, |seat, now| {
            if seat.star.deadline().is_some_and(|deadline| deadline <= now) {
                seat.star.on_timeout(now, &mut seat.out);
            }
        });
    }

    /// One input for one machine; then everything it says is done.
    fn touch(&mut self, life: Life, act: impl FnOnce(&mut Seated, Instant)) {
        let Some(mut seat) = self.seats.remove(&life) else { return };
        act(&mut seat, self.now);
        self.seats.insert(life, seat);
        self.witness(life);
        let Some(seat) = self.seats.get_mut(&life) else { return };
        let Some(deadline) = seat.star.deadline() else { return };
        let at = deadline.max(self.now);
        if seat.wake.is_none_or(|wake| at < wake) {
            seat.wake = Some(at);
            self.plan_at(at, What::Wake { life });
        }
    }

    fn on_taken(&mut self, at: Life, by: Life, epoch: Epoch, position: Position) {
        self.touch(at, |seat, now| {
            if seat.knows(by) {
                let out = seat.entries_out.entry(by.player).or_default();
                *out = out.saturating_sub(1);
                seat.star.on_taken(now, by.player, epoch, position, &mut seat.out);
            }
        });
    }

    fn arrive(&mut self, flight: Flight) {
        let Flight { from, to, .. } = flight;
        let Some(seat) = self.seats.get_mut(&to) else { return };
        if !seat.knows(from) {
            // There is no link before the roster names the other: what it says is said again.
            seat.strangers.push(flight);
            return;
        }
        let counts = self.links.arrives(&flight, &mut self.net);
        self.hear(to, from);
        if !counts {
            return;
        }
        self.note(|| format!("{to:?} <- {from:?} {}", short::frame(&flight.frame)));
        match &flight.frame {
            Frame::Entry { epoch, entry } => {
                let (back, epoch, position) = (self.way_back(), *epoch, entry.position);
                self.plan(back, What::Taken { at: from, by: to, epoch, position });
            }
            Frame::Publish { .. } => {
                let back = self.way_back();
                self.plan(back, What::Published { at: from, by: to });
            }
            _ => {}
        }
        self.touch(to, |seat, now| seat.star.on_frame(now, from.player, flight.frame, &mut seat.out));
    }

    /// Those whom the roster names now are heard.
    fn welcome(&mut self, life: Life) {
        let Some(seat) = self.seats.get_mut(&life) else { return };
        for flight in std::mem::take(&mut seat.strangers) {
            self.arrive(flight);
        }
    }

    fn way_back(&mut self) -> Duration {
        self.setup.weather.draw(&mut self.net)
    }
}

/// What happened is told when a test fails.
impl Drop for Floor {
    fn drop(&mut self) {
        if std::thread::panicking() || self.broken.is_some() {
            self.trace.iter().flatten().for_each(|line| println!("{line}"));
        }
    }
}
