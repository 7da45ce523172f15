//! From a wish to a place: what a connection waits for, one question after the other.
//!
//! Every join by name goes the same way, whether the lobby is there or not, so that a guesser sees no difference:
//!
//! ```text
//! wish -> [list, for a quick join] -> directory: whose is the name? -> [admission] -> [password] -> place
//! ```
//!
//! | the directory says | what happens |
//! |---|---|
//! | nobody's | admission and password are asked for as if it were there, then it is refused |
//! | claimed for us | the lobby is opening, unless it is there by now: others who want it wait until it is open |
//! | ours | the lobby's own password is asked for; while it is opening or its name being released, this join waits |
//! | another shard's | the connection moves there and asks again |
//! | another server's | the client is told where |

use super::ask::{DirectoryAsk, Found, Owner};
use super::asks::Question;
use super::lobby::{Lobby, Stage};
use super::reviving::Shown;
use super::token::{Claims, Edition};
use super::{Admission, Ask, Server};
use crate::id::{AskId, ConnectionId, ShardId};
use crate::wire::signal::{
    ClientMessage, CreateLobby, ErrorCode, Filter, Listing, LobbyList, LobbyName, MAX_FRAME, PeerId, PeerName,
    Redirect, Secret, ServerMessage, Username,
};
use crate::wire::view::StarId;
use std::collections::VecDeque;

/// Messages that may come while something is being waited for. They are taken afterwards, in their order.
const MAX_DEFERRED: usize = 16;
/// Lobbies told to one who asks.
const LISTED: usize = 256;
/// Lobbies that a quick join tries.
const TRIED: usize = 16;
/// Coded names that are tried, shards that a join passes, and answers that turn out stale, before it is given up.
const MAX_TRIES: u8 = 32;
/// Letters and digits that are not taken for one another, 32 of them: 8 make 40 bits.
const CODE: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_LEN: usize = 8;

/// What a connection waits for.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) job: Job,
    /// The question that is open for it.
    pub(super) ask: Option<AskId>,
    deferred: VecDeque<(ClientMessage, usize)>,
    tries: u8,
}

/// What it wants.
#[derive(Debug)]
pub(super) enum Job {
    List(Filter),
    Claim(PeerId),
    Join(Box<Join>),
    /// Back into this lobby.
    Resume(LobbyName, Claims, bool, Option<Box<Shown>>),
    /// Into the relay of this lobby.
    Relay(LobbyName, Claims),
}

/// A wish for a place.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) username: Username,
    pub(super) spectator: bool,
    pub(super) password: Option<Secret>,
    pub(super) create: Option<CreateLobby>,
    pub(super) preferred: Option<PeerId>,
    pub(super) admission: Option<Secret>,
    pub(super) way: Way,
    /// The lobby that is being tried.
    pub(super) name: Option<LobbyName>,
    pub(super) goal: Goal,
}

/// How the lobby is chosen.
#[derive(Debug)]
pub(super) enum Way {
    /// By its name.
    Named,
    /// It gets a code.
    Coded,
    /// The first that works; those that are left to try come last first.
    Quick(Filter, Vec<LobbyName>),
}

/// What is known of the lobby that is being tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    /// Nothing yet.
    Asked,
    /// It is not there. What follows is for show.
    Nowhere,
    /// It is here.
    Here,
    /// It is being made, by this join, with a salt for its password.
    Making([u8; 16]),
}

impl Pending {
    /// Keeps a message of this length for afterwards, unless there are too many: as many bytes may wait as one frame
    /// has. That somebody leaves is kept in any case, or it would be there for ever.
    pub(super) fn defer(&mut self, message: ClientMessage, len: usize) -> bool {
        let bytes: usize = self.deferred.iter().map(|(_, len)| len).sum();
        let has_room = self.deferred.len() < MAX_DEFERRED && bytes + len <= MAX_FRAME;
        let is_left = matches!(self.deferred.back(), Some((ClientMessage::LeaveLobby, _)));
        let is_taken = has_room || message == ClientMessage::LeaveLobby && !is_left;
        if is_taken {
            self.deferred.push_back((message, len));
        }
        is_taken
    }
}

