//! How a client is started: where to, as whom, with which settings.

use crate::uri::{Place, Target, UriError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use thiserror::Error;
use webstar_core::config::{ConfigError, PlayerConfig};
use webstar_core::peer::{JoinRequest, Wish};
use webstar_core::wire::signal::{CreateLobby, Metadata, Username, ValueError};

/// How a client is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The settings of the player, the address of the server among them.
    pub config: PlayerConfig,
    /// Where it wants to go, and as whom.
    pub request: JoinRequest,
    /// A PEM file with certificates that are trusted besides those of the system.
    pub certificates: Option<PathBuf>,
    /// Events kept for the application at most. When it has not read so many, no more frames are read from the server
    /// until it does; then the server drops relayed messages for this player, and after a while its connection.
    pub event_queue: usize,
}

/// Why a client cannot be started.
#[derive(Clone, Debug, Error)]
pub enum StartError {
    /// The target leads nowhere.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A value is not allowed.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A setting is not allowed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Entropy(#[from] getrandom::Error),
}

impl Options {
    /// With everything as usual: a lobby named by a URI is joined, and made if it is not there.
    pub fn to(target: &str) -> Result<Self, StartError> {
        Options::to_target(Target::parse(target)?)
    }

    /// The same, for a target that is read already.
    pub fn to_target(target: Target) -> Result<Self, StartError> {
        let mut config = PlayerConfig::default();
        if let Some(server) = target.server {
            config.signaling_server = server;
        }
        let mut create = CreateLobby::default();
        let wish = match target.place {
            Place::Lobby(name) => Wish::Named(name),
            Place::New => Wish::New,
            Place::Peer(peer) => {
                create.max_players = 2;
                Wish::Peer(peer)
            }
            Place::PeerGame { peer, room, region } => {
                let region = region.map(|region| ("region".to_owned(), region));
                create.metadata = Metadata::new(BTreeMap::from_iter(region))?;
                Wish::PeerGame { peer, room }
            }
        };
        let request = JoinRequest {
            username: Username::new("player")?,
            wish,
            password: None,
            create: Some(create),
            spectator: false,
            peer_id: None,
            admission: None,
            ticket: None,
        };
        Ok(Options { config, request, certificates: None, event_queue: 4096 })
    }

    /// What the player is called.
    pub fn name(mut self, name: &str) -> Result<Self, StartError> {
        self.request.username = Username::new(name)?;
        Ok(self)
    }
}
