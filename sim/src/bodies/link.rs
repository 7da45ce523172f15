//! A link against a script: news of pipes that were never ordered, packets that no honest side sends, clocks that run
//! backwards. It comes to rest after every input, errs only where it is misused, and is silent once closed.

use super::forge::Forger;
use super::ledger::{self, Ledger};
use super::script::{Script, within_time};
use std::collections::VecDeque;
use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::path::{Attempt, Fact, PathKind};
use webstar_core::peer::link::{Input, InputError, Link, LinkConfig, LinkEvent, Output, PathSetup};
use webstar_core::session::SessionIds;
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::limits::MIN_MAX_PACKET;
use webstar_core::wire::packet::SealKey;
use webstar_core::wire::relay;

/// Outputs a link may have for one input.
const MOST_OUTPUTS: usize = 4_096;
/// Times a link may be called again at one moment.
const MOST_ROUNDS: usize = 8;
/// Packets on the way; more are lost.
const MOST_ON_THE_WAY: usize = 64;

const KINDS: [PathKind; 4] = [PathKind::Srtp, PathKind::Relay, PathKind::Sctp, PathKind::External];

struct Side {
    link: Link,
    ledger: Ledger,
    on_the_way: VecDeque<(PathId, Vec<u8>)>,
    /// The last order of each path.
    attempts: [Attempt; 4],
    forger: Forger,
    is_closed: bool,
    using: Option<PathId>,
}

impl Side {
    fn new(config: &LinkConfig, ours: u32, theirs: u32) -> Self {
        let (our_half, their_half) = (SessionId(u64::from(ours)), SessionId(u64::from(theirs)));
        let ids = SessionIds { ours: our_half, theirs: their_half };
        let setups: [PathSetup; 4] = core::array::from_fn(|index| {
            let kind = KINDS[index];
            PathSetup { id: PathId(index as u8), kind, relayed_only: kind == PathKind::Sctp }
        });
        let link = Link::new(config.clone(), ids, PlayerId(theirs), &setups, [ours as u8; 32], Instant::ZERO);
        Side {
            link: link.expect("the settings were checked"),
            ledger: Ledger::new(&config.session),
            on_the_way: VecDeque::new(),
            attempts: [Attempt(0); 4],
            forger: Forger::new(SealKey::new(our_half, their_half)),
            is_closed: false,
            using: None,
        }
    }

    fn tell(&mut self, now: Instant, input: Input<'_>) {
        match self.link.handle(now, input) {
            Ok(()) => assert!(!self.is_closed, "{input:?} was taken after the end"),
            Err(InputError::Closed) => assert!(self.is_closed),
            Err(InputError::NoSuchPath(path)) => assert!(path.0 >= 4),
            Err(InputError::Unusable(_)) => {
                let Input::Pipe { fact: Fact::Opened(facts), .. } = input else { panic!("{input:?} opens nothing") };
                assert!(facts.max_packet < MIN_MAX_PACKET);
            }
        }
        self.is_closed |= input == Input::Close;
    }

    /// Follows the law until the link rests. `latest` is the newest moment it has been told.
    fn settle(&mut self, latest: Instant) {
        for _ in 0..MOST_ROUNDS {
            match self.drain() {
                Some(at) if at <= latest => self.tell(latest, Input::Timeout),
                _ => return assert_eq!(self.using, if self.is_closed { self.using } else { self.link.using() }),
            }
        }
        panic!("does not come to rest at {latest}");
    }

    fn drain(&mut self) -> Option<Instant> {
        for _ in 0..MOST_OUTPUTS {
            match self.link.poll() {
                Output::Timeout(next) => {
                    assert!(next.is_none() || !self.is_closed, "wants to be called after the end");
                    return next.map(|(at, _)| at);
                }
                Output::Transmit { path, bytes } => {
                    assert!(!self.is_closed, "speaks after the end");
                    let is_relay = KINDS[usize::from(path.0)] == PathKind::Relay;
                    let packet = if is_relay { relay::parse(bytes).expect("a frame for the server").1 } else { bytes };
                    self.forger.on_honest(packet);
                    self.on_the_way.push_back((path, packet.to_vec()));
                    self.on_the_way.truncate(MOST_ON_THE_WAY);
                }
                Output::Pipe { path, order } => self.attempts[usize::from(path.0)] = order.attempt,
                Output::Event(event) => {
                    assert!(!self.is_closed, "tells {event:?} after the end");
                    match event {
                        LinkEvent::Message(message) => self.ledger.on_message(&message),
                        LinkEvent::Acked(id) => self.ledger.on_acked(id),
                        LinkEvent::Drained(priority) => self.ledger.on_drained(priority),
                        LinkEvent::Using(path) => self.using = path,
                        LinkEvent::Path { .. } | LinkEvent::Turned { .. } => {}
                    }
                }
            }
        }
        panic!("does not stop talking");
    }
}

