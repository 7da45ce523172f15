//! What a schedule consists of, and how it is drawn.

use super::Side;
use quickcheck::{Arbitrary, Gen};
use webstar_core::id::PathId;
use webstar_core::time::Duration;
use webstar_core::wire::frame::{Delivery, Priority};

/// Keys of latest-only messages.
pub(crate) const KEYS: u32 = 12;

/// What befalls packets, in percent, and how long they take, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fate {
    pub(crate) lose: u8,
    pub(crate) double: u8,
    pub(crate) damage: u8,
    pub(crate) delay: u16,
    pub(crate) jitter: u16,
}

impl Fate {
    pub(crate) const GOOD: Fate = Fate { lose: 0, double: 0, damage: 0, delay: 25, jitter: 0 };
    /// Nothing gets through.
    pub(crate) const NOTHING: Fate = Fate { lose: 100, ..Fate::GOOD };
}

/// What a message is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) priority: Priority,
    pub(crate) delivery: Delivery,
    pub(crate) key: u32,
    pub(crate) length: usize,
    pub(crate) compressible: bool,
}

/// One step of a schedule.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Some messages of one kind at once, with successive keys.
    Send {
        side: Side,
        count: u32,
        like: Kind,
    },
    Wait(Duration),
    Use {
        side: Side,
        path: PathId,
    },
    GiveUp {
        side: Side,
        path: PathId,
    },
    Close(PathId),
    Open {
        path: PathId,
        max_packet: usize,
    },
    Weather {
        path: PathId,
        fate: Fate,
    },
}

/// A way in which a world is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quirk {
    /// The observer has a flaw.
    Observer(Flaw),
    /// The pipes never become good.
    NeverGood,
    /// No byte may be held.
    NoRoom,
}

/// What an observer does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    /// Sees each message before the one that came before it.
    Swap,
    /// Sees each message twice.
    Double,
    /// Sees other bytes.
    Change,
    /// Does not hear that there is room again.
    Forget,
}

fn side(g: &mut Gen) -> Side {
    if bool::arbitrary(g) { Side::A } else { Side::B }
}

fn pick<T: Copy>(g: &mut Gen, choices: &[T]) -> T {
    *g.choose(choices).expect("there are choices")
}

fn path(g: &mut Gen) -> PathId {
    PathId(pick(g, &[0, 1]))
}

fn kind(g: &mut Gen) -> Kind {
    Kind {
        priority: pick(g, &Priority::ALL),
        delivery: pick(g, &Delivery::ALL),
        key: u32::from(u8::arbitrary(g)) % KEYS,
        length: pick(g, &[0, 0, 1, 4, 40, 40, 200, 1_000, 1_100, 1_140, 1_200, 3_000, 3_000, 5_000, 15_000, 60_000]),
        compressible: u8::arbitrary(g) % 4 == 0,
    }
}

fn wait(g: &mut Gen) -> Act {
    Act::Wait(Duration::from_micros(pick(g, &[100, 5_000, 16_000, 16_000, 60_000, 250_000, 3_000_000])))
}

impl Arbitrary for Fate {
    fn arbitrary(g: &mut Gen) -> Self {
        Fate {
            lose: pick(g, &[0, 0, 1, 10, 30, 60, 100]),
            double: pick(g, &[0, 0, 20, 50]),
            damage: pick(g, &[0, 0, 5]),
            delay: pick(g, &[0, 5, 25, 150, 400]),
            jitter: pick(g, &[0, 0, 10, 100, 300]),
        }
    }
}

impl Arbitrary for Act {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 32 {
            0..16 => Act::Send { side: side(g), count: pick(g, &[1, 1, 1, 3, 12]), like: kind(g) },
            16..26 => wait(g),
            26 => Act::Use { side: side(g), path: path(g) },
            27 => Act::GiveUp { side: side(g), path: path(g) },
            28 => Act::Close(path(g)),
            29 => Act::Open { path: path(g), max_packet: pick(g, &[256, 300, 1150, 2048]) },
            _ => Act::Weather { path: path(g), fate: Fate::arbitrary(g) },
        }
    }
}
