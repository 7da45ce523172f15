//! A lobby and its members: what is kept of them and what can be read off it. Who is told what is decided elsewhere.

use super::elect::{Candidate, Chair, elect};
use super::limits::Bucket;
use super::record::Banned;
use super::recovery::Recovery;
use super::star::Star;
use super::token::Edition;
use crate::id::{AskId, ConnectionId, Incarnation, PlayerId};
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{
    CloseReason, CreateLobby, Epoch, HostCause, Listing, LobbyInfo, LobbyName, PeerId, PlayerEntry, Role, SessionKey,
    Username, Version,
};
use crate::wire::view::{PublicKey, StarId};
use core::net::IpAddr;
use core::ops::Range;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most addresses, and the most peer names, that a lobby remembers as banned; the oldest are forgotten beyond it.
const MAX_BANNED: usize = 256;

/// Where a lobby is found; used again when it is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct LobbyKey(u32);

/// How far a lobby is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Its name is ours; the one who makes it waits for admission or for its password.
    Opening(ConnectionId),
    /// Players may come.
    Open,
    /// It is gone. The directory has not yet said that its name is free; or it has, but not yet answered all that was
    /// asked about the name before.
    Releasing(Option<AskId>),
}

/// A lobby.
#[derive(Debug)]
pub(super) struct Lobby {
    pub(super) name: LobbyName,
    pub(super) edition: Edition,
    pub(super) stage: Stage,
    /// Joins that wait until it is open or its name free.
    pub(super) waiting: Vec<ConnectionId>,
    pub(super) rules: CreateLobby,
    pub(super) password: Option<Box<Password>>,
    pub(super) locked: bool,
    pub(super) started: bool,
    pub(super) next_player: u32,
    /// By number.
    pub(super) players: Vec<Player>,
    /// The host of the view in force, or the nominal host of guests.
    pub(super) host: Option<PlayerId>,
    /// The host has gone, for this, and nobody has been elected.
    pub(super) vacated: Option<Chair>,
    /// The host has come back without its memory: any other player is a better one.
    forgetful: Option<PlayerId>,
    pub(super) epoch: Epoch,
    pub(super) star: Box<Star>,
    /// Which record of the lobby the members have, in which life of the server, and what stands in it.
    pub(super) life: u32,
    pub(super) serial: u64,
    pub(super) recorded: [u8; 32],
    /// Whose lobby it is.
    pub(super) preferred: Option<PeerId>,
    pub(super) banned: Vec<Banned>,
    /// Who has gone since the last list.
    pub(super) left: Vec<(PlayerId, CloseReason)>,
    /// The roster has changed since the last list.
    pub(super) roster_changed: bool,
    /// What everybody may see has changed since it was published.
    pub(super) listing_changed: bool,
    /// The directory lists it.
    pub(super) published: bool,
    /// Nobody is connected since then.
    pub(super) empty_since: Option<Instant>,
    pub(super) bytes: Bucket,
    pub(super) armed: Option<Instant>,
}

/// What a password is known by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Password {
    pub(super) salt: [u8; 16],
    pub(super) hash: [u8; 32],
}

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("***")
    }
}

/// A member.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) id: PlayerId,
    pub(super) username: Username,
    pub(super) role: Role,
    pub(super) ready: bool,
    pub(super) hidden: bool,
    /// The name it has claimed. While it is connected the claim is its connection's.
    pub(super) peer: Option<PeerId>,
    pub(super) incarnation: Incarnation,
    pub(super) session: SessionKey,
    pub(super) version: Version,
    /// What it signs its promises with is checked with this.
    pub(super) key: Option<PublicKey>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) relay: Option<ConnectionId>,
    /// Its connection broke then.
    pub(super) away_since: Option<Instant>,
    pub(super) address: IpAddr,
    /// The generation of the newest resume token, and that of the oldest still good.
    pub(super) newest: u32,
    pub(super) oldest: u32,
    /// It came back from a record, after the server had lost its memory.
    pub(super) is_revived: bool,
    /// The generation of the token with which its connection came in; the largest number if it came otherwise.
    pub(super) let_in_with: u32,
    /// It was told which view is in force, because it said otherwise.
    pub(super) corrected: Option<Instant>,
}

/// All lobbies of the shard.
#[derive(Debug, Default)]
pub(super) struct Lobbies {
    slots: Vec<Option<Box<Lobby>>>,
    free: Vec<LobbyKey>,
    names: BTreeMap<LobbyName, LobbyKey>,
}

