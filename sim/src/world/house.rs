//! The server's side of a world: its shards, what they ask of their embedder and how long the answers take. Connections
//! are the world's; here they have names only.

use crate::seed::{Draw, Seed};
use core::net::IpAddr;
use core::time::Duration;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use webstar_core::id::{AskId, ConnectionId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{Admission, Answer, Arrival, Ask, Endpoint, Identity, Input, Server, ServerConfig};
use webstar_core::time::Instant;

/// How long answers take, from at least to at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct AskPlan {
    /// Password work.
    pub password: [Duration; 2],
    /// Admission.
    pub admit: [Duration; 2],
    /// The directory; at once if both are zero.
    pub directory: [Duration; 2],
}

/// The server of a world.
#[derive(Clone, Debug)]
pub struct ServerSetup {
    /// Its settings.
    pub config: ServerConfig,
    /// How many shards it has.
    pub shards: u16,
    /// How long answers take.
    pub asks: AskPlan,
}

impl Default for ServerSetup {
    fn default() -> Self {
        ServerSetup { config: ServerConfig::default(), shards: 1, asks: AskPlan::default() }
    }
}

/// The admission token that is refused.
pub const REFUSED_TOKEN: &str = "nobody";

/// All shards and what they wait for.
#[derive(Debug)]
pub(super) struct House {
    pub(super) shards: Vec<Shard>,
    /// What is to be told to shards at this moment, and of which cable it is, if it matters only as long as that is there.
    pub(super) pending: VecDeque<(usize, Option<usize>, Input)>,
    directory: Table,
    asks: AskPlan,
    dice: Draw,
    answers: BTreeMap<u64, (usize, AskId, Answer)>,
    asked: u64,
    arrived: usize,
    setup: ServerSetup,
    seed: Seed,
    /// How often it was started.
    life: u64,
    is_up: bool,
    /// Nanoseconds by which its wall clock is ahead.
    ahead_nanos: i64,
}

/// One shard.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) server: Server,
    /// By the name of the connection: which cable it is.
    pub(super) cables: Vec<Option<usize>>,
}

impl House {
    pub(super) fn new(setup: &ServerSetup, seed: Seed, now: Instant) -> Self {
        let mut house = House {
            shards: Vec::new(),
            pending: VecDeque::new(),
            directory: Table::new(),
            asks: setup.asks,
            dice: seed.stream("asks"),
            answers: BTreeMap::new(),
            asked: 0,
            arrived: 0,
            setup: setup.clone(),
            seed,
            life: 0,
            is_up: false,
            ahead_nanos: 0,
        };
        house.start(now);
        house
    }

    /// Whether it runs.
    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    /// What its wall clock shows when it should show this.
    pub(super) fn unix(&self, unix: Duration) -> Duration {
        let ahead = Duration::from_nanos(self.ahead_nanos.unsigned_abs());
        if self.ahead_nanos < 0 { unix.saturating_sub(ahead) } else { unix + ahead }
    }

    /// Its wall clock jumps.
    pub(super) fn jump(&mut self, nanos: i64) {
        self.ahead_nanos = self.ahead_nanos.saturating_add(nanos);
    }

    /// It starts, with its key and without any memory.
    pub(super) fn start(&mut self, now: Instant) {
        let key = self.seed.stream("server key").key();
        let (seed, life, shards) = (self.seed.child("server life", self.life), self.life, self.setup.shards);
        let shard = |number: u16| {
            let identity = Identity { shard: ShardId(number), shards, key, process: life };
            let seed = if life == 0 { self.seed } else { seed }.child("shard", number.into());
            let server = Server::new(self.setup.config.clone(), identity, seed.stream("machine").key(), now);
            Shard { server: server.expect("settings are drawn within their bounds"), cables: Vec::new() }
        };
        self.shards = (0..shards).map(shard).collect();
        self.directory = Table::new();
        self.life += 1;
        self.is_up = true;
    }

    /// It is gone with everything that it knew. Tells which connections it had.
    pub(super) fn crash(&mut self) -> Vec<usize> {
        self.is_up = false;
        self.pending.clear();
        self.answers.clear();
        self.shards.iter().flat_map(|shard| shard.cables.iter().copied().flatten()).collect()
    }

    /// A connection has come: to which shard, and under which name.
    pub(super) fn arrive(&mut self, cable: usize, address: IpAddr) -> (usize, ConnectionId) {
        let shard = self.arrived % self.shards.len();
        self.arrived += 1;
        let connection = self.shards[shard].name(cable);
        let arrival = Arrival { address, endpoint: Endpoint::Lobby, encoding: None };
        self.pending.push_back((shard, None, Input::Connected { connection, arrival }));
        (shard, connection)
    }

    /// From now on answers take so long.
    pub(super) fn set_asks(&mut self, asks: AskPlan) {
        self.asks = asks;
    }

    /// A shard asks. Tells under which number the answer waits and for how long.
    pub(super) fn ask(&mut self, shard: usize, id: AskId, ask: Ask) -> (u64, Duration) {
        let ([low, high], answer) = match ask {
            Ask::HashPassword { password, salt } => {
                let mut bytes = password.as_str().as_bytes().to_vec();
                bytes.extend(salt);
                let mut hash = [0; 32];
                for (index, part) in (0u64..).zip(hash.chunks_exact_mut(8)) {
                    part.copy_from_slice(&crate::trace::fold(crate::trace::content(&bytes), index).to_le_bytes());
                }
                (self.asks.password, Answer::Hash(hash))
            }
            Ask::Admit { token, wants: Admission::Join | Admission::Create, .. } => {
                let is_refused = token.is_some_and(|token| token.as_str() == REFUSED_TOKEN);
                (self.asks.admit, Answer::Admitted(!is_refused))
            }
            Ask::Directory(ask) => {
                let shard = ShardId(u16::try_from(shard).expect("shards are counted in 16 bits"));
                (self.asks.directory, Answer::Directory(self.directory.answer(shard, ask)))
            }
        };
        let number = self.asked;
        self.asked += 1;
        self.answers.insert(number, (shard, id, answer));
        (number, self.dice.duration(low, high))
    }

    /// The answer of this number is given, if the server that asked is still there.
    pub(super) fn answer(&mut self, number: u64) {
        if let Some((shard, ask, answer)) = self.answers.remove(&number) {
            self.pending.push_back((shard, None, Input::Answered { ask, answer }));
        }
    }
}

impl Shard {
    /// The smallest name that is free, from now on that of this cable.
    pub(super) fn name(&mut self, cable: usize) -> ConnectionId {
        let free = self.cables.iter().position(Option::is_none).unwrap_or(self.cables.len());
        if free == self.cables.len() {
            self.cables.push(None);
        }
        self.cables[free] = Some(cable);
        ConnectionId(u32::try_from(free).expect("connections are few"))
    }

    /// Which cable it is.
    pub(super) fn cable(&self, connection: ConnectionId) -> Option<usize> {
        self.cables.get(connection.0 as usize).copied().flatten()
    }

    /// The name is free again.
    pub(super) fn free(&mut self, connection: ConnectionId) -> Option<usize> {
        self.cables.get_mut(connection.0 as usize)?.take()
    }
}
