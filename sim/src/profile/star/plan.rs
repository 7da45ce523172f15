//! What is drawn for one run of a whole world: the server, the lobbies, who comes when and on what way, what goes wrong,
//! and what is said. Each of these has its own stream of randomness, so that one can change and the others stay.

use super::faults::{self, Fault};
use super::talk::{self, Talking};
use crate::net::LinkConfig as Conditions;
use crate::seed::{Draw, Seed};
use crate::world::AskPlan;
use core::time::Duration;
use serde::Serialize;

/// Which of the three worlds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// No faults.
    Calm,
    /// Faults of links only, none of which closes a connection.
    Lossy,
    /// Every fault that there is, each on or off.
    Swarm,
}

/// Everything drawn for a run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Which world.
    pub mood: Mood,
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
    pub kinds: faults::Kinds,
    /// What goes wrong, in the order of time.
    pub faults: Vec<Fault>,
    /// What is said.
    pub talking: Talking,
    /// What is done besides, in the order of time.
    pub deeds: Vec<Deed>,
    /// When the last fault is over.
    pub quiet_at: Duration,
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
    /// What its way is when nothing is wrong.
    pub calm: Conditions,
    /// How its way begins, by sending side.
    pub conditions: [Conditions; 2],
    /// How much its clock is too fast, in parts in a million.
    pub drift_ppm: i64,
    /// It speaks the version before the present one only.
    pub is_old: bool,
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

/// Something that is done in a lobby.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Deed {
    /// When.
    pub at: Duration,
    /// By whom, or in whose lobby by its host.
    pub seat: u16,
    /// What.
    pub what: What,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Ready, or not.
    Ready(bool),
    /// The host starts the game.
    Start,
    /// The host locks or unlocks.
    Lock(bool),
    /// Leaves.
    Leave,
    /// Comes, for the first time or again.
    Enter,
    /// The host puts this one out.
    Kick,
    /// The host hands over.
    HandOver,
    /// The tab goes to the background, or comes back.
    Hidden(bool),
}

impl Plan {
    /// What this seed means in this world.
    pub fn draw(seed: Seed, mood: Mood) -> Plan {
        let mut network = seed.stream("network");
        let shards = if network.chance(0.3) { 2 } else { 1 };
        let asks_admission = network.chance(0.3);
        let ms = Duration::from_millis;
        let directory = if network.chance(0.5) { [Duration::ZERO; 2] } else { [ms(1), ms(20)] };
        let asks = AskPlan { password: [ms(10), ms(60)], admit: [Duration::ZERO; 2], directory };
        let until = match mood {
            Mood::Calm => network.duration(ms(5_000), ms(8_000)),
            Mood::Lossy => network.duration(ms(6_000), ms(10_000)),
            Mood::Swarm => ms(30_000),
        };
        let lobbies: Vec<LobbyPlan> = (0..count_of_lobbies(&mut network)).map(|_| lobby(&mut network)).collect();
        let mut harm = seed.stream("faults");
        let kinds = faults::Kinds::draw(&mut harm, mood);
        let is_large = network.chance(0.05) && mood == Mood::Swarm;
        let count = if is_large { network.between(17, 64) } else { octaves(&mut network, 2, 16) };
        let mut seats: Vec<SeatPlan> =
            (0..count).map(|number| seat(&mut network, number, lobbies.len() as u64, until)).collect();
        for seat in &mut seats {
            kinds.befall(&mut harm, seat);
        }
        let mut lobbies = lobbies;
        for (number, lobby) in (0u8..).zip(&mut lobbies) {
            let members = seats.iter().filter(|seat| seat.lobby == number).count() as u64;
            let is_tight = network.chance(0.15);
            let most = if is_tight { members.saturating_sub(1).max(2) } else { members.max(2) + 2 };
            lobby.max_players = u16::try_from(most.min(64)).unwrap_or(64);
        }
        let faults = kinds.events(&mut harm, &seats, until);
        let slow_asks = kinds.slow_asks(&mut harm);
        let talking = talk::Talking::draw(&mut seed.stream("workload"), &seats, until);
        let deeds = deeds(&mut seed.stream("deeds"), &seats, mood, until);
        Plan {
            mood,
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
            quiet_at: until,
        }
    }
}

