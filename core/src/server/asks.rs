//! The questions that are open, and what each was asked for. A question whose asker has gone stays, for what its answer
//! obliges to.

use super::ask::{Answer, DirectoryAnswer};
use super::{Ask, Output, Server};
use crate::id::{AskId, ConnectionId};
use crate::wire::signal::{LobbyName, PeerId};
use core::net::IpAddr;
use std::collections::BTreeMap;

/// What was asked, and for whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// The public lobbies, to be told.
    List(ConnectionId),
    /// The public lobbies, to join one.
    Quick(ConnectionId),
    /// Who owns the lobby's name; perhaps it becomes ours.
    Find(ConnectionId, LobbyName),
    /// Whether it may come in, or make a lobby.
    Admit(ConnectionId),
    /// Its password's hash. The address is held to it until the answer.
    Hash(Option<ConnectionId>, IpAddr),
    /// Whether the name is its own.
    Claim(ConnectionId, PeerId),
    /// The lobby's name is free.
    Release(LobbyName),
    /// Nothing depends on the answer.
    Notice,
    /// As `Find`, and the asker has gone.
    LostFind(LobbyName),
    /// As `Claim`, and the asker has gone.
    LostClaim(PeerId),
    /// As `List` and `Quick`, and the asker has gone.
    LostList,
    /// As `Admit`, and the asker has gone.
    LostAdmit,
}

/// The open questions.
#[derive(Debug, Default)]
pub(super) struct Asks {
    asked: u64,
    open: BTreeMap<AskId, Question>,
    /// How many questions after each lobby's name are open.
    finds: BTreeMap<LobbyName, u32>,
}

impl Question {
    fn fits(&self, answer: &Answer) -> bool {
        use Question as Q;
        match answer {
            Answer::Hash(_) => matches!(self, Q::Hash(..)),
            Answer::Admitted(_) => matches!(self, Q::Admit(_) | Q::LostAdmit),
            Answer::Directory(DirectoryAnswer::Lobby(_)) => matches!(self, Q::Find(..) | Q::LostFind(_)),
            Answer::Directory(DirectoryAnswer::Listed(_)) => matches!(self, Q::List(_) | Q::Quick(_) | Q::LostList),
            Answer::Directory(DirectoryAnswer::Peer(_)) => matches!(self, Q::Claim(..) | Q::LostClaim(_)),
            Answer::Directory(DirectoryAnswer::Done) => matches!(self, Q::Release(_) | Q::Notice),
            Answer::Directory(DirectoryAnswer::Unavailable) => {
                !matches!(self, Q::Hash(..) | Q::Admit(_) | Q::LostAdmit)
            }
        }
    }

    /// What is left of it when its asker has gone.
    fn lost(self) -> Self {
        match self {
            Question::List(_) | Question::Quick(_) => Question::LostList,
            Question::Find(_, name) => Question::LostFind(name),
            Question::Admit(_) => Question::LostAdmit,
            Question::Hash(_, address) => Question::Hash(None, address),
            Question::Claim(_, peer) => Question::LostClaim(peer),
            other => other,
        }
    }
}

impl Asks {
    /// The question that this answers. An answer of another kind leaves it open.
    pub(super) fn take(&mut self, id: AskId, answer: &Answer) -> Option<Question> {
        self.open.get(&id).filter(|question| question.fits(answer))?;
        let question = self.open.remove(&id)?;
        if let Question::Find(_, name) | Question::LostFind(name) = &question
            && let Some(count) = self.finds.get_mut(name)
        {
            *count -= 1;
            if *count == 0 {
                self.finds.remove(name);
            }
        }
        Some(question)
    }

    /// Whether somebody has asked whose the lobby's name is and not been answered.
    pub(super) fn is_asked_for(&self, name: &LobbyName) -> bool {
        self.finds.contains_key(name)
    }

    /// Its asker has gone.
    pub(super) fn lose(&mut self, id: AskId) {
        if let Some(question) = self.open.remove(&id) {
            self.open.insert(id, question.lost());
        }
    }
}

impl Server {
    /// Puts a question out.
    pub(super) fn ask(&mut self, question: Question, ask: Ask) -> AskId {
        self.asks.asked += 1;
        let id = AskId(self.asks.asked);
        if let Question::Find(_, name) = &question {
            *self.asks.finds.entry(name.clone()).or_default() += 1;
        }
        self.asks.open.insert(id, question);
        self.exchange.out.push_back(Output::Ask { id, ask });
        id
    }
}
