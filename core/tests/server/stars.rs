//! Views as players make them, for tests of what the server does with them.

use crate::hand::{House, Who, joining, key_of, ms, name};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::server::ServerConfig;
use webstar_core::time::Duration;
use webstar_core::wire::signal::{
    ClientMessage, Epoch, Heard, HostCause, HostMigration, InForce, LobbyJoined, ProposeView, ServerMessage, Unheard,
};
use webstar_core::wire::view::{Certified, Proof, PublicKey, Signature, StarId, Statement, Trust, View, Voter};

/// A lobby of players that vote, the first of which is host.
pub(crate) struct Den {
    pub(crate) house: House,
    pub(crate) members: Vec<Who>,
    pub(crate) joined: Vec<LobbyJoined>,
    pub(crate) star: StarId,
    pub(crate) server: PublicKey,
    /// The view in force.
    pub(crate) view: View,
}

pub(crate) fn epoch(term: u32, round: u32) -> Epoch {
    Epoch { term, round }
}

pub(crate) fn player(number: usize) -> PlayerId {
    PlayerId(u32::try_from(number).unwrap())
}

impl Den {
    /// All of them vote, and the second and perhaps the third keep copies.
    pub(crate) fn of(count: usize) -> Self {
        Den::with(count, ServerConfig::default())
    }

    pub(crate) fn with(count: usize, config: ServerConfig) -> Self {
        let mut house = House::new(config);
        let members: Vec<Who> = (0..count).map(|_| house.player()).collect();
        let joined: Vec<LobbyJoined> = members.iter().map(|who| house.join(*who, joining("den"))).collect();
        Den::among(house, members, joined)
    }

    /// In a lobby that is there.
    pub(crate) fn among(house: House, members: Vec<Who>, joined: Vec<LobbyJoined>) -> Self {
        let count = members.len();
        let (star, server) = (joined[0].star, joined[0].server_key);
        let view = joined[0].view.clone().expect("a player is there").view;
        let mut den = Den { house, members, joined, star, server, view };
        if count > 1 {
            let backups = (2..=count).take(View::backups_wanted(count)).map(player).collect();
            let view = den.light(|view| {
                view.voters = (1..=count).map(|number| voter(number, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).collect();
                view.backups = backups;
            });
            let by: Vec<usize> = (1..=count).collect();
            den.put_in_force(1, view, &by);
        }
        den.house.forget();
        den
    }

    /// The next view of the same host.
    pub(crate) fn light(&self, change: impl FnOnce(&mut View)) -> View {
        let Epoch { term, round } = self.view.epoch;
        let mut view = View { epoch: epoch(term, round + 1), base: self.view.epoch, cause: None, ..self.view.clone() };
        change(&mut view);
        view
    }

    /// The player's number begins at 1, that of its first connection at 0.
    pub(crate) fn who(&self, number: usize) -> Who {
        self.members[number - 1]
    }

    /// The promises of these players.
    pub(crate) fn quorum(&self, view: View, by: &[usize], server: Option<Signature>) -> Certified {
        let promise = |number: &usize| {
            let player = player(*number);
            (player, Statement::Promised(player).sign(&key_of(*number - 1), self.star, &view))
        };
        let promises = by.iter().map(promise).collect();
        Certified { view, proof: Proof::Quorum { server, promises } }
    }

    pub(crate) fn present(&mut self, number: usize, certified: Certified) {
        let message = ClientMessage::InForce(InForce { certified: Box::new(certified) });
        self.house.say(self.who(number), message);
    }

    /// A player says that the view is in force, by the promises of these.
    pub(crate) fn put_in_force(&mut self, number: usize, view: View, by: &[usize]) {
        self.view = view.clone();
        let certified = self.quorum(view, by, None);
        self.present(number, certified);
    }

    /// Everybody's, the host aside.
    pub(crate) fn answer(&mut self, heard: bool, by: &[usize]) {
        for number in by {
            let message = ClientMessage::Heard(Heard { epoch: self.view.epoch, heard });
            self.house.say(self.who(*number), message);
        }
    }

    pub(crate) fn unheard(&mut self, by: &[usize]) {
        for number in by {
            let message = ClientMessage::Unheard(Unheard { epoch: self.view.epoch });
            self.house.say(self.who(*number), message);
        }
    }

    /// What the player was asked to promise, after what it heard is forgotten.
    pub(crate) fn proposals(&mut self, number: usize) -> Vec<ProposeView> {
        let heard = self.house.heard(self.who(number)).into_iter().filter_map(|message| match message {
            ServerMessage::ProposeView(proposal) => Some(proposal),
            _ => None,
        });
        heard.collect()
    }

    /// The only proposal that the player has got.
    pub(crate) fn proposal(&mut self, number: usize) -> ProposeView {
        match &self.proposals(number)[..] {
            [one] => one.clone(),
            other => panic!("{number} has got {other:?}"),
        }
    }

    pub(crate) fn is_granted(&self, view: &View, signature: &Signature) -> bool {
        Statement::Granted.is_signed(&self.server, self.star, view, signature)
    }

    pub(crate) fn is_certified(&self, certified: &Certified) -> bool {
        certified.is_proven(&Trust { star: self.star, server: &self.server, base: None })
    }

    /// Time passes, and something comes from these all the while.
    pub(crate) fn live(&mut self, time: Duration, numbers: &[usize]) {
        let end = self.house.now + time;
        while self.house.now < end {
            self.house.pass(ms(100).min(end.since(self.house.now)));
            for number in numbers {
                self.house.relay(self.who(*number), 99, b"here");
            }
        }
    }

    /// How often the player was asked whether it hears the host; everything else is forgotten.
    pub(crate) fn questions(&mut self, number: usize) -> usize {
        let heard = self.house.heard(self.who(number));
        heard.iter().filter(|message| matches!(message, ServerMessage::AskHeard(_))).count()
    }

    /// The views in force that the player was told; everything else is forgotten.
    pub(crate) fn views(&mut self, number: usize) -> Vec<Certified> {
        views(&mut self.house, self.members[number - 1])
    }

    /// The view that a newcomer is told.
    pub(crate) fn told(&mut self) -> Certified {
        let who = self.house.player();
        let joined = self.house.join(who, joining("den"));
        self.house.say(who, ClientMessage::LeaveLobby);
        joined.view.expect("there is one")
    }
}

/// The player of this number, first incarnation, that is the client at that place.
pub(crate) fn voter(number: usize, clients: &[Who]) -> Voter {
    let key = key_of(clients[number - 1]).public();
    Voter { player: player(number), incarnation: Incarnation(1), key }
}

/// The hosts that were announced: number, epoch, cause.
pub(crate) fn hosts(house: &mut House, who: Who) -> Vec<(u32, Epoch, Option<HostCause>)> {
    let heard = house.heard(who).into_iter().filter_map(|message| match message {
        ServerMessage::HostMigration(HostMigration { new_host_id, epoch, cause }) => {
            Some((new_host_id.0, epoch, cause))
        }
        _ => None,
    });
    heard.collect()
}

/// The views in force that were told.
pub(crate) fn views(house: &mut House, who: Who) -> Vec<Certified> {
    let heard = house.heard(who).into_iter().filter_map(|message| match message {
        ServerMessage::ViewInForce(view) => Some(*view.certified),
        _ => None,
    });
    heard.collect()
}

/// The name of the lobby.
pub(crate) fn den() -> webstar_core::wire::signal::LobbyName {
    name("den")
}