fn count_of_lobbies(draw: &mut Draw) -> u64 {
    if draw.chance(0.6) { 1 } else { draw.between(2, 3) }
}

fn lobby(draw: &mut Draw) -> LobbyPlan {
    LobbyPlan {
        has_password: draw.chance(0.2),
        max_players: 0,
        join_in_progress: draw.chance(0.8),
        is_public: draw.chance(0.5),
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
    let calm = Conditions::with_delay(delay);
    SeatPlan {
        lobby: (number % lobbies) as u8,
        part,
        enters_at: if is_late { late } else { early },
        calm,
        conditions: [calm; 2],
        drift_ppm: 0,
        is_old: false,
    }
}

/// What players do besides talking.
fn deeds(draw: &mut Draw, seats: &[SeatPlan], mood: Mood, until: Duration) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = Vec::new();
    for (seat, plan) in (0u16..).zip(seats) {
        deeds.push(Deed { at: plan.enters_at, seat, what: What::Enter });
        let moment =
            |draw: &mut Draw| draw.duration(Duration::from_secs(1), until.saturating_sub(Duration::from_secs(1)));
        if plan.part == Part::Player && draw.chance(0.5) {
            deeds.push(Deed { at: moment(draw), seat, what: What::Ready(draw.chance(0.8)) });
        }
        if draw.chance(0.15) {
            let at = moment(draw);
            deeds.push(Deed { at, seat, what: What::Leave });
            if draw.chance(0.6) {
                let at = at + draw.duration(Duration::from_millis(200), Duration::from_secs(2));
                deeds.push(Deed { at: at.min(until), seat, what: What::Enter });
            }
        }
        if plan.part == Part::Player && draw.chance(0.05) {
            let at = moment(draw);
            deeds.push(Deed { at, seat, what: What::Hidden(true) });
            deeds.push(Deed { at: (at + Duration::from_secs(2)).min(until), seat, what: What::Hidden(false) });
        }
    }
    let lobbies = seats.iter().map(|seat| seat.lobby).max().map_or(0, |most| u16::from(most) + 1);
    for first in 0..lobbies {
        let moment =
            |draw: &mut Draw| draw.duration(Duration::from_secs(1), until.saturating_sub(Duration::from_secs(1)));
        let any = |draw: &mut Draw| {
            let members: Vec<u16> =
                (0..).zip(seats).filter(|(_, s)| u16::from(s.lobby) == first).map(|(n, _)| n).collect();
            draw.pick(&members).copied().unwrap_or(first)
        };
        if draw.chance(0.3) {
            deeds.push(Deed { at: moment(draw), seat: first, what: What::Start });
        }
        if draw.chance(0.15) {
            let at = moment(draw);
            deeds.push(Deed { at, seat: first, what: What::Lock(true) });
            deeds.push(Deed { at: (at + Duration::from_secs(1)).min(until), seat: first, what: What::Lock(false) });
        }
        if draw.chance(0.1) {
            deeds.push(Deed { at: moment(draw), seat: any(draw), what: What::Kick });
        }
        if draw.chance(if mood == Mood::Swarm { 0.3 } else { 0.15 }) {
            deeds.push(Deed { at: moment(draw), seat: first, what: What::HandOver });
        }
    }
    deeds.sort_by_key(|deed| deed.at);
    deeds
}

/// A number from `low` to `high` of which each power of two is as likely as the next: small and large ones alike.
pub(super) fn octaves(draw: &mut Draw, low: u64, high: u64) -> u64 {
    let doublings = (high / low).ilog2();
    let floor = low << draw.below(u64::from(doublings) + 1);
    draw.between(floor, (floor * 2 - 1).min(high))
}