impl Server {
    /// Begins what a connection wants. Nothing else is pending for it.
    pub(super) fn start(&mut self, id: ConnectionId, job: Job) {
        let Some(connection) = self.exchange.get_mut(id) else { return };
        let address = connection.address;
        let is_join = !matches!(job, Job::List(_) | Job::Claim(_));
        if is_join && self.closing.is_some() {
            return self.refuse(id, ErrorCode::ShuttingDown, 0);
        }
        if is_join && !self.addresses.may_try(self.exchange.now, address, &self.config) {
            return self.refuse(id, ErrorCode::RateLimited, 0);
        }
        if let Some(connection) = self.exchange.get_mut(id) {
            connection.pending = Some(Box::new(Pending { job, ask: None, deferred: VecDeque::new(), tries: 0 }));
        }
        self.proceed(id);
    }

    /// Takes the first step, or takes it again at another shard or with another lobby.
    pub(super) fn proceed(&mut self, id: ConnectionId) {
        let Some(pending) = self.pending_mut(id) else { return };
        pending.tries += 1;
        if pending.tries > MAX_TRIES {
            return self.fail(id, ErrorCode::Busy);
        }
        match &pending.job {
            Job::List(filter) => {
                let ask = DirectoryAsk::List { filter: filter.clone(), limit: LISTED };
                self.ask_for(id, Question::List(id), Ask::Directory(ask));
            }
            Job::Claim(peer) => {
                let peer = peer.clone();
                let ask = DirectoryAsk::ClaimPeer { peer: peer.clone() };
                self.ask_for(id, Question::Claim(id, peer), Ask::Directory(ask));
            }
            Job::Resume(name, ..) | Job::Relay(name, _) => {
                let name = name.clone();
                self.find(id, name, false);
            }
            Job::Join(join) => match (&join.way, &join.name) {
                (Way::Named, Some(name)) => {
                    let (name, create) = (name.clone(), join.create.is_some());
                    self.find(id, name, create);
                }
                (Way::Quick(..), Some(name)) => {
                    let name = name.clone();
                    self.find(id, name, false);
                }
                (Way::Quick(filter, _), None) => {
                    let filter = Filter { free_places: filter.free_places.max(1), open_only: true, ..filter.clone() };
                    let ask = DirectoryAsk::List { filter, limit: TRIED };
                    self.ask_for(id, Question::Quick(id), Ask::Directory(ask));
                }
                (Way::Coded | Way::Named, _) => self.find_code(id),
            },
        }
    }

    /// Asks for a name that nobody has.
    fn find_code(&mut self, id: ConnectionId) {
        let name = loop {
            let code = self.draw::<CODE_LEN>().map(|byte| char::from(CODE[usize::from(byte % 32)]));
            let name = LobbyName::new(String::from_iter(code)).expect("letters and digits are a name");
            if self.lobbies.find(&name).is_none() {
                break name;
            }
        };
        if let Some(join) = self.join_mut(id) {
            join.name = Some(name.clone());
        }
        self.find(id, name, true);
    }

    /// Asks whose the name is. While it is being released the answer would be stale: the join waits.
    fn find(&mut self, id: ConnectionId, name: LobbyName, create: bool) {
        if let Some((_, lobby)) = self.lobbies.by_name(&name)
            && matches!(lobby.stage, Stage::Releasing(_))
        {
            lobby.waiting.push(id);
            return;
        }
        let ask = DirectoryAsk::Lobby { name: name.clone(), create };
        self.ask_for(id, Question::Find(id, name), Ask::Directory(ask));
    }

    fn ask_for(&mut self, id: ConnectionId, question: Question, ask: Ask) {
        let ask = self.ask(question, ask);
        if let Some(pending) = self.pending_mut(id) {
            pending.ask = Some(ask);
        }
    }

