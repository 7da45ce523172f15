//! Servers that help players to find direct ways to each other: every player is told of those that the operator has
//! named, with credentials of its own that hold for a time. Asks no server, and does not know whether there is one.

use super::Server;
use super::lobby::LobbyKey;
use crate::id::PlayerId;
use crate::time::{Duration, Instant};
use crate::wire::signal::{Credentials, IceServer, IceServers, MAX_ICE_SERVERS, Role, Secret, ServerMessage};
use core::ops::Range;

/// How long credentials hold: who copies them has not much of it. What was lent with them is kept beyond that.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// So often each is told anew: half of that, so that nobody is left with credentials that have ended.
const RENEWAL: Duration = Duration::from_secs(5 * 60);

/// A server that helps, as the operator names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceHelp {
    /// `stun:`, `turn:` or `turns:` and what follows.
    pub url: String,
    /// What is shared with a TURN server, and its users are known by: `static-auth-secret` of coturn.
    pub secret: Option<Secret>,
}

/// Those that are told of.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    named: Vec<IceHelp>,
    /// All are told anew, some lobbies at a time.
    round: Option<Round>,
}

/// One telling of everybody: it takes as long as [`RENEWAL`], so that a large house is not told all at once.
#[derive(Debug)]
struct Round {
    begun: Instant,
    /// The lobbies in so many places have been told.
    told: usize,
}

impl Round {
    /// The places whose turn it is by now, of so many.
    fn turn(&mut self, now: Instant, places: usize) -> Range<usize> {
        let share = now.since(self.begun).as_secs_f64() / RENEWAL.as_secs_f64();
        let by_now = if share < 1.0 { (places as f64 * share) as usize } else { places };
        let from = self.told;
        self.told = by_now.max(from);
        from..self.told
    }

    /// Whether everybody's turn has come.
    fn is_over(&self, now: Instant) -> bool {
        self.begun + RENEWAL <= now
    }
}

impl Helpers {
    /// What is told to a player of that name, whose credentials end then.
    fn told(&self, unix_secs: u64, name: &str) -> Vec<IceServer> {
        let tell = |help: &IceHelp| {
            let known = help.secret.as_ref().and_then(|secret| Credentials::until(unix_secs, name, secret));
            let (username, credential) = known.map(|known| (known.user, known.password)).unzip();
            IceServer { urls: help.url.clone(), username, credential }
        };
        self.named.iter().map(tell).collect()
    }
}

impl Server {
    /// These help from now on.
    pub(super) fn on_ice_servers(&mut self, mut named: Vec<IceHelp>) {
        named.truncate(MAX_ICE_SERVERS);
        self.helpers.named = named;
        self.tell_all_of_helpers();
    }

    /// The time of day is told, and perhaps it is time for other credentials.
    pub(super) fn on_wall_clock(&mut self, unix: Duration) {
        let now = self.exchange.now;
        self.unix = (unix, now);
        if self.helpers.named.is_empty() {
            return;
        }
        let round = self.helpers.round.get_or_insert(Round { begun: now, told: 0 });
        let turn = round.turn(now, self.lobbies.places());
        if round.is_over(now) {
            self.helpers.round = Some(Round { begun: now, told: 0 });
        }
        for key in self.lobbies.keys_in(turn) {
            self.tell_lobby_of_helpers(key);
        }
    }

    fn tell_all_of_helpers(&mut self) {
        self.helpers.round = Some(Round { begun: self.exchange.now, told: 0 });
        for key in self.lobbies.keys() {
            self.tell_lobby_of_helpers(key);
        }
    }

    fn tell_lobby_of_helpers(&mut self, key: LobbyKey) {
        let Some(lobby) = self.lobbies.get(key) else { return };
        let players: Vec<PlayerId> = lobby.players.iter().map(|player| player.id).collect();
        for player in players {
            self.tell_of_helpers(key, player);
        }
    }

    /// Tells a player of the servers that help. Guests make no direct paths.
    pub(super) fn tell_of_helpers(&mut self, key: LobbyKey, id: PlayerId) {
        let Some(lobby) = self.lobbies.get(key) else { return };
        let Some(player) = lobby.player(id).filter(|player| player.role != Role::Guest) else { return };
        let (Some(connection), false) = (player.connection, self.helpers.named.is_empty()) else { return };
        let end = self.unix() + LIFETIME;
        // Names of lobbies are free text, which not every TURN server reads alike.
        let name = format!("{:x}.{}", lobby.edition.0, id.0);
        let servers = self.helpers.told(end.as_secs(), &name);
        self.exchange.say(connection, &ServerMessage::IceServers(IceServers { servers }));
    }
}
