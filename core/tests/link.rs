//! The link, one machine fed by hand: what it orders, on which path it speaks, and how it ends.

use webstar_core::config::ConfigError;
use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::path::{self, Attempt, Command, Fact, PathKind};
use webstar_core::peer::link::{Input, InputError, Link, LinkConfig, LinkEvent, Output, PathSetup};
use webstar_core::session::pipe::{Control, PathState, PipeFacts};
use webstar_core::session::{Outbound, SendError, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_core::wire::relay;

const DIRECT: PathSetup = PathSetup { id: PathId(0), kind: PathKind::External, relayed_only: false };
const RELAY: PathSetup = PathSetup { id: PathId(1), kind: PathKind::Relay, relayed_only: false };
const FACTS: PipeFacts = PipeFacts { max_packet: 1150, control: Control::Own };

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn link(side: u64, paths: &[PathSetup]) -> Result<Link, ConfigError> {
    let ids = SessionIds { ours: SessionId(side), theirs: SessionId(1 - side) };
    let seed = [side as u8; 32];
    Link::new(LinkConfig::default(), ids, PlayerId(7), paths, seed, Instant::ZERO)
}

/// What a drain gave.
#[derive(Default)]
struct Drained {
    packets: Vec<(PathId, Vec<u8>)>,
    orders: Vec<(PathId, Command, Attempt)>,
    events: Vec<LinkEvent>,
    next: Option<Instant>,
}

fn drain(link: &mut Link) -> Drained {
    let mut drained = Drained::default();
    loop {
        match link.poll() {
            Output::Transmit { path, bytes } => drained.packets.push((path, bytes.to_vec())),
            Output::Pipe { path, order } => drained.orders.push((path, order.command, order.attempt)),
            Output::Event(event) => drained.events.push(event),
            Output::Timeout(next) => {
                drained.next = next.map(|(at, _)| at);
                return drained;
            }
        }
    }
}

fn open(link: &mut Link, now: Instant, path: PathId, attempt: Attempt, facts: PipeFacts) -> Drained {
    link.handle(now, Input::Pipe { path, attempt, fact: Fact::Opened(facts) }).expect("the path exists");
    drain(link)
}

fn message(payload: &'static [u8]) -> Outbound {
    Outbound { priority: Priority::Normal, delivery: Delivery::Ordered, key: 0, payload: payload.into() }
}

#[test]
fn it_orders_its_pipes_and_speaks_first_over_the_relay() {
    let mut link = link(0, &[DIRECT, RELAY]).expect("the settings are valid");
    let orders = drain(&mut link).orders;
    assert_eq!(orders, [(PathId(0), Command::Open, Attempt(1)), (PathId(1), Command::Open, Attempt(1))]);
    open(&mut link, at(10), PathId(1), Attempt(1), path::relay::facts());
    assert_eq!((link.using(), link.state(PathId(1))), (Some(PathId(1)), Some(PathState::Opening)));
    link.send(at(11), message(b"first")).expect("the lane is empty");
    let said = drain(&mut link).packets;
    let (to, _) = relay::parse(&said[0].1).expect("on the relay a packet is a whole frame");
    assert_eq!((said.len(), said[0].0, to), (1, PathId(1), PlayerId(7)));
}

#[test]
fn a_direct_path_is_taken_once_a_probe_has_come_back_however_late() {
    let mut links = [0, 1].map(|side| link(side, &[DIRECT]).expect("the settings are valid"));
    let one_way = Duration::from_millis(400);
    let mut under_way: Vec<(Instant, usize, Vec<u8>)> = Vec::new();
    for link in &mut links {
        drain(link);
        open(link, at(0), PathId(0), Attempt(1), FACTS);
    }
    // Each hears the other all the time and asks again long before the first answer can be there.
    for now in (0..3_000).step_by(10).map(at) {
        let (due, rest) = under_way.into_iter().partition(|packet| packet.0 <= now);
        under_way = rest;
        for (_, to, bytes) in due {
            links[to].handle(now, Input::Packet { path: PathId(0), bytes: &bytes }).expect("the path exists");
        }
        for (side, link) in links.iter_mut().enumerate() {
            link.handle(now, Input::Timeout).expect("the link is open");
            let packets = drain(link).packets.into_iter();
            under_way.extend(packets.map(|(_, bytes)| (now + one_way, 1 - side, bytes)));
        }
    }
    assert_eq!(links.map(|link| link.state(PathId(0))), [Some(PathState::Usable); 2]);
}

#[test]
fn after_closing_there_is_nothing_more() {
    let mut link = link(0, &[DIRECT]).expect("the settings are valid");
    drain(&mut link);
    open(&mut link, at(5), PathId(0), Attempt(1), FACTS);
    link.send(at(6), message(b"never said")).expect("the lane is empty");
    link.handle(at(6), Input::Close).expect("the link is open");
    let last = drain(&mut link);
    assert_eq!(last.orders, [(PathId(0), Command::Close, Attempt(1))]);
    assert!(last.packets.is_empty() && last.events.is_empty() && last.next.is_none());
    assert_eq!(link.handle(at(7), Input::Timeout), Err(InputError::Closed));
    assert_eq!(link.send(at(7), message(b"")), Err(SendError::Closed));
    assert!(drain(&mut link).next.is_none());
}

#[test]
fn misuse_is_told_and_changes_nothing() {
    let mut link = link(0, &[DIRECT]).expect("the settings are valid");
    let before = drain(&mut link).next;
    let stray = Input::Packet { path: PathId(3), bytes: b"stray" };
    assert_eq!(link.handle(at(0), stray), Err(InputError::NoSuchPath(PathId(3))));
    let tiny = PipeFacts { max_packet: 100, ..FACTS };
    let fact = Input::Pipe { path: PathId(0), attempt: Attempt(1), fact: Fact::Opened(tiny) };
    assert_eq!(link.handle(at(0), fact), Err(InputError::Unusable(PathId(0))));
    assert_eq!((link.using(), drain(&mut link).packets.len()), (None, 0));
    assert!(before.is_some());
}

#[test]
fn paths_have_names_of_their_own() {
    for paths in [vec![DIRECT, DIRECT], vec![PathSetup { id: PathId(8), ..DIRECT }], vec![DIRECT; 9]] {
        assert_eq!(link(0, &paths).err().map(|error| error.setting), Some("paths"));
    }
}

#[test]
fn time_never_runs_backwards() {
    let mut link = link(0, &[DIRECT]).expect("the settings are valid");
    drain(&mut link);
    let later = open(&mut link, at(5_000), PathId(0), Attempt(1), FACTS).next;
    link.handle(at(10), Input::Timeout).expect("the link is open");
    assert_eq!(drain(&mut link).next, later);
}
