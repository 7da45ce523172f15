//! The work that passwords cost: so many at a time, so many that wait. Whether a lobby is there or not, the work is the
//! same; only what its result is compared with differs.

use super::asks::Question;
use super::joining::Goal;
use super::lobby::Password;
use super::{Ask, Server};
use crate::id::ConnectionId;
use crate::wire::signal::ErrorCode;
use core::net::IpAddr;
use std::collections::VecDeque;
use subtle::ConstantTimeEq;

/// Who waits for the hash of its password.
#[derive(Debug, Default)]
pub(super) struct Passwords {
    open: usize,
    waiting: VecDeque<ConnectionId>,
}

impl Passwords {
    /// It waits no more.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.waiting.retain(|&waiting| waiting != id);
    }
}

impl Server {
    /// The next step of a join: its password, if it has one and it matters.
    pub(super) fn check_password(&mut self, id: ConnectionId) {
        let is_open = {
            let name = self.join_mut(id).and_then(|join| join.name.clone());
            name.and_then(|name| self.lobbies.by_name(&name)).is_some_and(|(_, lobby)| lobby.password.is_none())
        };
        let Some(join) = self.join_mut(id) else { return };
        match (join.goal, &join.password) {
            (Goal::Asked, _) => {}
            (Goal::Making(_), None) => self.enter(id),
            (Goal::Here, _) if is_open => self.enter(id),
            (Goal::Here | Goal::Nowhere, None) => self.fail(id, ErrorCode::NoSuchLobbyOrPassword),
            (Goal::Here | Goal::Nowhere | Goal::Making(_), Some(_)) => {
                if self.passwords.waiting.len() >= self.config.password_queue
                    && self.passwords.open >= self.config.password_workers
                {
                    return self.fail(id, ErrorCode::Busy);
                }
                self.passwords.waiting.push_back(id);
                self.hash_next();
            }
        }
    }

    /// Lets the next ones in. An address on which too many might fail waits for its own results; one that has failed too
    /// often is refused.
    fn hash_next(&mut self) {
        let mut index = 0;
        while self.passwords.open < self.config.password_workers {
            let Some(&id) = self.passwords.waiting.get(index) else { return };
            let Some(address) = self.exchange.get(id).map(|connection| connection.address) else { return };
            if self.addresses.may_try(self.exchange.now, address, &self.config) {
                self.passwords.waiting.remove(index);
                self.hash(id, address);
            } else if self.addresses.is_checking(address) {
                index += 1;
            } else {
                self.passwords.waiting.remove(index);
                self.fail(id, ErrorCode::RateLimited);
            }
        }
    }

    fn hash(&mut self, id: ConnectionId, address: IpAddr) {
        let dummy = self.draw();
        let Some(join) = self.join_mut(id) else { return };
        let (goal, Some(password), name) = (join.goal, join.password.clone(), join.name.clone()) else { return };
        let stored = name.and_then(|name| self.lobbies.by_name(&name)).and_then(|(_, lobby)| lobby.password.as_deref());
        let salt = match (goal, stored) {
            (Goal::Making(salt), _) => salt,
            (_, Some(stored)) => stored.salt,
            (_, None) => dummy,
        };
        self.passwords.open += 1;
        self.addresses.checking(address, true);
        let ask = self.ask(Question::Hash(Some(id), address), Ask::HashPassword { password, salt });
        if let Some(pending) = self.pending_mut(id) {
            pending.ask = Some(ask);
        }
    }

    pub(super) fn on_hashed(&mut self, id: Option<ConnectionId>, address: IpAddr, hash: [u8; 32]) {
        self.passwords.open -= 1;
        self.exchange.counts.stats.passwords += 1;
        self.addresses.checking(address, false);
        if let Some(id) = id {
            self.on_password(id, hash);
        }
        self.hash_next();
    }

    fn on_password(&mut self, id: ConnectionId, hash: [u8; 32]) {
        let dummy = self.dummy;
        let Some(pending) = self.pending_mut(id) else { return };
        pending.ask = None;
        let Some(join) = self.join_mut(id) else { return };
        let (goal, Some(name)) = (join.goal, join.name.clone()) else { return };
        let lobby = self.lobbies.by_name(&name).map(|(_, lobby)| lobby);
        if let (Goal::Making(salt), Some(lobby)) = (goal, lobby) {
            lobby.password = Some(Box::new(Password { salt, hash }));
            return self.enter(id);
        }
        let lobby = self.lobbies.by_name(&name).map(|(_, lobby)| lobby);
        let stored = lobby.and_then(|lobby| lobby.password.as_deref()).map_or(dummy, |password| password.hash);
        let is_same: bool = stored[..].ct_eq(&hash[..]).into();
        if is_same && goal == Goal::Here {
            self.enter(id);
        } else {
            self.fail(id, ErrorCode::NoSuchLobbyOrPassword);
        }
    }
}
