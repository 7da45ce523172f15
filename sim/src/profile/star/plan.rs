//! What is drawn for one run of a whole world: the server, the lobbies, who comes when and on what way, what goes wrong,
//! and what is said. Each of these has its own stream of randomness, so that one can change and the others stay.

use super::deeds::{self, Deed};
use super::faults::{Fault, Ways};
use super::mischief::{self, Mischief};
use super::talk::{Talking, Voice};
use super::{crashes, kinds, torn};
use crate::crypto::Carrying;
use crate::net::LinkConfig as Conditions;
use crate::net::nat::{Home, Manner};
use crate::seed::{Draw, Seed};
use crate::world::AskPlan;
use core::time::Duration;
use serde::Serialize;

/// Which of the worlds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// No faults.
    Calm,
    /// Faults of links only, none of which closes a connection.
    Lossy,
    /// Every fault that there is, each on or off.
    Swarm,
    /// Hosts die while everybody talks.
    Crashy,
    /// A swarm with one member that means harm.
    Hostile,
    /// No faults and no pause.
    Speed,
    /// Players behind boxes that translate addresses.
    Nat,
    /// Two players, and a direct way between them that breaks and comes back.
    Ladder,
}

impl Mood {
    /// No connection breaks by anybody's doing but the machines'.
    pub(super) fn is_gentle(self) -> bool {
        matches!(self, Mood::Calm | Mood::Lossy | Mood::Speed | Mood::Nat | Mood::Ladder)
    }

    /// Where somebody lives decides whom it can meet.
    pub(super) fn has_homes(self) -> bool {
        matches!(self, Mood::Nat | Mood::Ladder)
    }
}

/// Everything drawn for a run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Which world.
    pub mood: Mood,
    /// What carries packets between players.
    #[serde(skip_serializing_if = "Carrying::is_model")]
    pub carrying: Carrying,
    /// The boxes before seats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manners: Vec<Manner>,
    /// A TURN server lends addresses to players.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub has_turn: bool,
    /// How many shards the server has.
    pub shards: u16,
    /// Whether every join is admitted by its embedder.
    pub asks_admission: bool,
    /// How long its embedder takes to answer.
    pub asks: AskPlan,
    /// The same where the swarm makes it slow.
    pub slow_asks: Option<AskPlan>,
    /// The lobbies.
    pub lobbies: Vec<LobbyPlan>,
    /// Everybody.
    pub seats: Vec<SeatPlan>,
    /// Which kinds of fault this run has.
    pub kinds: kinds::Kinds,
    /// What goes wrong, in the order of time.
    pub faults: Vec<Fault>,
    /// What is said.
    pub talking: Talking,
    /// What is done besides, in the order of time.
    pub deeds: Vec<Deed>,
    /// Who means harm.
    pub hostile: Option<u16>,
    /// It has no machine: whatever it says is false.
    pub is_forger: bool,
    /// What that one does, in the order of time.
    pub mischief: Vec<Mischief>,
    /// When the last fault is over.
    pub quiet_at: Duration,
    /// Whoever is silent for so long is suspect, if not as by default.
    pub heartbeat_timeout: Option<Duration>,
    /// What the first to come costs is measured from then on, until it is quiet.
    #[serde(skip)]
    pub measured_from: Option<Duration>,
}

/// A lobby.
#[derive(Clone, Debug, Serialize)]
pub struct LobbyPlan {
    /// It asks for a password.
    pub has_password: bool,
    /// The most members.
    pub max_players: u16,
    /// Players may join after the game has started.
    pub join_in_progress: bool,
    /// It is listed.
    pub is_public: bool,
    /// It goes on without its host.
    pub survives: bool,
    /// Its players deliver ordered messages, and reliable ones, when no crash can take them back.
    pub is_safe: [bool; 2],
    /// Its games give snapshots, of so many bytes.
    pub snapshots: Option<u32>,
    /// The survivor of two goes on alone.
    pub allow_fork: bool,
    /// The messages of its players leave together, at most this often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick: Option<Duration>,
    /// The host's game decides about what members say: this share of what waits whenever it looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<f64>,
}

/// Somebody.
#[derive(Clone, Debug, Serialize)]
pub struct SeatPlan {
    /// The lobby, by number.
    pub lobby: u8,
    /// What it is.
    pub part: Part,
    /// When it comes.
    pub enters_at: Duration,
    /// What its ways are when nothing is wrong.
    pub calm: Ways,
    /// How its ways begin.
    pub ways: Ways,
    /// It has direct ways.
    pub is_direct: bool,
    /// How it is connected to the outside for them.
    #[serde(skip_serializing_if = "Home::is_open")]
    pub home: Home,
    /// How much its clock is too fast, in parts in a million.
    pub drift_ppm: i64,
    /// And how many seconds ahead.
    pub ahead_s: i64,
    /// As backup it stores nothing, and does not say so.
    pub withholds: bool,
    /// It speaks the version before the present one only.
    pub is_old: bool,
    /// Its ticket outlives its memory: after a crash it comes back to its place.
    pub keeps_ticket: bool,
}

