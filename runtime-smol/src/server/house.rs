//! What all shards of a server share: the ways to each other, the directory, admission, and the ways out to the
//! application. Nothing of it is touched when a frame is passed on.

use super::origins::Origin;
use super::passwords::Passwords;
use super::shard::Mover;
use super::tls::Tls;
use crate::network::Network;
use async_channel::{Receiver, Sender};
use async_io::Async;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use webstar_core::id::{PlayerId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{Admission, Hall, IceHelp, ServerEvent, ServerStats, Standing, Trend};
use webstar_core::wire::signal::{Data, LobbyName, Secret};

/// Events and client messages that wait for the application; beyond it the oldest are dropped and counted.
const MAX_WAITING: usize = 4096;
/// Connections that have not said what they want, of all shards together, and those of them that one address may have.
const HALL: usize = 4096;
const SHARE: usize = 512;

/// What a shard is told by others.
pub(super) enum Message {
    /// A connection was accepted.
    Accepted(Async<TcpStream>, SocketAddr, Newcomer),
    /// A connection of another shard belongs here.
    Moved(Box<Mover>),
    /// The application says something to everybody.
    SendToAll(Data, Sender<()>),
    /// The numbers are asked for.
    Stats(Sender<ServerStats>),
    /// How many talk through the server is asked for.
    Relaying(Sender<usize>),
    /// How many sockets are being closed is asked for.
    Ending(Sender<usize>),
    /// The server goes, and clients have this long to go too.
    ShutDown(Duration),
}

/// A message of a client to the application of the server.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientMessage {
    /// Where.
    pub lobby: LobbyName,
    /// Who.
    pub player: PlayerId,
    /// What.
    pub data: Data,
}

/// What all shards share.
pub(super) struct House {
    /// The ways to the shards. They hold what is bounded elsewhere: handshakes, connections, and one question of each
    /// who waits for its answer.
    pub(super) shards: Vec<Sender<Message>>,
    directory: Mutex<Table>,
    trend: Mutex<Trend>,
    pub(super) tls: Option<Tls>,
    create_token: Option<Secret>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) allowed_origins: Vec<Origin>,
    pub(super) ice_servers: Vec<IceHelp>,
    pub(super) local: SocketAddr,
    pub(super) url: String,
    /// The operator has said where clients connect.
    pub(super) is_url_given: bool,
    pub(super) started: Instant,
    pub(super) is_leaving: AtomicBool,
    /// Connections that are no WebSockets yet, or are answered with a page.
    hall: Mutex<Hall<Sender<Infallible>>>,
    pub(super) passwords: Passwords,
    pub(super) counters: Counters,
    pub(super) events: (Sender<ServerEvent>, Receiver<ServerEvent>),
    pub(super) messages: (Sender<ClientMessage>, Receiver<ClientMessage>),
}

/// What the runtime counts besides the machines.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Requests answered with a page.
    pub(super) pages: AtomicU64,
    /// Requests refused, by status.
    refused: Mutex<BTreeMap<u16, u64>>,
    /// Connections that did not finish their handshake.
    pub(super) unfinished: AtomicU64,
    /// Connections that had to make room for newer ones in the hall.
    pub(super) crowded: AtomicU64,
    /// Events and messages that the application did not fetch in time.
    pub(super) overlooked: AtomicU64,
}

impl Counters {
    /// A request was answered.
    pub(super) fn answered(&self, status: u16) {
        if status < 400 {
            self.pages.fetch_add(1, Ordering::Relaxed);
        } else {
            *locked(&self.refused).entry(status).or_default() += 1;
        }
    }

    /// Requests refused, by status.
    pub(super) fn refused(&self) -> BTreeMap<String, u64> {
        locked(&self.refused).iter().map(|(status, count)| (status.to_string(), *count)).collect()
    }
}

/// A connection in the hall.
pub(super) struct Newcomer {
    standing: Standing,
    /// Closed when it is sent away.
    way_out: Receiver<Infallible>,
}

impl Newcomer {
    /// Ends when others need its place.
    pub(super) async fn is_sent_away(&self) {
        let _ = self.way_out.recv().await;
    }
}

/// What a house is made of.
pub(super) struct Plan {
    pub(super) shards: Vec<Sender<Message>>,
    pub(super) password_workers: usize,
    pub(super) tls: Option<Tls>,
    pub(super) create_token: Option<Secret>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) allowed_origins: Vec<Origin>,
    pub(super) ice_servers: Vec<IceHelp>,
    pub(super) local: SocketAddr,
    pub(super) public_url: Option<String>,
}

impl House {
    pub(super) fn new(plan: Plan) -> Self {
        let Plan {
            shards,
            password_workers,
            tls,
            create_token,
            trusted_proxies,
            allowed_origins,
            ice_servers,
            local,
            public_url,
        } = plan;
        let is_url_given = public_url.is_some();
        let url = public_url.unwrap_or_else(|| {
            let scheme = if tls.is_some() { "wss" } else { "ws" };
            format!("{scheme}://{local}/ws")
        });
        House {
            passwords: Passwords::new(password_workers),
            shards,
            directory: Mutex::new(Table::new()),
            trend: Mutex::new(Trend::new()),
            tls,
            create_token,
            trusted_proxies,
            allowed_origins,
            ice_servers,
            local,
            url,
            is_url_given,
            started: Instant::now(),
            is_leaving: AtomicBool::new(false),
            hall: Mutex::new(Hall::new(HALL, SHARE)),
            counters: Counters::default(),
            events: async_channel::bounded(MAX_WAITING),
            messages: async_channel::bounded(MAX_WAITING),
        }
    }

