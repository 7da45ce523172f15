//! What is said in a world: each player has voices that speak at its rhythm, now and then something large, and guests
//! talk through the server. The parameters stand in the plan; the single messages follow from them and the seed.

use super::plan::{Part, SeatPlan, octaves};
use crate::check::star::{STAMP, stamp};
use crate::seed::{Draw, Seed};
use bytes::Bytes;
use core::time::Duration;
use serde::Serialize;
use std::sync::LazyLock;
use webstar_core::peer::Channel;

/// What is said, in parameters.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Talking {
    /// By seat.
    pub mouths: Vec<Mouth>,
    /// Large messages.
    pub loads: Vec<Load>,
}

/// How somebody talks.
#[derive(Clone, Debug, Serialize)]
pub struct Mouth {
    /// Its rhythm.
    pub period: Duration,
    /// It beats with all others, and says its longest.
    pub is_steady: bool,
    /// What it says at each beat.
    pub voices: Vec<Voice>,
}

/// One kind of message.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Voice {
    /// What is promised; for guests it is of no account.
    #[serde(serialize_with = "channel_name")]
    pub channel: Channel,
    /// For whom.
    pub to: Ears,
    /// What it is called.
    pub kind: &'static str,
    /// The share of beats at which it speaks.
    pub share: f64,
    /// The longest message.
    pub longest: u64,
}

/// For whom something is, drawn anew each time where it names somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ears {
    /// Everybody.
    All,
    /// Everybody else.
    Others,
    /// The host.
    Host,
    /// One.
    One,
    /// All but one or two.
    AllBut,
}

/// A large message, or several in one breath: more than there is room for.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// When.
    pub at: Duration,
    /// Who.
    pub seat: u16,
    /// What is promised.
    #[serde(serialize_with = "channel_name")]
    pub channel: Channel,
    /// Its length.
    pub bytes: u64,
    /// How often.
    pub times: u64,
}

fn channel_name<S: serde::Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{channel:?}"))
}

/// Deliveries that the voices of a run cause, about: what a seed may cost.
const DELIVERIES: f64 = 4_000.0;
const KINDS: [&str; 5] = ["move", "chat", "state", "shot", "emote"];

impl Talking {
    /// Everybody speaks with these voices at each beat, all at the same moments.
    pub(super) fn steady(seats: usize, period: Duration, voices: &[Voice]) -> Talking {
        let mouth = Mouth { period, is_steady: true, voices: voices.to_vec() };
        Talking { mouths: vec![mouth; seats], loads: Vec::new() }
    }

    pub(super) fn draw(draw: &mut Draw, seats: &[SeatPlan], until: Duration) -> Talking {
        let mouths = seats.iter().map(|seat| mouth(draw, seat, seats, until)).collect();
        let mut loads = Vec::new();
        if draw.chance(0.3) {
            loads = (0..draw.between(1, 2)).map(|_| load(draw, seats, until)).collect();
        }
        Talking { mouths, loads }
    }
}

impl Voice {
    /// An ordered message to all at every beat.
    pub(super) fn steady(length: u64) -> [Voice; 1] {
        [Voice { channel: Channel::Ordered, to: Ears::All, kind: "move", share: 1.0, longest: length }]
    }
}

fn mouth(draw: &mut Draw, seat: &SeatPlan, seats: &[SeatPlan], until: Duration) -> Mouth {
    let members = seats.iter().filter(|other| other.lobby == seat.lobby).count() as f64;
    let most = DELIVERIES / (seats.len() as f64 * members * until.as_secs_f64());
    let hertz = draw.between_f64(1.0, 30.0).min(most).max(0.1);
    let hertz = if seat.part == Part::Guest { hertz.min(2.0) } else { hertz };
    let voices = (0..draw.between(1, 4)).map(|_| voice(draw)).collect();
    Mouth { period: Duration::from_micros((1e6 / hertz) as u64), is_steady: false, voices }
}

fn voice(draw: &mut Draw) -> Voice {
    let channel = *draw
        .pick(&[Channel::Unreliable, Channel::Latest, Channel::Reliable, Channel::Ordered, Channel::Ordered])
        .expect("there are five");
    let to =
        *draw.pick(&[Ears::All, Ears::All, Ears::Others, Ears::Host, Ears::One, Ears::AllBut]).expect("there are six");
    Voice {
        channel,
        to,
        kind: draw.pick(&KINDS).expect("there are some"),
        share: draw.between_f64(0.1, 0.8),
        longest: octaves(draw, 16, 4_096),
    }
}

fn load(draw: &mut Draw, seats: &[SeatPlan], until: Duration) -> Load {
    Load {
        at: draw.duration(Duration::from_secs(1), until),
        seat: draw.below(seats.len() as u64) as u16,
        channel: if draw.chance(0.5) { Channel::Ordered } else { Channel::Reliable },
        bytes: octaves(draw, 16 * 1024, 200 * 1024),
        times: draw.between(1, 4),
    }
}

/// The bytes of a message: its mark, if there is room, and letters that hardly shrink.
pub(super) fn payload(number: u32, length: usize) -> Bytes {
    let from = (number as usize).wrapping_mul(37) % LETTER_STARTS;
    let mut bytes = LETTERS[from..from + length.min(LONGEST)].to_vec();
    if length >= STAMP {
        bytes[..STAMP].copy_from_slice(&stamp(number));
    }
    Bytes::from(bytes)
}

/// The longest message anybody says here.
const LONGEST: usize = 256 * 1024;
/// Letters begin at so many places.
const LETTER_STARTS: usize = 4_096;

/// Letters, so that guests can read them too.
static LETTERS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut letters = vec![0; LONGEST + LETTER_STARTS];
    Seed::new(0).stream("letters").fill(&mut letters);
    letters.iter_mut().for_each(|byte| *byte = b'0' + (*byte & 63) % 75);
    letters.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'z');
    letters
});