    /// The directory has said whose the name is.
    pub(super) fn on_found(&mut self, id: ConnectionId, found: Found) {
        let stage = self.pending_name(id).and_then(|name| self.lobbies.by_name(&name)).map(|(_, lobby)| lobby.stage);
        let Some(pending) = self.pending_mut(id) else { return };
        pending.ask = None;
        let (may_create, is_coded) = match &pending.job {
            Job::Join(join) => {
                let is_coded = matches!(join.way, Way::Coded);
                (is_coded || matches!(join.way, Way::Named) && join.create.is_some(), is_coded)
            }
            Job::Resume(.., shown) => (shown.is_some(), false),
            _ => (false, false),
        };
        let is_back = matches!(pending.job, Job::Resume(..));
        match (found, stage) {
            (Found::Nobody, None) if may_create && is_back => self.bring_home(id),
            (Found::Claimed, None) if may_create && is_back => self.revive(id),
            (Found::Claimed, None) if may_create => self.open(id),
            // Before or after our release of it? Letting it go once more is right either way.
            (Found::Claimed, None | Some(Stage::Releasing(_))) => self.let_go(id, may_create),
            // Who asked after this one was answered before, and has made it.
            (Found::Claimed, Some(_)) if is_coded => self.proceed(id),
            (Found::Claimed, Some(Stage::Open)) => self.on_here(id),
            (Found::Claimed, Some(Stage::Opening(_))) => self.wait_for_lobby(id),
            (Found::Owned(_), _) if is_coded => self.proceed(id),
            (Found::Owned(Owner::Shard(shard)), _) if shard != self.shard => self.move_to(id, shard),
            (Found::Owned(Owner::Shard(_)), Some(Stage::Open)) => self.on_here(id),
            (Found::Owned(Owner::Shard(_)), Some(_)) => self.wait_for_lobby(id),
            // The directory has answered before the lobby was gone, or remembers one of an earlier life of this shard.
            (Found::Owned(Owner::Shard(_)), None) if may_create => self.let_go(id, true),
            (Found::Owned(Owner::Shard(_)) | Found::Nobody, _) => self.on_nowhere(id),
            (Found::Owned(Owner::Server(url)), _) => {
                self.exchange.say(id, &ServerMessage::Redirect(Redirect { url }));
                self.finish(id);
            }
        }
    }

    /// The name is ours without a lobby, perhaps: it is let go, so that it is nobody's for certain, and asked for anew.
    fn let_go(&mut self, id: ConnectionId, is_wanted: bool) {
        let Some(name) = self.pending_name(id) else { return };
        match self.lobbies.find(&name) {
            // Somebody else may hear next that it is theirs.
            None if is_wanted && self.asks.is_asked_for(&name) => return self.proceed(id),
            _ => self.begin_release(name),
        }
        if is_wanted { self.wait_for_lobby(id) } else { self.on_nowhere(id) }
    }

    /// Nobody has the lobby that somebody can bring back: it comes back at its home.
    fn bring_home(&mut self, id: ConnectionId) {
        let Some(name) = self.pending_name(id) else { return };
        let home = self.home(&name);
        if self.has_ended(id) {
            self.on_nowhere(id);
        } else if home == self.shard {
            self.find(id, name, true);
        } else {
            self.move_to(id, home);
        }
    }

    /// The lobby is here and open.
    pub(super) fn on_here(&mut self, id: ConnectionId) {
        let Some(pending) = self.pending_mut(id) else { return };
        match &mut pending.job {
            Job::Join(join) => {
                join.goal = Goal::Here;
                self.ask_admission(id);
            }
            Job::Resume(name, claims, fresh, _) => {
                let (name, claims, fresh) = (name.clone(), *claims, *fresh);
                self.resume(id, &name, claims, fresh);
            }
            Job::Relay(name, claims) => {
                let (name, claims) = (name.clone(), *claims);
                self.enter_relay(id, &name, claims);
            }
            Job::List(_) | Job::Claim(_) => {}
        }
    }

    /// There is no such lobby.
    fn on_nowhere(&mut self, id: ConnectionId) {
        match self.join_mut(id) {
            Some(join) => {
                join.goal = Goal::Nowhere;
                self.ask_admission(id);
            }
            None => self.fail(id, ErrorCode::BadToken),
        }
    }

