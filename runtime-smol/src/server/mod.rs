//! A lobby server on real sockets: one port for WebSockets and pages, one thread for each shard, a machine of
//! `webstar-core` in each. Nothing is decided here.
//!
//! ```no_run
//! use webstar_smol::server::{Server, ServerOptions};
//!
//! let server = Server::bind(ServerOptions::default())?;
//! println!("{}", server.url());
//! futures_lite::future::block_on(async {
//!     while let Some(message) = server.next_client_message().await {
//!         println!("{} says {:?}", message.lobby, message.data);
//!     }
//! });
//! # Ok::<(), webstar_smol::server::BindError>(())
//! ```

mod connection;
mod goodbye;
mod greet;
mod head;
mod house;
mod key;
mod life;
mod metrics;
mod origins;
mod pages;
mod passwords;
mod shard;
mod tls;
mod wire;

pub(crate) use head::same_head_in_pieces;
pub use house::ClientMessage;
pub use origins::{Origin, OriginError};
pub use pages::Status;
pub use tls::TlsFiles;

use crate::client::clock;
use crate::lan::Announcing;
use crate::network::Network;
use async_channel::{Receiver, Sender};
use async_io::Async;
use futures_lite::future::block_on;
use house::{House, Message, Plan};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use thiserror::Error;
use webstar_core::config::ConfigError;
use webstar_core::id::ShardId;
use webstar_core::lan::AnnounceConfig;
use webstar_core::server::{IceHelp, Identity, Server as Machine, ServerConfig, ServerEvent, ServerStats};
use webstar_core::wire::signal::{Data, Secret};

