//! What two players say in a run: a steady chatter of voices, now and then something large, bursts, and silence. The
//! parameters are drawn beforehand and stand in the plan; the single messages follow from them and the seed alone,
//! whatever the network does.

use super::plan::octaves;
use crate::net::Side;
use crate::seed::Draw;
use bytes::Bytes;
use core::time::Duration;
use serde::Serialize;
use std::sync::LazyLock;
use webstar_core::config::SessionConfig;
use webstar_core::session::Outbound;
use webstar_core::wire::frame::{Delivery, Priority};

/// What the two say, in parameters.
#[derive(Clone, Debug, Serialize)]
pub struct Talking {
    /// The rhythm of each side.
    pub period: [Duration; 2],
    /// What is said at each beat.
    pub voices: Vec<Voice>,
    /// Large messages.
    pub loads: Vec<Load>,
    /// Many messages at once.
    pub bursts: Vec<Burst>,
    /// Spans in which nobody speaks.
    pub silences: Vec<[Duration; 2]>,
    /// The chatter ends.
    pub until: Duration,
}

/// One kind of small message.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Voice {
    /// Its priority.
    pub priority: Priority,
    /// What is promised for it.
    pub delivery: Delivery,
    /// The share of beats at which it speaks.
    pub share: f64,
    /// The longest message.
    pub longest: u64,
    /// How many latest-only keys it has.
    pub keys: u64,
}

/// One large message.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// When.
    pub at: Duration,
    /// Who.
    pub side: Side,
    /// Its priority.
    pub priority: Priority,
    /// What is promised for it.
    pub delivery: Delivery,
    /// Its length.
    pub bytes: usize,
    /// Whether it shrinks when compressed.
    pub is_text: bool,
}

/// Many messages at once.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Burst {
    /// When.
    pub at: Duration,
    /// Who.
    pub side: Side,
    /// Which voice.
    pub voice: usize,
    /// How many.
    pub count: u64,
}

impl Talking {
    pub(super) fn draw(draw: &mut Draw, config: &SessionConfig, until: Duration) -> Talking {
        let voices: Vec<Voice> = (0..draw.between(1, 4)).map(|_| voice(draw)).collect();
        let mut talking = Talking {
            period: [period(draw), period(draw)],
            voices,
            loads: Vec::new(),
            bursts: Vec::new(),
            silences: Vec::new(),
            until,
        };
        if draw.chance(0.3) {
            talking.loads = (0..draw.between(1, 3)).map(|_| load(draw, config, until)).collect();
        }
        if draw.chance(0.3) {
            let count = talking.voices.len() as u64;
            talking.bursts = (0..draw.between(1, 3)).map(|_| burst(draw, count, until)).collect();
        }
        if draw.chance(0.3) {
            talking.silences = (0..draw.between(1, 2)).map(|_| silence(draw, until)).collect();
        }
        talking
    }

    /// Whether nobody speaks at this moment.
    pub(super) fn is_silent(&self, at: Duration) -> bool {
        self.silences.iter().any(|[from, until]| (*from..*until).contains(&at))
    }
}

fn side(draw: &mut Draw) -> Side {
    if draw.chance(0.5) { Side::A } else { Side::B }
}

fn period(draw: &mut Draw) -> Duration {
    Duration::from_nanos(1_000_000_000 / draw.between(20, 60))
}

fn priority(draw: &mut Draw) -> Priority {
    *draw.pick(&Priority::ALL).expect("there are four")
}

fn delivery(draw: &mut Draw) -> Delivery {
    *draw.pick(&Delivery::ALL).expect("there are four")
}

fn voice(draw: &mut Draw) -> Voice {
    Voice {
        priority: priority(draw),
        delivery: delivery(draw),
        share: draw.between_f64(0.1, 1.0),
        longest: octaves(draw, 8, 1_200),
        keys: draw.between(1, 4),
    }
}

fn load(draw: &mut Draw, config: &SessionConfig, until: Duration) -> Load {
    let largest = if draw.chance(0.2) { 1024 * 1024 } else { 128 * 1024 };
    Load {
        at: draw.duration(Duration::ZERO, until),
        side: side(draw),
        priority: priority(draw),
        delivery: delivery(draw),
        bytes: (octaves(draw, 4 * 1024, largest) as usize).min(config.max_message),
        is_text: draw.chance(0.5),
    }
}

fn burst(draw: &mut Draw, voices: u64, until: Duration) -> Burst {
    Burst {
        at: draw.duration(Duration::ZERO, until),
        side: side(draw),
        voice: draw.below(voices) as usize,
        count: octaves(draw, 10, 300),
    }
}

fn silence(draw: &mut Draw, until: Duration) -> [Duration; 2] {
    let from = draw.duration(Duration::ZERO, until);
    [from, from + draw.duration(Duration::from_millis(300), Duration::from_secs(4))]
}

/// The shortest message that carries its number. Shorter ones are told apart by what they are.
pub(super) const STAMP: usize = 8;

/// A message of a voice.
pub(super) fn small(draw: &mut Draw, voice: &Voice, number: u64) -> Outbound {
    let (length, key) = (draw.between(0, voice.longest) as usize, draw.below(voice.keys) as u32);
    let is_latest = voice.delivery == Delivery::Latest;
    let length = if is_latest { length.max(STAMP) } else { length };
    Outbound {
        priority: voice.priority,
        delivery: voice.delivery,
        key: if is_latest { key } else { 0 },
        payload: payload(number, length, false),
    }
}

/// A large message.
pub(super) fn large(load: &Load, number: u64) -> Outbound {
    Outbound {
        priority: load.priority,
        delivery: load.delivery,
        key: 0,
        payload: payload(number, load.bytes, load.is_text),
    }
}

/// Bytes that begin with the number where there is room for it, and do not shrink unless they are text.
fn payload(number: u64, length: usize, is_text: bool) -> Bytes {
    let from = if is_text { 0 } else { (number as usize).wrapping_mul(37) % NOISE_STARTS };
    let source: &[u8] = if is_text { &TEXT } else { &NOISE };
    let mut bytes = source[from..from + length].to_vec();
    if let Some(stamp) = bytes.first_chunk_mut::<STAMP>() {
        *stamp = number.to_le_bytes();
    }
    Bytes::from(bytes)
}

/// The longest message anybody says here.
const LONGEST: usize = 1024 * 1024;
/// Noise begins at so many places.
const NOISE_STARTS: usize = 4096;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut noise = vec![0; LONGEST + NOISE_STARTS];
    crate::seed::Seed::new(0).stream("noise").fill(&mut noise);
    noise
});

static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let line = b"{\"kind\":\"chat\",\"from\":7,\"text\":\"the quick brown fox jumps over the lazy dog\"}\n";
    line.iter().copied().cycle().take(LONGEST).collect()
});