impl Lobbies {
    pub(super) fn get(&self, key: LobbyKey) -> Option<&Lobby> {
        self.slots.get(key.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, key: LobbyKey) -> Option<&mut Lobby> {
        self.slots.get_mut(key.0 as usize)?.as_deref_mut()
    }

    pub(super) fn find(&self, name: &LobbyName) -> Option<LobbyKey> {
        self.names.get(name).copied()
    }

    /// The lobby of that name and where it is found.
    pub(super) fn by_name(&mut self, name: &LobbyName) -> Option<(LobbyKey, &mut Lobby)> {
        let key = self.find(name)?;
        Some((key, self.get_mut(key)?))
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Where lobbies are, in the order of their places.
    pub(super) fn keys(&self) -> Vec<LobbyKey> {
        self.keys_in(0..self.places())
    }

    /// In which of these places lobbies are.
    pub(super) fn keys_in(&self, places: Range<usize>) -> Vec<LobbyKey> {
        let numbers = (0..).zip(&self.slots).take(places.end).skip(places.start);
        numbers.filter(|(_, slot)| slot.is_some()).map(|(number, _)| LobbyKey(number)).collect()
    }

    /// How many places there are, taken or not: never fewer than there were.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn insert(&mut self, lobby: Box<Lobby>) -> LobbyKey {
        let key = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            LobbyKey(u32::try_from(self.slots.len() - 1).expect("the lobbies are bounded by the configuration"))
        });
        self.names.insert(lobby.name.clone(), key);
        self.slots[key.0 as usize] = Some(lobby);
        key
    }

    pub(super) fn remove(&mut self, key: LobbyKey) -> Option<Box<Lobby>> {
        let lobby = self.slots.get_mut(key.0 as usize)?.take()?;
        self.names.remove(&lobby.name);
        self.free.push(key);
        Some(lobby)
    }
}

impl Player {
    /// It plays, has a vote, and is not in the background: it may be host.
    pub(super) fn is_eligible(&self) -> bool {
        self.role == Role::Player && self.key.is_some() && !self.hidden
    }
}

impl Lobby {
    pub(super) fn new(
        name: LobbyName,
        edition: Edition,
        star: StarId,
        by: ConnectionId,
        rules: CreateLobby,
        preferred: Option<PeerId>,
    ) -> Self {
        Lobby {
            name,
            edition,
            stage: Stage::Opening(by),
            waiting: Vec::new(),
            rules,
            password: None,
            locked: false,
            started: false,
            next_player: 1,
            players: Vec::new(),
            host: None,
            vacated: None,
            forgetful: None,
            epoch: Epoch::default(),
            star: Box::new(Star::new(star)),
            life: 0,
            serial: 0,
            recorded: [0; 32],
            preferred,
            banned: Vec::new(),
            left: Vec::new(),
            roster_changed: false,
            listing_changed: false,
            published: false,
            empty_since: None,
            bytes: Bucket::full(),
            armed: None,
        }
    }