/// What somebody is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Plays.
    Player,
    /// Watches.
    Spectator,
    /// Speaks JSON only.
    Guest,
}

impl Part {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Part::Player => "player",
            Part::Spectator => "spectator",
            Part::Guest => "guest",
        }
    }
}

impl Plan {
    /// What this seed means in this world.
    pub fn draw(seed: Seed, mood: Mood) -> Plan {
        match mood {
            Mood::Calm | Mood::Lossy | Mood::Swarm | Mood::Hostile => Plan::draw_any(seed, mood),
            Mood::Crashy => Plan::draw_crashy(seed),
            Mood::Speed => Plan::draw_speed(seed),
            Mood::Nat => Plan::draw_nat(seed),
            Mood::Ladder => Plan::draw_ladder(seed),
        }
    }

    fn draw_any(seed: Seed, mood: Mood) -> Plan {
        let mut network = seed.stream("network");
        let shards = if network.chance(0.3) { 2 } else { 1 };
        let asks_admission = network.chance(0.3);
        let ms = Duration::from_millis;
        let directory = if network.chance(0.5) { [Duration::ZERO; 2] } else { [ms(1), ms(20)] };
        let asks = AskPlan { password: [ms(10), ms(60)], admit: [Duration::ZERO; 2], directory };
        let until = match mood {
            Mood::Calm => network.duration(ms(5_000), ms(8_000)),
            Mood::Lossy => network.duration(ms(6_000), ms(10_000)),
            _ => ms(30_000),
        };
        let lobbies: Vec<LobbyPlan> = (0..count_of_lobbies(&mut network)).map(|_| lobby(&mut network, mood)).collect();
        let mut harm = seed.stream("faults");
        let kinds = kinds::Kinds::draw(&mut harm, mood);
        let is_large = network.chance(0.05) && mood == Mood::Swarm;
        let count = if is_large { network.between(17, 64) } else { octaves(&mut network, 2, 16) };
        let mut seats: Vec<SeatPlan> =
            (0..count).map(|number| seat(&mut network, number, lobbies.len() as u64, until)).collect();
        let mut keepers = seed.stream("tickets");
        for seat in &mut seats {
            kinds.befall(&mut harm, seat);
            seat.keeps_ticket = keepers.chance(0.4) && seat.part != Part::Guest;
        }
        let mut lobbies = lobbies;
        let (mut ticks, mut games) = (seed.stream("ticks"), seed.stream("authority"));
        for (number, lobby) in (0u8..).zip(&mut lobbies) {
            lobby.tick = Some(ticks.duration(ms(5), ms(33))).filter(|_| ticks.chance(0.15));
            lobby.authority = Some(games.between_f64(0.1, 1.0)).filter(|_| games.chance(0.15));
            let members = seats.iter().filter(|seat| seat.lobby == number).count() as u64;
            let is_tight = network.chance(0.15);
            let most = if is_tight { members.saturating_sub(1).max(2) } else { members.max(2) + 2 };
            lobby.max_players = u16::try_from(most.min(64)).unwrap_or(64);
        }
        let mut faults = kinds.events(&mut harm, &seats, until);
        if matches!(mood, Mood::Swarm | Mood::Hostile) {
            faults.extend(torn::draw(&mut seed.stream("torn"), &seats, until));
            faults.sort_by_key(|fault| fault.at);
        }
        let slow_asks = kinds.slow_asks(&mut harm);
        let talking = Talking::draw(&mut seed.stream("workload"), &seats, until);
        let deeds = deeds::draw(&mut seed.stream("deeds"), &seats, mood, until);
        let is_forger = network.chance(0.5);
        let (hostile, mischief) = match mood {
            Mood::Hostile => mischief::draw(&mut seed.stream("mischief"), &seats, until),
            _ => (None, Vec::new()),
        };
        Plan {
            mood,
            carrying: Carrying::Model,
            manners: Vec::new(),
            has_turn: false,
            shards,
            asks_admission,
            asks,
            slow_asks,
            lobbies,
            seats,
            kinds,
            faults,
            talking,
            deeds,
            hostile,
            is_forger: hostile.is_some() && is_forger,
            mischief,
            quiet_at: until,
            heartbeat_timeout: None,
            measured_from: None,
        }
    }

    fn draw_crashy(seed: Seed) -> Plan {
        let mut network = seed.stream("network");
        let count = network.between(3, 8);
        let ms = Duration::from_millis;
        let jitter = network.duration(Duration::ZERO, ms(25));
        let loss = if network.chance(0.3) { 0.0 } else { network.between_f64(0.0, 0.05) };
        let mut seats: Vec<SeatPlan> = (0..count)
            .map(|number| {
                let one_way = network.duration(ms(5), ms(60));
                let way = Conditions { jitter, keep_order: true, loss, ..Conditions::with_delay(one_way) };
                let half = Conditions { delay: one_way / 2, keep_order: false, ..way };
                let ways = Ways { line: [way; 2], access: [half; 2] };
                SeatPlan { enters_at: ms(50) * number as u32, ..SeatPlan::plain(ways) }
            })
            .collect();
        let (faults, deeds, until) = crashes::draw(&mut seed.stream("faults"), &mut seats);
        let safe = network.chance(0.2);
        let lobby = LobbyPlan { is_safe: [true, safe], ..LobbyPlan::plain() };
        Plan::plain(Mood::Crashy, lobby, seats, until).with(faults, deeds, &Voice::steady(64))
    }

