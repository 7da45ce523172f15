//! A player on the floor: its machine and its game.

use crate::check::{Game, Id, Item, Life};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::star::{
    Channel, Content, Destination, Ear, Entry, Frame, Kind, Member, Out, Position, Role, Snapshot, Star,
};
use webstar_core::time::Instant;
use webstar_core::wire::signal::Epoch;

/// What a machine looked like after its last step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    pub(crate) role: Role,
    pub(crate) epoch: Epoch,
    pub(crate) since: Epoch,
    /// Where the log that it has told of ends, and in which epoch that was whole.
    pub(crate) log_end: Position,
    pub(crate) whole_in: Epoch,
    pub(crate) committed: Position,
}

impl Default for Sight {
    fn default() -> Self {
        Sight {
            role: Role::Waiting,
            epoch: Epoch::default(),
            since: Epoch::default(),
            log_end: Position(0),
            whole_in: Epoch::default(),
            committed: Position(0),
        }
    }
}

/// How another is heard.
#[derive(Clone, Copy)]
pub(crate) struct Hearing {
    pub(crate) ear: Ear,
    pub(crate) is_open: bool,
}

pub(crate) struct Seated {
    pub(crate) life: Life,
    pub(crate) star: Star,
    pub(crate) out: Out,
    pub(crate) roster: Vec<Member>,
    /// It sleeps until then: nothing is handled, nothing said.
    pub(crate) asleep_until: Instant,
    /// What came meanwhile.
    pub(super) backlog: VecDeque<super::What>,
    /// What came from those who are not in its roster yet.
    pub(super) strangers: Vec<super::links::Flight>,
    /// The next wake-up that is in the agenda.
    pub(crate) wake: Option<Instant>,
    pub(crate) sight: Sight,
    /// What its log held that it has not committed as host: what is committed may be cut in the same step.
    pub(crate) uncommitted: BTreeMap<Position, Item>,
    pub(crate) ears: BTreeMap<Life, Hearing>,
    /// Entries that are out, by player; the room is what a link bears.
    pub(crate) entries_out: BTreeMap<PlayerId, usize>,
    pub(crate) publishes_out: BTreeMap<PlayerId, usize>,
    /// It hears the server.
    pub(crate) has_server: bool,
    /// Numbers of its own messages that were taken, and acknowledged, reliable and ordered.
    pub(crate) sent: [u64; 2],
    pub(crate) acked: [u64; 2],
    pub(crate) refused: u64,
    pub(crate) game: Game,
    pub(crate) gives_snapshots: bool,
    /// What it was told, in short, for scenarios.
    pub(crate) heard: Vec<String>,
    /// Whether it keeps copies without saying that it has.
    pub(crate) keeps_silent: bool,
    /// What it would have said of that last.
    pub(crate) unsaid: Option<(PlayerId, Frame)>,
}

/// The bytes of a message: its name, and something to carry.
pub(crate) fn payload(id: Id, size: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(17 + size);
    bytes.extend_from_slice(&id.by.player.0.to_le_bytes());
    bytes.extend_from_slice(&id.by.incarnation.0.to_le_bytes());
    bytes.push(u8::from(id.channel == Channel::Ordered));
    bytes.extend_from_slice(&id.seq.to_le_bytes());
    bytes.resize(17 + size, 7);
    bytes.into()
}

/// The name that the bytes of a message tell.
pub(crate) fn read(payload: &[u8]) -> Id {
    let word = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().expect("four bytes"));
    Id {
        by: Life { player: PlayerId(word(0)), incarnation: Incarnation(word(4)) },
        channel: if payload[8] == 1 { Channel::Ordered } else { Channel::Reliable },
        seq: u64::from_le_bytes(payload[9..17].try_into().expect("eight bytes")),
    }
}

/// What stands in an entry. A message that is not what its sender said is a breach of S4.
pub(crate) fn item(entry: &Entry) -> Item {
    match &entry.content {
        Content::Message(told) => {
            let id = read(&told.payload);
            assert_eq!((told.from, told.channel, told.seq), (id.by.player, id.channel, id.seq), "S4: {entry:?}");
            Item::Message(id)
        }
        Content::Joined { player, incarnation, .. } => {
            Item::Joined(Life { player: *player, incarnation: *incarnation })
        }
        Content::Left { player } => Item::Left(*player),
        Content::Void => Item::Void,
    }
}

impl Seated {
    /// Gives a message to the star.
    pub(crate) fn send(&mut self, now: Instant, to: &Destination, channel: Channel, size: usize) -> Option<Id> {
        let lane = usize::from(channel == Channel::Ordered);
        let id = Id { by: self.life, channel, seq: self.sent[lane] + 1 };
        let kind = Kind::new("say").expect("a short name");
        let taken = self.star.send(now, to, channel, kind, payload(id, size), &mut self.out);
        match taken {
            Ok(seq) => {
                assert_eq!(seq, id.seq, "{id:?}: numbers rise by one");
                self.sent[lane] = seq;
                Some(id)
            }
            Err(_) => {
                self.refused += 1;
                None
            }
        }
    }

    /// The roster names this life.
    pub(crate) fn knows(&self, life: Life) -> bool {
        self.roster.iter().any(|member| member.player == life.player && member.incarnation == life.incarnation)
    }

    pub(crate) fn unacked(&self) -> u64 {
        self.sent[0] - self.acked[0] + self.sent[1] - self.acked[1]
    }
}

/// The state of a game as bytes, and back.
pub(crate) fn freeze(game: Game) -> Bytes {
    [game.count, game.ordered, game.reliable].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>().into()
}

pub(crate) fn thaw(snapshot: &Snapshot) -> Option<Game> {
    let state = snapshot.state.as_ref()?;
    let word = |at: usize| u64::from_le_bytes(state[at..at + 8].try_into().expect("eight bytes"));
    Some(Game { count: word(0), ordered: word(8), reliable: word(16) })
}
