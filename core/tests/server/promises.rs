//! Whatever players present, the server promises one view of an epoch, nothing older than what it has promised, and only
//! what follows a view that was proven to it.

use crate::hand::{Who, ms, resuming};
use crate::stars::{Den, player};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use webstar_core::wire::signal::{
    ClientMessage, Epoch, Grant, Heard, HostCause, InForce, ServerMessage, SetHidden, Unheard,
};
use webstar_core::wire::view::{Certified, Proof, Signature, Statement, Trust, View};

/// A walk of players that keep no promise of their own.
struct Walk {
    den: Den,
    random: ChaCha8Rng,
    /// Views that were proven, by epoch, and the newest of them.
    proven: BTreeMap<Epoch, View>,
    newest: Epoch,
    granted: BTreeMap<Epoch, View>,
    /// Promises of the server that somebody may use.
    signatures: Vec<(View, Signature)>,
    /// Views that somebody has made up.
    known: Vec<View>,
    forced: usize,
    proposed: usize,
    adopted: usize,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let den = Den::of(random.random_range(2..6));
        let first = den.joined[0].view.clone().unwrap().view;
        let proven = [&first, &den.view].map(|view| (view.epoch, view.clone())).into();
        let (newest, known) = (den.view.epoch, vec![den.view.clone()]);
        let (granted, signatures) = (BTreeMap::new(), Vec::new());
        Walk { den, random, proven, newest, granted, signatures, known, forced: 0, proposed: 0, adopted: 0 }
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    fn member(&mut self) -> Option<usize> {
        let number = self.pick(self.den.members.len()) + 1;
        self.den.house.clients[self.den.who(number)].is_open.then_some(number)
    }

    /// A view like one that is known, often a step further.
    fn view(&mut self) -> View {
        let at = self.pick(self.known.len());
        let mut view = self.known[at].clone();
        match self.pick(8) {
            0 => return view,
            1..5 => {
                view.base = self.newest;
                view.since = self.proven[&self.newest].since;
                view.epoch = if self.pick(2) == 0 {
                    Epoch { round: self.newest.round + 1, ..self.newest }
                } else {
                    Epoch { term: self.newest.term + 1, round: 0 }
                };
            }
            5 => view.base = Epoch { term: 1, round: 9 },
            6 => view.since = view.epoch,
            _ => view.epoch.round += 1,
        }
        if self.pick(3) == 0 {
            view.host = player(self.pick(self.den.members.len()) + 1);
            view.backups.retain(|backup| *backup != view.host);
            view.cause = Some(HostCause::Voted);
        }
        if self.pick(3) == 0 && view.voters.len() > 1 {
            let at = self.pick(view.voters.len());
            let gone = view.voters.remove(at).player;
            view.backups.retain(|backup| *backup != gone);
        }
        self.known.push(view.clone());
        view
    }

    fn certified(&mut self) -> Certified {
        let view = self.view();
        let by: Vec<usize> = (1..=self.den.members.len()).filter(|_| self.random.random_bool(0.6)).collect();
        let server = self.signatures.iter().find(|(granted, _)| *granted == view).map(|(_, signature)| *signature);
        let server = if self.pick(4) == 0 { Some(Signature([5; 64])) } else { server };
        match self.pick(8) {
            0 => Certified { view, proof: Proof::Server(Signature([6; 64])) },
            1 => {
                let fork = Statement::Forked(view.host).sign(&crate::hand::key_of(0), self.den.star, &view);
                Certified { view, proof: Proof::Fork(fork) }
            }
            _ => self.den.quorum(view, &by, server),
        }
    }

    fn present(&mut self, number: usize) {
        let certified = self.certified();
        let base = self.proven.get(&certified.view.base);
        let trust = Trust { star: self.den.star, server: &self.den.server, base };
        if certified.view.epoch > self.newest && certified.is_proven(&trust) {
            self.newest = certified.view.epoch;
            self.proven.insert(self.newest, certified.view.clone());
            self.adopted += 1;
        }
        let message = InForce { certified: Box::new(certified) };
        self.den.house.say(self.den.who(number), ClientMessage::InForce(message));
    }