/// Two links and what a script does to them.
pub fn link_arbitrary(data: &[u8]) {
    let mut script = Script::new(data);
    let config = LinkConfig { session: ledger::config(&mut script), ..LinkConfig::default() };
    let mut sides = [Side::new(&config, 1, 2), Side::new(&config, 2, 1)];
    let mut latest = Instant::ZERO;
    sides.iter_mut().for_each(|side| side.settle(latest));
    while !script.is_over() {
        let what = script.byte();
        let (this, that) = (usize::from(what >> 7), usize::from(what >> 7 ^ 1));
        match what & 0x7f {
            0..20 => {
                latest = within_time(latest + pause(&mut script));
                sides.iter_mut().for_each(|side| side.tell(latest, Input::Timeout));
            }
            20..64 => {
                let Some((path, bytes)) = next_packet(&mut script, &mut sides[that]) else { continue };
                sides[this].tell(latest, Input::Packet { path, bytes: &bytes });
            }
            64..90 => {
                let (path, attempt, fact) = news(&mut script, &sides[this]);
                sides[this].tell(latest, Input::Pipe { path, attempt, fact });
            }
            90 => sides[this].tell(Instant::ZERO, Input::Timeout),
            91 if script.byte() == 91 => sides[this].tell(latest, Input::Close),
            92 => sides[this].link.set_awaited(script.flag()),
            93 => sides[this].link.set_heartbeat(Duration::from_millis(script.scaled() % (1 << 40))),
            _ => {
                let message = ledger::message(&mut script);
                let (priority, length) = (message.priority, message.payload.len());
                let result = sides[this].link.send(latest, message);
                sides[this].ledger.on_sent(priority, length, result);
            }
        }
        sides.iter_mut().for_each(|side| side.settle(latest));
    }
}

fn pause(script: &mut Script<'_>) -> Duration {
    match script.byte() {
        millis @ 0..200 => Duration::from_millis(u64::from(millis)),
        200..250 => Duration::from_millis(u64::from(script.word())),
        250..=255 => Duration::from_secs(u64::from(script.long())),
    }
}

fn next_packet(script: &mut Script<'_>, from: &mut Side) -> Option<(PathId, Vec<u8>)> {
    let fate = script.byte();
    let (path, bytes) = match fate & 7 {
        0 => (PathId(script.byte() % 5), from.forger.forge(script)),
        1 => from.on_the_way.front()?.clone(),
        2 => from.on_the_way.pop_back()?,
        _ => from.on_the_way.pop_front()?,
    };
    match fate >> 3 {
        0..26 => Some((path, bytes)),
        26..28 => None,
        _ => Some((path, from.forger.twist(script, &bytes))),
    }
}

fn news(script: &mut Script<'_>, side: &Side) -> (PathId, Attempt, Fact) {
    let what = script.byte();
    let path = PathId(script.byte() % 5);
    let known = side.attempts.get(usize::from(path.0)).copied().unwrap_or(Attempt(0));
    let attempt = if what & 0x80 == 0 { known } else { Attempt(u32::from(script.byte())) };
    let control = match KINDS.get(usize::from(path.0)) {
        Some(PathKind::Relay) => Control::Stream,
        Some(PathKind::Srtp) => Control::Own,
        _ => Control::Below,
    };
    let fact = match what & 15 {
        0..10 => Fact::Opened(PipeFacts { max_packet: script.pick(&[1150, 255, 256, 60_000]), control }),
        10..12 => Fact::Buffered(usize::from(script.word())),
        12 => Fact::Failed,
        13 => Fact::Turned(script.flag()),
        _ => Fact::Closed,
    };
    (path, attempt, fact)
}