    fn wait_for_lobby(&mut self, id: ConnectionId) {
        if let Some((_, lobby)) = self.pending_name(id).and_then(|name| self.lobbies.by_name(&name)) {
            lobby.waiting.push(id);
        }
    }

    /// The name is ours: the lobby begins to be made.
    fn open(&mut self, id: ConnectionId) {
        let (now, salt) = (self.exchange.now, self.draw());
        let Some(address) = self.exchange.get(id).map(|connection| connection.address) else { return };
        let Some(join) = self.join_mut(id) else { return };
        let (Some(name), rules) = (join.name.clone(), join.create.clone().unwrap_or_default()) else { return };
        let preferred = join.preferred.clone();
        join.goal = Goal::Making(salt);
        let edition = Edition(u64::from_le_bytes(self.draw()));
        let star = StarId(u64::from_le_bytes(self.draw()));
        let lobby = Box::new(Lobby::new(name, edition, star, id, rules, preferred));
        let is_free = self.lobbies.len() < self.config.max_lobbies;
        self.lobbies.insert(lobby);
        if !is_free {
            self.fail(id, ErrorCode::Busy);
        } else if !self.addresses.create(now, address, &self.config) {
            self.fail(id, ErrorCode::RateLimited);
        } else {
            self.ask_admission(id);
        }
    }

    fn ask_admission(&mut self, id: ConnectionId) {
        let Some(address) = self.exchange.get(id).map(|connection| connection.address) else { return };
        let Some(join) = self.join_mut(id) else { return };
        let wants = if matches!(join.goal, Goal::Making(_)) { Admission::Create } else { Admission::Join };
        let token = join.admission.clone();
        if self.config.ask_admission {
            self.ask_for(id, Question::Admit(id), Ask::Admit { token, wants, address });
        } else {
            self.check_password(id);
        }
    }

    pub(super) fn on_admitted(&mut self, id: ConnectionId, is_admitted: bool) {
        if let Some(pending) = self.pending_mut(id) {
            pending.ask = None;
            if is_admitted {
                self.check_password(id);
            } else {
                self.fail(id, ErrorCode::AdmissionRefused);
            }
        }
    }

    /// The public lobbies, for one who wanted to know them.
    pub(super) fn on_listed(&mut self, id: ConnectionId, lobbies: Vec<Listing>) {
        self.exchange.say(id, &ServerMessage::LobbyList(LobbyList::fitting(lobbies)));
        self.finish(id);
    }

    /// The public lobbies, for one who wants to join any of them.
    pub(super) fn on_quick(&mut self, id: ConnectionId, lobbies: Vec<Listing>) {
        if let Some(join) = self.join_mut(id) {
            if let Way::Quick(_, rest) = &mut join.way {
                rest.extend(lobbies.into_iter().take(TRIED).map(|listing| listing.lobby_id).rev());
            }
            self.try_next(id);
        }
    }

    fn try_next(&mut self, id: ConnectionId) {
        let Some(join) = self.join_mut(id) else { return };
        let Way::Quick(_, rest) = &mut join.way else { return };
        join.name = rest.pop();
        join.goal = Goal::Asked;
        if join.name.is_none() {
            if join.create.is_none() {
                join.way = Way::Named;
                return self.fail(id, ErrorCode::NoLobbyFits);
            }
            join.way = Way::Coded;
        }
        self.proceed(id);
    }

    /// A peer name is the connection's own.
    pub(super) fn on_claimed(&mut self, id: ConnectionId, peer: PeerId) {
        let Some(connection) = self.exchange.get_mut(id) else { return };
        let (old, place) = (connection.peer.replace(peer.clone()), connection.place);
        if let Some(old) = old {
            self.release_peer(old);
        }
        self.exchange.say(id, &ServerMessage::PeerId(PeerName { peer_id: peer.clone() }));
        if let Some(place) = place {
            if let Some(player) = self.lobbies.get_mut(place.lobby).and_then(|lobby| lobby.player_mut(place.player)) {
                player.peer = Some(peer);
            }
            self.roster_changed(place.lobby);
        }
        self.finish(id);
    }