    /// What is kept of a lobby that is gone while the directory is told.
    pub(super) fn releasing(name: LobbyName, ask: AskId) -> Self {
        let gone = Lobby::new(name, Edition(0), StarId(0), ConnectionId(0), CreateLobby::default(), None);
        Lobby { stage: Stage::Releasing(Some(ask)), ..gone }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn player(&self, id: PlayerId) -> Option<&Player> {
        let index = self.players.binary_search_by_key(&id, |player| player.id).ok()?;
        self.players.get(index)
    }

    pub(super) fn player_mut(&mut self, id: PlayerId) -> Option<&mut Player> {
        let index = self.players.binary_search_by_key(&id, |player| player.id).ok()?;
        self.players.get_mut(index)
    }

    /// The number of the next member. No number is given twice.
    pub(super) fn next_id(&mut self) -> PlayerId {
        let id = PlayerId(self.next_player);
        self.next_player += 1;
        id
    }

    pub(super) fn remove_player(&mut self, id: PlayerId) -> Option<Player> {
        let index = self.players.binary_search_by_key(&id, |player| player.id).ok()?;
        Some(self.players.remove(index))
    }

    pub(super) fn is_full(&self) -> bool {
        self.players.len() >= usize::from(self.rules.max_players)
    }

    pub(super) fn ban(&mut self, player: &Player) {
        let neighbours = self.players.iter().filter(|other| other.id != player.id);
        let is_shared = player.address.is_loopback() || neighbours.into_iter().any(|o| o.address == player.address);
        if self.banned.len() == MAX_BANNED {
            self.banned.remove(0);
        }
        let username = is_shared.then(|| player.username.clone());
        self.banned.push(Banned { address: player.address, username, peer: player.peer.clone() });
    }

    pub(super) fn is_banned(&self, address: IpAddr, username: &Username, peer: Option<&PeerId>) -> bool {
        self.banned.iter().any(|banned| {
            let is_named = banned.username.as_ref().is_none_or(|name| name == username);
            banned.address == address && is_named || peer.is_some() && banned.peer.as_ref() == peer
        })
    }

    /// The best host but for `except`.
    pub(super) fn best_host(&self, except: Option<PlayerId>) -> Option<Candidate> {
        let others = self.players.iter().filter(|player| Some(player.id) != except);
        elect(others.map(|player| self.candidate(player)))
    }

    /// The best host for an empty chair.
    pub(super) fn successor(&self) -> Option<Candidate> {
        let other = self.best_host(self.forgetful).filter(|other| other.role == Role::Player);
        other.or_else(|| self.best_host(None))
    }

    fn candidate(&self, player: &Player) -> Candidate {
        Candidate {
            id: player.id,
            role: player.role,
            connected: player.connection.is_some(),
            hidden: player.hidden,
            preferred: self.preferred.is_some() && player.peer == self.preferred,
        }
    }

    /// How the host's chair stands.
    pub(super) fn chair(&self) -> Chair {
        match self.host.and_then(|host| self.player(host)) {
            None => self.vacated.unwrap_or(Chair::Empty),
            Some(host) if host.role == Role::Guest => Chair::Guest,
            Some(_) => Chair::Taken,
        }
    }

    /// Why the host is not there.
    pub(super) fn departure(&self) -> HostCause {
        match self.vacated {
            Some(Chair::Left(cause)) => cause,
            _ => HostCause::CrashClosed,
        }
    }

    /// The host has gone for good.
    pub(super) fn vacate(&mut self, host: &Player, cause: HostCause) {
        self.host = None;
        self.vacated = Some(if host.role == Role::Guest { Chair::GuestLeft } else { Chair::Left(cause) });
    }

    /// The host is there and has forgotten everything: it is host no more.
    pub(super) fn forget_host(&mut self) {
        self.vacated = Some(Chair::Left(HostCause::CrashClosed));
        self.forgetful = self.host.take();
    }

    /// This one is host from now on, in a new term.
    pub(super) fn seat(&mut self, host: PlayerId) {
        self.host = Some(host);
        self.vacated = None;
        self.forgetful = None;
        self.epoch.term = self.epoch.term.max(self.star.term) + 1;
        self.epoch.round = 0;
    }

    /// The host of the view in force is the lobby's. Tells whether it is another one.
    pub(super) fn follow(&mut self) -> bool {
        let Some(view) = self.star.view() else { return false };
        let (host, epoch) = (view.host, view.epoch);
        let is_other = self.host != Some(host);
        self.host = self.player(host).map(|player| player.id);
        self.vacated = None;
        self.forgetful = None;
        self.epoch = epoch;
        is_other
    }

    /// When something is to be done though nobody says anything.
    pub(super) fn deadline(&self, now: Instant, resume: Duration, idle: Duration) -> Option<Instant> {
        let places = self.players.iter().filter_map(|player| player.away_since).min().map(|since| since + resume);
        let recovered = self.star.recovery.as_ref().map(Recovery::ends_at).filter(|at| *at > now);
        let star = earlier(self.star.watch.deadline(now), recovered);
        earlier(earlier(places, star), self.empty_since.map(|since| since + idle))
    }

    pub(super) fn info(&self) -> LobbyInfo {
        LobbyInfo {
            lobby_id: self.name.clone(),
            public: self.rules.public,
            locked: self.locked,
            started: self.started,
            has_password: self.password.is_some(),
            max_players: self.rules.max_players,
            metadata: self.rules.metadata.clone(),
        }
    }

    /// What everybody may see: nothing of a private or locked lobby.
    pub(super) fn listing(&self) -> Option<Listing> {
        (self.rules.public && self.is_open() && !self.locked).then(|| Listing {
            lobby_id: self.name.clone(),
            players: u16::try_from(self.players.len()).unwrap_or(u16::MAX),
            max_players: self.rules.max_players,
            started: self.started,
            has_password: self.password.is_some(),
            metadata: self.rules.metadata.clone(),
        })
    }

    /// Everybody, as players see it or as guests do.
    pub(super) fn roster(&self, for_guests: bool) -> Vec<PlayerEntry> {
        let entry = |player: &Player| PlayerEntry {
            player_id: player.id,
            username: player.username.clone(),
            role: player.role,
            ready: player.ready,
            connected: player.connection.is_some(),
            hidden: player.hidden,
            peer_id: player.peer.clone(),
            incarnation: player.incarnation,
            session: if for_guests { SessionKey(0) } else { player.session },
            version: player.version,
            key: if for_guests { None } else { player.key },
        };
        self.players.iter().map(entry).collect()
    }
}