/// The most shards.
const MAX_SHARDS: usize = 256;
/// Clients have this long to go by themselves when the server closes.
const GRACE: Duration = Duration::from_secs(1);

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens; port 0: any free one.
    pub listen: SocketAddr,
    /// How many ports behind that are tried when it is taken.
    pub port_fallback: u16,
    /// TLS, if it is wanted.
    pub tls: Option<TlsFiles>,
    /// Where clients connect, if that differs from where it listens.
    pub public_url: Option<String>,
    /// What clients must show to make a lobby.
    pub create_token: Option<Secret>,
    /// Where the long-term key is kept; it is made at the first start. Without it resume tokens die with the process.
    pub key_file: Option<PathBuf>,
    /// How many threads serve; 0: one for each processor.
    pub shards: usize,
    /// Proxies, or networks of them, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Pages of these origins, such as `https://game.example`, may connect and read `/api` from a browser; none: all.
    pub allowed_origins: Vec<Origin>,
    /// Servers that help players to find direct ways; they are told of them.
    pub ice_servers: Vec<IceHelp>,
    /// The limits of each shard.
    pub limits: ServerConfig,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            port_fallback: 0,
            tls: None,
            public_url: None,
            create_token: None,
            key_file: None,
            shards: 0,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            ice_servers: Vec::new(),
            limits: ServerConfig::default(),
        }
    }
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum BindError {
    /// The port is taken.
    #[error(
        "{0} is taken by another program; choose another with --listen ADDR:PORT, or try the next ones with \
         --port-fallback N"
    )]
    Taken(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen ADDR:PORT")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Certificate or key.
    #[error("cannot use {} for TLS: {why}", file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The long-term key.
    #[error("cannot use the key file {}: {source}", file.display())]
    KeyFile {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The limits.
    #[error("{0}")]
    Limits(#[from] ConfigError),
    /// Something that the system did not give.
    #[error("the system refuses what a server needs: {0}")]
    System(#[from] io::Error),
}

/// A running server. Handles are cheap to clone; with the last one it closes.
#[derive(Clone)]
pub struct Server {
    handle: Arc<Handle>,
}

struct Handle {
    house: Arc<House>,
    /// Closed when the last shard has ended.
    ended: Receiver<()>,
}

impl Server {
    /// Starts a server.
    pub fn bind(options: ServerOptions) -> Result<Self, BindError> {
        let mut limits = options.limits;
        limits.ask_admission |= options.create_token.is_some();
        limits.check()?;
        let tls = options.tls.map(tls::Tls::load).transpose()?;
        let key = key::load(options.key_file.as_deref())?;
        let listener = listen(options.listen, options.port_fallback)?;
        let local = listener.get_ref().local_addr()?;
        let count = match options.shards {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let (ways, mailboxes): (Vec<_>, Vec<_>) =
            (0..count.min(MAX_SHARDS)).map(|_| async_channel::unbounded()).unzip();
        let house = Arc::new(House::new(Plan {
            shards: ways,
            password_workers: limits.password_workers,
            tls,
            create_token: options.create_token,
            trusted_proxies: options.trusted_proxies,
            allowed_origins: options.allowed_origins,
            ice_servers: options.ice_servers,
            local,
            public_url: options.public_url,
        }));
        let (alive, ended) = async_channel::bounded(1);
        let server = Server { handle: Arc::new(Handle { house, ended }) };
        server.start(mailboxes, listener, &limits, key, &alive)?;
        Ok(server)
    }

    /// Starts the threads. If that fails half way the handle, being dropped, ends those that run.
    fn start(
        &self,
        mailboxes: Vec<Receiver<Message>>,
        listener: Async<TcpListener>,
        limits: &ServerConfig,
        key: [u8; 32],
        alive: &Sender<()>,
    ) -> Result<(), BindError> {
        let shards = u16::try_from(mailboxes.len()).expect("there are at most 256");
        let drawn = clock::seed().map_err(io::Error::other)?;
        let process = u64::from_le_bytes(*drawn.first_chunk().expect("a seed is longer than eight bytes"));
        let mut listener = Some(listener);
        for (number, mailbox) in (0..).zip(mailboxes) {
            let shard = ShardId(number);
            let identity = Identity { shard, shards, key, process };
            let seed = clock::seed().map_err(io::Error::other)?;
            let machine = Machine::new(limits.clone(), identity, seed, clock::now())?;
            let (house, alive, listener) = (self.handle.house.clone(), alive.clone(), listener.take());
            thread::Builder::new().name(format!("webstar-{number}")).spawn(move || {
                life::live(&house, shard, machine, &mailbox, listener);
                drop(alive);
            })?;
        }
        Ok(())
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.handle.house.local
    }

    /// Where clients connect.
    pub fn url(&self) -> &str {
        &self.handle.house.url
    }

    /// Announces the server on the local network, until what this gives is dropped or the server closes.
    pub fn announce(&self, config: AnnounceConfig) -> io::Result<Announcing> {
        let house = Arc::downgrade(&self.handle.house);
        let clients = move || {
            let house = house.upgrade().filter(|house| !house.is_leaving.load(Ordering::SeqCst))?;
            Some(block_on(house.stats()).connections)
        };
        Announcing::start(config, self.local_addr(), self.handle.house.tls.is_some(), clients)
    }

    /// Reads certificate and key again: who connects from now on gets the new certificate, and open connections go on. If
    /// they cannot be used, the old ones stay. Says whether there is TLS at all.
    pub fn reload_certificate(&self) -> Result<bool, BindError> {
        let Some(tls) = &self.handle.house.tls else { return Ok(false) };
        tls.reload().map(|()| true)
    }

    /// Says something to everybody in every lobby. Done when all of it is on its way.
    pub async fn send_to_all(&self, data: Data) {
        let shards = &self.handle.house.shards;
        let (done, all) = async_channel::bounded(shards.len());
        for shard in shards {
            let _ = shard.try_send(Message::SendToAll(data.clone(), done.clone()));
        }
        drop(done);
        while all.recv().await.is_ok() {}
    }

    /// The next message of a client for the server's application (`relay_data` to player 0); none after the end. If
    /// nobody asks, the oldest are dropped.
    pub async fn next_client_message(&self) -> Option<ClientMessage> {
        self.handle.house.messages.1.recv().await.ok()
    }

    /// What happens; none after the end. If nobody asks, the oldest are dropped.
    pub async fn next_event(&self) -> Option<ServerEvent> {
        self.handle.house.events.1.recv().await.ok()
    }

    /// The server as its operator sees it. Waits for the shards, a moment at most.
    pub fn status(&self) -> Status {
        pages::status(&self.handle.house, &self.stats())
    }

    /// The server in numbers, of all shards together. Waits for the shards, a moment at most.
    pub fn stats(&self) -> ServerStats {
        block_on(self.handle.house.stats())
    }

    /// Tells the clients, gives them a second, and ends. Lobbies whose players have sessions of their own go on.
    pub async fn close(&self) {
        self.handle.close(GRACE);
        // Nothing is ever sent: it ends with the last shard.
        let _ = self.handle.ended.recv().await;
    }
}

impl Handle {
    fn close(&self, grace: Duration) {
        if self.house.is_leaving.swap(true, Ordering::SeqCst) {
            return;
        }
        for shard in &self.house.shards {
            let _ = shard.try_send(Message::ShutDown(grace));
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local_addr", &self.local_addr()).finish_non_exhaustive()
    }
}

/// Listens on the port, or on the first free one of those behind it.
fn listen(wanted: SocketAddr, fallback: u16) -> Result<Async<TcpListener>, BindError> {
    let last = wanted.port().saturating_add(fallback);
    for port in wanted.port()..=last {
        let address = SocketAddr::new(wanted.ip(), port);
        match Async::<TcpListener>::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(BindError::Listen { address, source }),
        }
    }
    Err(BindError::Taken(wanted))
}