    fn step(&mut self) {
        let kind = self.pick(12);
        let epoch = Epoch { term: self.newest.term, ..Epoch::default() };
        let Some(number) = self.member() else { return self.come_back() };
        let who = self.den.who(number);
        match kind {
            0..3 => self.present(number),
            3..6 => {
                let view = Box::new(self.view());
                self.den.house.say(who, ClientMessage::Grant(Grant { view }));
            }
            6 => self.den.house.say(who, ClientMessage::Unheard(Unheard { epoch })),
            7 => {
                let heard = self.pick(4) == 0;
                self.den.house.say(who, ClientMessage::Heard(Heard { epoch, heard }));
            }
            8 => self.den.house.cut(who),
            9 => {
                let hidden = self.pick(3) == 0;
                self.den.house.say(who, ClientMessage::SetHidden(SetHidden { hidden }));
            }
            10 => self.come_back(),
            _ => {
                let time = [1, 100, 500, 1_500][self.pick(4)];
                self.den.house.pass(ms(time));
            }
        }
        self.judge();
    }

    fn come_back(&mut self) {
        let number = self.pick(self.den.members.len()) + 1;
        let token = self.den.joined[number - 1].token.clone().unwrap();
        if self.den.house.clients[self.den.who(number)].is_open {
            return;
        }
        let back = self.den.house.player_from("127.0.0.1");
        self.den.house.say(back, resuming("den", &token));
        self.listen(back);
        let heard = self.den.house.clients[back].heard.iter().rev();
        let joined = heard.filter_map(|message| match message {
            ServerMessage::LobbyJoined(joined) => Some((**joined).clone()),
            _ => None,
        });
        self.den.joined[number - 1] = joined.into_iter().next().expect("a good token is good");
        self.den.members[number - 1] = back;
        self.judge();
    }

    fn judge(&mut self) {
        for number in 1..=self.den.members.len() {
            self.listen(self.den.who(number));
        }
        self.den.house.forget();
    }

    fn listen(&mut self, who: Who) {
        for message in self.den.house.clients[who].heard.clone() {
            match message {
                ServerMessage::ProposeView(proposal) => {
                    let signature = proposal.signature.expect("this server has lost nothing");
                    self.proposed += 1;
                    self.promised(&proposal.view, signature, &proposal.promised);
                }
                ServerMessage::Granted(granted) => {
                    let view = self
                        .known
                        .iter()
                        .find(|view| view.epoch == granted.epoch && self.den.is_granted(view, &granted.signature));
                    let view = view.cloned().expect("somebody has asked for it");
                    self.promised(&view, granted.signature, &granted.promised);
                }
                ServerMessage::ViewInForce(told) => self.in_force(&told.certified),
                ServerMessage::LobbyJoined(joined) => self.in_force(&joined.view.expect("there is one")),
                _ => {}
            }
        }
    }

    fn promised(&mut self, view: &View, signature: Signature, told: &[View]) {
        assert!(self.den.is_granted(view, &signature));
        let same = self.granted.entry(view.epoch).or_insert_with(|| view.clone());
        assert_eq!(same, view, "two views of an epoch");
        assert!(self.proven.contains_key(&view.base), "{view:?} follows what was never proven");
        let before = self.granted.range(..view.epoch).filter(|(epoch, _)| **epoch > self.newest);
        // A host gives up a round when it asks for the next one.
        for (_, before) in before.filter(|(_, before)| !self.granted.values().any(|view| view.supersedes(before))) {
            assert!(told.contains(before), "{before:?} is not told with {view:?}");
        }
        self.known.push(view.clone());
        self.signatures.push((view.clone(), signature));
    }

    fn in_force(&mut self, certified: &Certified) {
        assert!(self.den.is_certified(certified), "the server's own word");
        let view = &certified.view;
        if let Some(proven) = self.proven.get(&view.epoch) {
            return assert_eq!(proven, view);
        }
        assert!(view.begins_line() && view.epoch > self.newest, "{view:?} was neither proven nor forced");
        self.newest = view.epoch;
        self.proven.insert(view.epoch, view.clone());
        self.known.push(view.clone());
        self.forced += 1;
    }
}

#[test]
fn whatever_is_presented_one_view_of_an_epoch_is_promised_and_only_on_proven_ground() {
    let (mut granted, mut forced, mut proposed, mut adopted) = (0, 0, 0, 0);
    for seed in 0..100 {
        let mut walk = Walk::new(seed);
        for _ in 0..150 {
            walk.step();
        }
        granted += walk.granted.len();
        forced += walk.forced;
        proposed += walk.proposed;
        adopted += walk.adopted;
    }
    assert!(granted > 200 && forced > 10 && proposed > 200 && adopted > 100, "{granted} {forced} {proposed} {adopted}");
}