    fn draw_speed(seed: Seed) -> Plan {
        let mut network = seed.stream("network");
        let seats = (0..6)
            .map(|number| {
                let one_way = network.duration(Duration::from_millis(5), Duration::from_millis(60));
                let (way, half) = (Conditions::with_delay(one_way), Conditions::with_delay(one_way / 2));
                let ways = Ways { line: [way; 2], access: [half; 2] };
                SeatPlan { enters_at: Duration::from_millis(50) * number, ..SeatPlan::plain(ways) }
            })
            .collect();
        let plan = Plan::plain(Mood::Speed, LobbyPlan::plain(), seats, Duration::from_secs(20));
        plan.with(Vec::new(), Vec::new(), &Voice::steady(64))
    }

    /// One lobby on one shard, nothing said and nothing wrong.
    pub(crate) fn plain(mood: Mood, lobby: LobbyPlan, seats: Vec<SeatPlan>, quiet_at: Duration) -> Plan {
        Plan {
            mood,
            carrying: Carrying::Model,
            manners: Vec::new(),
            has_turn: false,
            shards: 1,
            asks_admission: false,
            asks: AskPlan::default(),
            slow_asks: None,
            lobbies: vec![lobby],
            deeds: deeds::entries(&seats),
            seats,
            kinds: kinds::Kinds::default(),
            faults: Vec::new(),
            talking: Talking::default(),
            hostile: None,
            is_forger: false,
            mischief: Vec::new(),
            quiet_at,
            heartbeat_timeout: None,
            measured_from: None,
        }
    }

    /// With these faults and deeds, and everybody speaking with these voices at 20 Hz.
    pub(super) fn with(mut self, faults: Vec<Fault>, deeds: Vec<Deed>, voices: &[Voice]) -> Plan {
        self.faults = faults;
        self.deeds.extend(deeds);
        self.deeds.sort_by_key(|deed| deed.at);
        self.talking = Talking::steady(self.seats.len(), Duration::from_millis(50), voices);
        self
    }
}

fn count_of_lobbies(draw: &mut Draw) -> u64 {
    if draw.chance(0.6) { 1 } else { draw.between(2, 3) }
}

fn lobby(draw: &mut Draw, mood: Mood) -> LobbyPlan {
    let is_swarm = !matches!(mood, Mood::Calm | Mood::Lossy);
    LobbyPlan {
        has_password: draw.chance(0.2),
        join_in_progress: draw.chance(0.8),
        is_public: draw.chance(0.5),
        survives: !draw.chance(0.05) || !is_swarm,
        is_safe: [!draw.chance(0.25), draw.chance(0.25)],
        snapshots: Some(octaves(draw, 16, 128 * 1024) as u32).filter(|_| draw.chance(0.4)),
        allow_fork: draw.chance(0.1) && is_swarm,
        ..LobbyPlan::plain()
    }
}

impl LobbyPlan {
    pub(crate) fn plain() -> LobbyPlan {
        LobbyPlan {
            has_password: false,
            max_players: 16,
            join_in_progress: true,
            is_public: false,
            survives: true,
            is_safe: [true, false],
            snapshots: None,
            allow_fork: false,
            tick: None,
            authority: None,
        }
    }
}

impl SeatPlan {
    pub(crate) fn plain(ways: Ways) -> SeatPlan {
        SeatPlan {
            lobby: 0,
            part: Part::Player,
            enters_at: Duration::ZERO,
            calm: ways,
            ways,
            is_direct: true,
            home: Home::Open,
            drift_ppm: 0,
            ahead_s: 0,
            withholds: false,
            is_old: false,
            keeps_ticket: false,
        }
    }
}

fn seat(draw: &mut Draw, number: u64, lobbies: u64, until: Duration) -> SeatPlan {
    let part = match draw.below(10) {
        0 if number >= lobbies => Part::Guest,
        1 if number >= lobbies => Part::Spectator,
        _ => Part::Player,
    };
    let delay = Duration::from_micros(octaves(draw, 200, 80_000));
    let is_late = draw.chance(0.15);
    let early = draw.duration(Duration::ZERO, Duration::from_millis(800));
    let late = draw.duration(Duration::from_secs(1), until * 3 / 4);
    let calm = Ways { line: [Conditions::with_delay(delay); 2], access: [Conditions::with_delay(delay / 2); 2] };
    SeatPlan {
        lobby: (number % lobbies) as u8,
        part,
        enters_at: if is_late { late } else { early },
        ..SeatPlan::plain(calm)
    }
}

/// A number from `low` to `high` of which each power of two is as likely as the next: small and large ones alike.
pub(super) fn octaves(draw: &mut Draw, low: u64, high: u64) -> u64 {
    let doublings = (high / low).ilog2();
    let floor = low << draw.below(u64::from(doublings) + 1);
    draw.between(floor, (floor * 2 - 1).min(high))
}
