//! A server under attack while people play on it: its own process, its memory, its counters, and what the players notice.
//! The abusers come through a trusted proxy, as those of the internet do: so each has an address, and the limits of it.

mod abusers;
mod house;
mod players;

use abusers::{ATTACKS, Attack};
use house::House;
use players::{Lobby, Newcomers, Sleeper};
use std::collections::BTreeMap;
use std::thread;

/// How much the server's memory may grow.
const MOST: u64 = 50 << 20;
/// What may stay of the second round that was not there after the first: the allocator's slack.
const SLACK: u64 = 8 << 20;
const LOBBIES: usize = 4;

/// All attacks at once, and a member that sleeps in a lobby of sixteen.
fn attack(house: &House) {
    let before = house.metrics();
    thread::scope(|scope| {
        scope.spawn(|| Sleeper::sleeps(house));
        for Attack { run, .. } in ATTACKS {
            scope.spawn(|| run(house));
        }
    });
    let after = house.metrics();
    let grown = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    let mut wanted = BTreeMap::from([(r#"closed_total{reason="too_slow"}"#, 1)]);
    for Attack { counted, .. } in ATTACKS {
        for (name, times) in *counted {
            *wanted.entry(*name).or_default() += times;
        }
    }
    for (name, times) in wanted {
        assert!(grown(name) >= times, "{name} has grown by {} instead of {times}:\n{after:#?}", grown(name));
    }
}

#[test]
fn players_notice_nothing_of_an_attack_and_each_abuser_is_counted() {
    let house = House::start();
    let lobbies: Vec<Lobby> = (0..LOBBIES).map(|number| Lobby::begin(&house, number)).collect();
    let newcomers = Newcomers::begin(&house);
    let (base, connections) = (house.memory(), house.metrics()["connections"]);
    let mut stayed = Vec::new();
    for _ in 0..2 {
        attack(&house);
        // The lobbies' own connections, and somebody who is just joining.
        house.until("everybody else has gone", |metrics| {
            metrics["connections"] <= connections + 1 && metrics["newcomers"] <= 2 && metrics["closing"] <= 1
        });
        stayed.push(house.memory());
    }
    let joined = newcomers.end();
    let told: u64 = lobbies.into_iter().map(Lobby::end).sum();
    let most = house.most_memory();
    println!("{joined} joined, {told} messages, memory {base}, then {stayed:?}, at most {most}");
    assert!(joined >= 20 && told >= 1_000, "{joined} joined, {told} messages");
    assert!(most <= base + MOST, "the server's memory has grown from {base} to {most} bytes");
    assert!(stayed[1] <= stayed[0] + SLACK, "memory stays from round to round: {base}, {stayed:?}");
    house.end();
}
