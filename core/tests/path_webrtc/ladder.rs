//! The ladder that mends a connection, over the WebRTC machine: whatever way there is, it is found in the end.

use crate::net::outside::STUN;
use crate::net::turn::{PASSWORD, TURN, Turn, USER};
use crate::net::{MS, Net, player};
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use webstar_core::path::webrtc::{Credentials, IceServer, Input, PathKind, Transport, TurnServer};
use webstar_core::path::{Keeper, LadderConfig, Order, Step};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::Secret;

const SECOND: Duration = Duration::from_secs(1);

/// Two players behind routers, and what keeps their connection.
struct Pair {
    net: Net,
    keepers: [Keeper; 2],
    /// How many facts of each were told to its keeper.
    told: [usize; 2],
    steps: [Vec<Step>; 2],
}

impl Pair {
    fn new(relayed_only: bool, seed: u64) -> Pair {
        let mut net = Net::of(2, 20 * MS, 0);
        net.turn = Some(Turn::new());
        net.outside.hide(net.nodes[0].address, "203.0.113.1:61001");
        net.outside.hide(net.nodes[1].address, "203.0.113.2:61002");
        let credentials = Credentials { user: USER.into(), password: Secret::new(PASSWORD).expect("it is short") };
        let turn =
            TurnServer { address: TURN.parse().expect("it is an address"), transport: Transport::Udp, credentials };
        for seat in 0..2 {
            let stun = IceServer::Stun { address: STUN.parse().expect("it is an address") };
            net.tell(seat, Input::Servers(vec![stun, IceServer::Turn(turn.clone())]));
        }
        net.run(SECOND);
        let now = net.now;
        let keepers = [0, 1].map(|seat| {
            let random = ChaCha8Rng::seed_from_u64(seed * 2 + seat);
            let mut keeper = Keeper::new(PathKind::Srtp, relayed_only, LadderConfig::default(), random, now);
            keeper.open(now);
            keeper
        });
        Pair { net, keepers, told: [0; 2], steps: [Vec::new(), Vec::new()] }
    }

    /// Lets time pass in small pieces; a watch that sees every packet stands by, and gives up what carries none.
    fn run(&mut self, time: Duration) {
        let end = self.net.now + time;
        let mut proved = [self.net.now; 2];
        while self.net.now < end {
            for seat in 0..2 {
                self.settle(seat);
                self.net.send(seat, 1 - seat, PathKind::Srtp, b"are you there");
            }
            self.net.run(100 * MS);
            let now = self.net.now;
            for ((node, keeper), proved) in self.net.nodes.iter_mut().zip(&mut self.keepers).zip(&mut proved) {
                let is_heard = !core::mem::take(&mut node.packets).is_empty();
                if is_heard || keeper.facts().is_none() {
                    *proved = now;
                } else if *proved + 5 * SECOND <= now {
                    keeper.on_dead(now);
                    *proved = now;
                }
            }
        }
    }

    fn settle(&mut self, seat: usize) {
        let now = self.net.now;
        while let Some((_, _, _, attempt, fact)) = self.net.nodes[seat].facts.get(self.told[seat]).copied() {
            self.told[seat] += 1;
            self.keepers[seat].on_fact(now, attempt, fact);
        }
        while let Some(Order { attempt, command }) = self.keepers[seat].poll(now) {
            self.steps[seat].extend(self.keepers[seat].mending().map(|(step, _)| step));
            let order = Order { attempt, command };
            self.net.tell(seat, Input::Order { player: player(1 - seat), kind: PathKind::Srtp, order });
        }
    }

    fn is_carrying(&mut self) -> bool {
        self.run(SECOND);
        self.net.nodes.iter_mut().for_each(|node| node.packets.clear());
        for seat in 0..2 {
            self.net.send(seat, 1 - seat, PathKind::Srtp, b"now");
        }
        self.net.run(SECOND);
        self.net.nodes.iter().all(|node| !node.packets.is_empty())
    }

    /// Which ways there are from now on.
    fn allow(&mut self, direct: bool, turn: bool) {
        self.net.outside.is_closed = !direct;
        if let Some(server) = &mut self.net.turn {
            server.is_dead = !turn;
        }
    }
}

#[test]
fn whatever_way_there_is_it_is_found_in_the_end() {
    for (seed, (before, after)) in [
        ((true, true), (false, true)),
        ((true, false), (false, true)),
        ((false, true), (true, false)),
        ((true, true), (true, false)),
        ((false, false), (true, false)),
        ((false, false), (false, true)),
        ((true, true), (false, false)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut pair = Pair::new(false, seed as u64);
        pair.allow(before.0, before.1);
        pair.run(30 * SECOND);
        assert_eq!(pair.is_carrying(), before.0 || before.1, "{before:?}");
        pair.allow(after.0, after.1);
        pair.run(120 * SECOND);
        assert_eq!(pair.is_carrying(), after.0 || after.1, "{before:?}, then {after:?}: {:?}", pair.steps);
        if after == (false, false) {
            assert!(pair.steps[0].contains(&Step::Background), "it goes on in the background: {:?}", pair.steps);
        }
    }
}

#[test]
fn with_relayed_ways_only_the_server_decides() {
    let mut pair = Pair::new(true, 7);
    pair.allow(true, true);
    pair.run(10 * SECOND);
    assert!(pair.is_carrying());
    pair.net.nodes.iter_mut().for_each(|node| node.sent.clear());
    pair.allow(true, false);
    pair.run(60 * SECOND);
    assert!(!pair.is_carrying(), "a direct way is none that may be taken");
    pair.allow(true, true);
    pair.run(120 * SECOND);
    assert!(pair.is_carrying());
    let servers = [STUN, TURN].map(|text| text.parse().expect("it is an address"));
    assert!(pair.net.nodes.iter().all(|node| node.sent.keys().all(|to| servers.contains(to))), "to nobody else");
}

#[test]
fn who_moves_is_found_by_the_same_ladder() {
    let mut pair = Pair::new(false, 8);
    pair.run(10 * SECOND);
    assert!(pair.is_carrying());
    for (number, shown) in ["203.0.113.1:62001", "203.0.113.7:62002"].into_iter().enumerate() {
        let new = format!("10.0.{}.1:5000", number + 5).parse().expect("so it is");
        pair.net.outside.hide(new, shown);
        pair.net.nodes[0].address = new;
        pair.net.tell(0, Input::Addresses(vec![new]));
        let moved: Instant = pair.net.now;
        pair.run(20 * SECOND);
        assert!(pair.is_carrying(), "moved at {moved}: {:?}", pair.steps);
    }
}