    pub(super) fn release_peer(&mut self, peer: PeerId) {
        self.ask(Question::Notice, Ask::Directory(DirectoryAsk::ReleasePeer { peer }));
    }

    /// It does not work out. A quick join goes on with the next lobby.
    pub(super) fn fail(&mut self, id: ConnectionId, code: ErrorCode) {
        self.stop_making(id);
        let Some(address) = self.exchange.get(id).map(|connection| connection.address) else { return };
        let is_quick = self.join_mut(id).is_some_and(|join| matches!(join.way, Way::Quick(..)));
        let is_over = matches!(code, ErrorCode::Busy | ErrorCode::RateLimited | ErrorCode::AdmissionRefused);
        if is_quick && !is_over {
            return self.try_next(id);
        }
        use ErrorCode::{AdmissionRefused, BadToken, NoSuchLobbyOrPassword};
        if matches!(code, NoSuchLobbyOrPassword | BadToken | AdmissionRefused) {
            self.addresses.failed(self.exchange.now, address, &self.config);
        }
        self.refuse(id, code, 0);
        self.finish(id);
    }

    /// If it was making a lobby, that lobby ends before it has begun.
    fn stop_making(&mut self, id: ConnectionId) {
        let Some(join) = self.join_mut(id) else { return };
        if let (Goal::Making(_), Some(name)) = (join.goal, join.name.clone()) {
            join.goal = Goal::Asked;
            if let Some(key) = self.lobbies.find(&name) {
                self.release(key);
            }
        }
    }

    /// What it waited for is over: what it has said meanwhile is taken.
    pub(super) fn finish(&mut self, id: ConnectionId) {
        let pending = self.exchange.get_mut(id).and_then(|connection| connection.pending.take());
        let mut deferred = pending.map(|pending| pending.deferred).unwrap_or_default();
        while let Some((message, _)) = deferred.pop_front() {
            self.on_message(id, message);
            if let Some(pending) = self.pending_mut(id) {
                pending.deferred.append(&mut deferred);
            }
        }
    }

    /// The connection is gone, or moves: nothing here waits for it any more.
    pub(super) fn abandon(&mut self, id: ConnectionId) {
        self.stop_making(id);
        if let Some((_, lobby)) = self.pending_name(id).and_then(|name| self.lobbies.by_name(&name)) {
            lobby.waiting.retain(|&waiting| waiting != id);
        }
        self.passwords.forget(id);
        if let Some(ask) = self.pending_mut(id).and_then(|pending| pending.ask.take()) {
            self.asks.lose(ask);
        }
    }

    fn move_to(&mut self, id: ConnectionId, to: ShardId) {
        if let Some(join) = self.join_mut(id) {
            join.goal = Goal::Asked;
        }
        self.send_parcel(id, to);
    }

    pub(super) fn pending_mut(&mut self, id: ConnectionId) -> Option<&mut Pending> {
        self.exchange.get_mut(id)?.pending.as_deref_mut()
    }

    pub(super) fn join_mut(&mut self, id: ConnectionId) -> Option<&mut Join> {
        match &mut self.pending_mut(id)?.job {
            Job::Join(join) => Some(join),
            _ => None,
        }
    }

    /// What one who wants back has shown.
    pub(super) fn shown_mut(&mut self, id: ConnectionId) -> Option<&mut Option<Box<Shown>>> {
        match &mut self.pending_mut(id)?.job {
            Job::Resume(.., shown) => Some(shown),
            _ => None,
        }
    }

    /// The lobby that is waited for.
    fn pending_name(&mut self, id: ConnectionId) -> Option<LobbyName> {
        match &self.pending_mut(id)?.job {
            Job::Join(join) => join.name.clone(),
            Job::Resume(name, ..) | Job::Relay(name, _) => Some(name.clone()),
            Job::List(_) | Job::Claim(_) => None,
        }
    }
}
