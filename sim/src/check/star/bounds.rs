//! S11: what is held for a player stays below the configured caps, and one input causes only so much.

use super::{Cast, Check, Life, Lives, Seen, Submission};
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::config::{PlayerConfig, SessionConfig};
use webstar_core::peer::{Channel, Destination};
use webstar_core::server::ServerConfig;

/// Outputs that one input may cause: a window full of small packets for each of 64 players.
const MOST_OUTPUTS: usize = 65_536;
/// What a frame may add to a full window: the one that is taken last.
const LONGEST_FRAME: usize = 64 * 1024;
/// What the system below holds of a stream each way.
const SYSTEM: usize = 64 * 1024;
/// What a player may have given to its stream besides the packets of its conversations: signalling.
const SIGNALLING: usize = 256 * 1024;

/// What is held at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holding {
    /// By a player's machine for another player, by priority.
    Queued([usize; 4]),
    /// By the streams of a player with so many conversations: what it has given and what the server has given.
    Streams {
        /// How many conversations.
        links: usize,
        /// On the way to the server.
        up: usize,
        /// On the way to the player.
        down: usize,
    },
    /// By a shard with so many connections.
    Shard {
        /// How many.
        connections: u64,
        /// Bytes that wait.
        queued: u64,
    },
}

/// Watches the bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    session: SessionConfig,
    server: ServerConfig,
    /// By life: the most conversations that it had, for what a host gave to its stream outlasts its being host.
    links: BTreeMap<Life, usize>,
    /// What a player may have said on a channel without acknowledgement, but for one message.
    window: usize,
    /// By life and channel: the bytes of what is not acknowledged.
    unacknowledged: BTreeMap<(Life, Channel), usize>,
    /// What was said to guests: the server has it at once, and only its number is acknowledged.
    passed_on: BTreeSet<u32>,
    /// By life: what it took last although there was no room, unless it is acknowledged by when the machine rests.
    overfull: Lives<String>,
}

impl Bounds {
    /// The bounds of machines with these settings.
    pub fn of(session: &SessionConfig, server: &ServerConfig) -> Self {
        Bounds {
            session: session.clone(),
            server: server.clone(),
            links: BTreeMap::new(),
            window: PlayerConfig::default().star().window,
            unacknowledged: BTreeMap::new(),
            passed_on: BTreeSet::new(),
            overfull: Lives::default(),
        }
    }

    /// A message was taken, although there may have been no room for it.
    fn say(&mut self, said: &Submission, cast: &Cast) {
        let Some(channel) = said.channel.filter(|channel| matches!(channel, Channel::Ordered | Channel::Reliable))
        else {
            return;
        };
        if is_for_guest(said, cast) {
            self.passed_on.insert(said.number);
            return;
        }
        let bytes = self.unacknowledged.entry((said.life, channel)).or_default();
        let before = core::mem::replace(bytes, *bytes + said.payload.len());
        if before > 0 && *bytes > self.window {
            let (life, name) = (said.life, said.name());
            let why = format!("{life:?} took {name} and holds {bytes} bytes of {channel:?}, more than {}", self.window);
            self.overfull.insert(life, why);
        }
    }

    /// A message is safe, and holds no room any more.
    fn release(&mut self, said: &Submission) {
        if self.passed_on.remove(&said.number) {
            return;
        }
        let place = said.channel.map(|channel| (said.life, channel));
        if let Some(bytes) = place.and_then(|place| self.unacknowledged.get_mut(&place)) {
            *bytes = bytes.saturating_sub(said.payload.len());
            if *bytes <= self.window {
                self.overfull.remove(said.life);
            }
        }
    }

    fn weigh(&mut self, life: Option<Life>, holding: Holding) -> Result<(), String> {
        let within = |what: &str, held: usize, most: usize| {
            if held <= most { Ok(()) } else { Err(format!("{life:?}: {what} holds {held} bytes, more than {most}")) }
        };
        match holding {
            Holding::Queued(queued) => {
                queued.into_iter().try_for_each(|held| within("a lane", held, self.session.send_buffer))
            }
            Holding::Streams { links, up, down } => {
                let known = life.map_or(0, |life| self.links.get(&life).copied().unwrap_or(0));
                let links = links.max(known);
                self.links.extend(life.map(|life| (life, links)));
                // Each conversation may have its window under way, and one packet that passes it.
                let most = links.max(1) * (self.session.stream_window + LONGEST_FRAME) + SYSTEM + SIGNALLING;
                within("the stream to the server", up, most)?;
                within("the stream to the player", down, self.server.window + LONGEST_FRAME + SYSTEM)
            }
            Holding::Shard { connections, queued } => {
                let most = connections as usize * (self.server.queue + self.server.window + LONGEST_FRAME);
                within("a shard", queued as usize, most)
            }
        }
    }
}

/// It is meant for a guest alone.
fn is_for_guest(said: &Submission, cast: &Cast) -> bool {
    let Destination::One(one) = said.to else { return false };
    cast.people().any(|(_, person)| person.is_guest && person.room == said.room && person.player == Some(one))
}

impl Check for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        match *seen {
            Seen::Holding(holding) => self.weigh(life, holding),
            // Of what a hostile member is told nothing is seen.
            Seen::Submitted(said) if !cast.distrusted.contains(&(said.room, said.player)) => {
                self.say(said, cast);
                Ok(())
            }
            Seen::Acked(_, Some(said)) => {
                self.release(said);
                Ok(())
            }
            Seen::Rested { outputs, .. } if outputs > MOST_OUTPUTS => {
                Err(format!("{life:?} had {outputs} outputs for one input"))
            }
            Seen::Rested { .. } => life.and_then(|life| self.overfull.remove(life)).map_or(Ok(()), Err),
            _ => Ok(()),
        }
    }
}
