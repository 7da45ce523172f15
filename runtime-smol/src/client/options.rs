//! How a client is started: where to, as whom, with which settings.

use super::HelpServer;
use super::direct::Sockets;
use super::interfaces::addresses;
use crate::uri::{Place, Target, UriError};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use thiserror::Error;
use webstar_core::config::{ConfigError, Mode, PlayerConfig};
use webstar_core::path::webrtc::{Rules, worth_telling};
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
    /// How direct paths are found, if the settings have any.
    pub direct: DirectOptions,
    /// A file that the session is recorded into, for [`webstar_core::recording::Replay`]: what was said and
    /// who said it, but no password, token, key or address of a player. A file of that name is written over.
    pub record: Option<PathBuf>,
}

/// How direct paths are found.
#[derive(Clone, Debug, Default)]
pub struct DirectOptions {
    /// Servers that help.
    pub servers: Vec<HelpServer>,
    /// The addresses of this machine, once and for all; none: those of its interfaces, also when they change.
    pub addresses: Option<Vec<IpAddr>>,
    /// What is shown of them, and which of others are tried.
    pub rules: Rules,
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
    /// Nothing but direct paths is allowed, and there is no way to have one.
    #[error(
        "there is no way for datagrams on this machine: {0}; --mode hybrid or --mode relay goes through the server"
    )]
    NoWay(String),
    /// A TURN server without a user.
    #[error("the TURN server {0} wants to know who we are: give --turn-user and --turn-password-env")]
    NoCredentials(String),
    /// The recording cannot be stored.
    #[error("the recording cannot be written to {}: {why}; name another file", path.display())]
    Record {
        /// Where.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
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
        config.set_mode(Mode::Hybrid);
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
        let direct = DirectOptions::default();
        Ok(Options { config, request, certificates: None, event_queue: 4096, direct, record: None })
    }

    /// What the player is called.
    pub fn name(mut self, name: &str) -> Result<Self, StartError> {
        self.request.username = Username::new(name)?;
        Ok(self)
    }
}

impl DirectOptions {
    /// The sockets for direct paths; none if there can be none and the server carries packets too. What cannot work is
    /// told before anything begins.
    pub(super) fn open(&self, config: &PlayerConfig) -> Result<Option<Sockets>, StartError> {
        if let Some(HelpServer { url, .. }) =
            self.servers.iter().find(|server| server.url.transport.is_some() && server.credentials.is_none())
        {
            return Err(StartError::NoCredentials(url.host.clone()));
        }
        if config.direct_paths.is_empty() {
            return Ok(None);
        }
        let addresses = self.addresses.clone().unwrap_or_else(addresses);
        let opened = match worth_telling(&addresses, None).is_empty() {
            true => Err("it has no address".to_owned()),
            false => Sockets::open().map_err(|error| error.to_string()),
        };
        match opened {
            Ok(sockets) => Ok(Some(sockets)),
            Err(why) if !config.allow_relay => Err(StartError::NoWay(why)),
            Err(why) => {
                tracing::warn!(
                    "there is no way for datagrams on this machine: {why}; everything goes through the server"
                );
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webstar_core::path::webrtc::IceUrl;

    fn opened(mode: Mode, direct: &DirectOptions) -> Result<bool, String> {
        let mut config = PlayerConfig::default();
        config.set_mode(mode);
        direct.open(&config).map(|sockets| sockets.is_some()).map_err(|error| error.to_string())
    }

    #[test]
    fn sockets_are_opened_where_they_are_of_use() {
        let direct = DirectOptions::default();
        assert_eq!(opened(Mode::Hybrid, &direct), Ok(true));
        assert_eq!(opened(Mode::Webrtc, &direct), Ok(true));
        assert_eq!(opened(Mode::Relay, &direct), Ok(false));
        assert_eq!(opened(Mode::Turn, &direct), Ok(true), "the lobby server may name a TURN server");
        let nowhere = DirectOptions { addresses: Some(Vec::new()), ..DirectOptions::default() };
        assert_eq!(opened(Mode::Hybrid, &nowhere), Ok(false), "the server carries all");
        assert!(opened(Mode::Webrtc, &nowhere).is_err_and(|why| why.contains("--mode hybrid")));
    }

    #[test]
    fn turn_servers_that_know_nobody_without_credentials_are_refused() {
        for url in ["turn:example.org", "turn:example.org?transport=tcp", "turns:example.org"] {
            let servers = vec![HelpServer { url: IceUrl::parse(url).unwrap(), credentials: None }];
            let direct = DirectOptions { servers, ..DirectOptions::default() };
            assert!(opened(Mode::Hybrid, &direct).is_err_and(|why| why.contains("--turn-user")), "{url}");
        }
    }
}