    /// Tells a shard something. After its end nobody listens.
    pub(super) fn tell(&self, shard: ShardId, message: Message) {
        if let Some(shard) = self.shards.get(usize::from(shard.0)) {
            let _ = shard.try_send(message);
        }
    }

    pub(super) fn directory(&self) -> MutexGuard<'_, Table> {
        locked(&self.directory)
    }

    /// The last minutes.
    pub(super) fn trend(&self) -> MutexGuard<'_, Trend> {
        locked(&self.trend)
    }

    pub(super) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Somebody has connected. Behind a proxy stand many.
    pub(super) fn enter(&self, from: IpAddr) -> Newcomer {
        let (stay, way_out) = async_channel::bounded(1);
        let is_proxy = from.is_loopback() || self.is_trusted(from);
        let (standing, gone) = locked(&self.hall).enter(from, is_proxy, stay);
        if gone.is_some() {
            self.counters.crowded.fetch_add(1, Ordering::Relaxed);
        }
        Newcomer { standing, way_out }
    }

    /// It is a WebSocket now, or closed.
    pub(super) fn leave(&self, newcomer: &Newcomer) {
        locked(&self.hall).leave(newcomer.standing);
    }

    /// How many have not said yet what they want, or are answered with a page.
    pub(super) fn newcomers(&self) -> usize {
        locked(&self.hall).len()
    }

    /// Making a lobby may need the operator's token; joining never does.
    pub(super) fn is_admitted(&self, token: Option<&Secret>, wants: Admission) -> bool {
        match (&self.create_token, wants) {
            (None, _) | (_, Admission::Join) => true,
            (Some(needed), Admission::Create) => {
                token.is_some_and(|token| token.as_str().as_bytes().ct_eq(needed.as_str().as_bytes()).into())
            }
        }
    }

    pub(super) fn on_event(&self, event: ServerEvent) {
        log(&event);
        let overlooked = if let ServerEvent::ClientMessage { lobby, player, data } = event {
            let pushed = self.messages.0.force_send(ClientMessage { lobby, player, data });
            pushed.is_ok_and(|pushed| pushed.is_some())
        } else {
            self.events.0.force_send(event).is_ok_and(|pushed| pushed.is_some())
        };
        if overlooked {
            self.counters.overlooked.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The numbers of all shards, added up.
    pub(super) async fn stats(&self) -> ServerStats {
        let mut sum = ServerStats::default();
        for stats in self.ask(Message::Stats).await {
            add(&mut sum, stats);
        }
        sum
    }

    /// How many talk through the server, in all shards.
    pub(super) async fn relaying(&self) -> usize {
        self.ask(Message::Relaying).await.into_iter().sum()
    }

    /// How many sockets are being closed, in all shards.
    pub(super) async fn ending(&self) -> usize {
        self.ask(Message::Ending).await.into_iter().sum()
    }

    /// What each shard answers to a question; one that has ended does not.
    async fn ask<T>(&self, question: impl Fn(Sender<T>) -> Message) -> Vec<T> {
        let (answer, answers) = async_channel::bounded(self.shards.len());
        for shard in &self.shards {
            let _ = shard.try_send(question(answer.clone()));
        }
        drop(answer);
        let mut all = Vec::new();
        while let Ok(one) = answers.recv().await {
            all.push(one);
        }
        all
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log(event: &ServerEvent) {
    use ServerEvent as E;
    match event {
        E::LobbyOpened { lobby } => tracing::debug!(%lobby, "lobby opened"),
        E::LobbyClosed { lobby, reason } => tracing::debug!(%lobby, ?reason, "lobby closed"),
        E::PlayerJoined { lobby, player, resumed } => tracing::debug!(%lobby, player = player.0, resumed, "joined"),
        E::PlayerLeft { lobby, player, reason } => tracing::debug!(%lobby, player = player.0, ?reason, "left"),
        E::HostChanged { lobby, host, cause } => tracing::debug!(%lobby, host = host.0, ?cause, "host"),
        E::ClientMessage { lobby, player, .. } => tracing::debug!(%lobby, player = player.0, "message to the server"),
        E::Refused { connection, code } => tracing::debug!(connection = connection.0, ?code, "refused"),
        E::Closed { connection, reason } => tracing::debug!(connection = connection.0, ?reason, "closed"),
    }
}

fn add(sum: &mut ServerStats, stats: ServerStats) {
    // Named one by one, so that a new number is not forgotten.
    let ServerStats {
        connections,
        lobbies,
        players,
        connected,
        joins,
        resumes,
        host_changes,
        host_changes_by,
        frames_in,
        bytes_in,
        frames_out,
        bytes_out,
        relayed,
        signals,
        dropped,
        refused,
        closed,
        passwords,
        queued_bytes,
    } = stats;
    let numbers = [
        (&mut sum.connections, connections),
        (&mut sum.lobbies, lobbies),
        (&mut sum.players, players),
        (&mut sum.connected, connected),
        (&mut sum.joins, joins),
        (&mut sum.resumes, resumes),
        (&mut sum.host_changes, host_changes),
        (&mut sum.frames_in, frames_in),
        (&mut sum.bytes_in, bytes_in),
        (&mut sum.frames_out, frames_out),
        (&mut sum.bytes_out, bytes_out),
        (&mut sum.relayed, relayed),
        (&mut sum.signals, signals),
        (&mut sum.passwords, passwords),
        (&mut sum.queued_bytes, queued_bytes),
    ];
    for (sum, number) in numbers {
        *sum += number;
    }
    let tables = [
        (&mut sum.dropped, dropped),
        (&mut sum.refused, refused),
        (&mut sum.closed, closed),
        (&mut sum.host_changes_by, host_changes_by),
    ];
    for (sum, table) in tables {
        for (name, number) in table {
            *sum.entry(name).or_default() += number;
        }
    }
}
