//! WebRTC machines against a script: descriptions and candidates of a liar, frames of a broken TURN server, and packets
//! that are lost, doubled and changed on their way. They never panic, come to rest after every input, and send to nobody
//! whom a stranger must not choose.

use super::script::{Script, within_time};
use crate::crypto::Carrying;
use crate::seed::Seed;
use core::net::SocketAddr;
use std::collections::VecDeque;
use webstar_core::id::PlayerId;
use webstar_core::path::webrtc::{
    Credentials, IceServer, Input, Output, PathKind, StreamFact, StreamOrder, Transport, TurnServer, Webrtc,
    WebrtcConfig,
};
use webstar_core::path::{Attempt, Command, Order};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{Candidate, RtcSignal, Secret};

/// Outputs a machine may have for one input.
const MOST_OUTPUTS: usize = 8_192;
/// Inputs of one script; a script is no longer than that makes worthwhile.
const MOST_INPUTS: usize = 400;
/// What is on its way at most.
const MOST_FLYING: usize = 512;
const STUN: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1)), 3_478);
const TURN: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2)), 3_478);

struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Machines and what is between them.
struct World {
    now: Instant,
    machines: Vec<Webrtc>,
    /// What each was told that it has.
    addresses: Vec<Vec<SocketAddr>>,
    attempts: u32,
    signals: VecDeque<(usize, RtcSignal)>,
    /// Descriptions and candidates that were told, as a liar may know them.
    texts: Vec<RtcSignal>,
    flying: VecDeque<Flying>,
    streams: Vec<u32>,
    /// The last request to a server.
    asked: Vec<u8>,
    open: usize,
}

fn address(seat: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, seat as u8 + 1], 5_000))
}

fn player(seat: usize) -> PlayerId {
    PlayerId(seat as u32 + 1)
}

/// Whose pipe, and which.
fn pipe(what: u8) -> (usize, PathKind) {
    (usize::from(what & 1), if what & 2 == 0 { PathKind::Srtp } else { PathKind::Sctp })
}

fn zero() -> std::time::Instant {
    static ZERO: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    *ZERO.get_or_init(std::time::Instant::now)
}

impl World {
    fn of(players: usize) -> World {
        let machine = |seat: usize| {
            let stack = Carrying::Webrtc.stack(Seed::new(seat as u64), zero()).expect("it has connections");
            let mut machine = Webrtc::new(WebrtcConfig { player: player(seat), stack, seed: [seat as u8; 32] });
            machine.handle(Instant::ZERO, Input::Addresses(vec![address(seat)])).expect("it can be sent to");
            machine
        };
        World {
            now: Instant::ZERO,
            machines: (0..players).map(machine).collect(),
            addresses: (0..players).map(|seat| vec![address(seat)]).collect(),
            attempts: 0,
            signals: VecDeque::new(),
            texts: Vec::new(),
            flying: VecDeque::new(),
            streams: Vec::new(),
            asked: Vec::new(),
            open: 0,
        }
    }

    fn tell(&mut self, seat: usize, input: Input<'_>) {
        // What is misuse is refused, which is no harm.
        let _ = self.machines[seat].handle(self.now, input);
        for count in 0.. {
            assert!(count < MOST_OUTPUTS, "it comes to rest");
            match self.machines[seat].poll() {
                Output::Datagram { from, to, payload } => {
                    let ip = to.ip().to_canonical();
                    let is_fair = !ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified() && to.port() != 0;
                    assert!(is_fair && !self.addresses[seat].contains(&to), "it was made to send to {to}");
                    if [STUN, TURN].contains(&to) {
                        self.asked = payload.to_vec();
                    }
                    if self.flying.len() < MOST_FLYING {
                        self.flying.push_back(Flying { from, to, bytes: payload.to_vec() });
                    }
                }
                Output::Signal { player, signal } => {
                    if self.texts.len() < MOST_FLYING {
                        self.texts.push(signal.clone());
                    }
                    self.signals.push_back((player.0 as usize - 1, signal));
                }
                Output::Stream { stream, order } => match order {
                    StreamOrder::Open { .. } => {
                        assert!(!self.streams.contains(&stream), "no number is given twice");
                        self.streams.push(stream);
                    }
                    StreamOrder::Send(bytes) => {
                        assert!(bytes.len() % 4 == 0, "every frame is filled up");
                        self.asked = bytes;
                    }
                    StreamOrder::Close => {}
                },
                Output::Fact { fact, .. } => {
                    self.open += usize::from(matches!(fact, webstar_core::path::Fact::Opened(_)));
                }
                Output::Packet { bytes, .. } => assert!(!bytes.is_empty()),
                Output::Server { .. } => {}
                Output::Timeout(due) => {
                    assert!(due.is_none_or(|due| due > self.now), "it is asked again at once");
                    break;
                }
            }
        }
    }

    fn order(&mut self, seat: usize, kind: PathKind, command: Command) {
        self.attempts += 1;
        let order = Order { attempt: Attempt(self.attempts), command };
        self.tell(seat, Input::Order { player: player(1 - seat), kind, order });
    }

    /// Time passes, and what flew arrives.
    fn pass(&mut self, time: Duration) {
        self.now = within_time(self.now + time);
        for Flying { from, to, bytes } in core::mem::take(&mut self.flying) {
            if let Some(seat) = (0..self.machines.len()).find(|seat| address(*seat) == to) {
                self.tell(seat, Input::Datagram { from, to, bytes: &bytes });
            }
        }
        for seat in 0..self.machines.len() {
            self.tell(seat, Input::Timeout);
        }
    }

    /// The oldest signal arrives.
    fn pass_on(&mut self) {
        if let Some((to, signal)) = self.signals.pop_front().filter(|(to, _)| *to < self.machines.len()) {
            self.tell(to, Input::Signal { player: player(1 - to), signal });
        }
    }

    /// Both want both pipes.
    fn open(&mut self) {
        for seat in 0..2 {
            self.order(seat, PathKind::Srtp, Command::Open);
            self.order(seat, PathKind::Sctp, Command::Open);
        }
    }
}

/// A text with a piece of it replaced by other bytes.
fn edit(script: &mut Script<'_>, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=script.byte() % 4 {
        let (start, length) = (usize::from(script.word()), usize::from(script.byte()));
        let start = start % (bytes.len() + 1);
        let end = (start + length % 48).min(bytes.len());
        let put = usize::from(script.byte()) % 64;
        let put = script.take(put).to_vec();
        bytes.splice(start..end, put);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A signal that a liar makes of what it knows.
fn forge(script: &mut Script<'_>, texts: &[RtcSignal]) -> RtcSignal {
    let known = texts.get(usize::from(script.byte()) % texts.len().max(1));
    let (text, template) = match known {
        Some(RtcSignal::Offer { sdp } | RtcSignal::Answer { sdp }) => (sdp.clone(), None),
        Some(RtcSignal::IceCandidate { candidate }) => (candidate.candidate.clone(), Some(candidate.clone())),
        None => (String::new(), None),
    };
    let text = edit(script, &text);
    match script.byte() % 4 {
        0 => RtcSignal::Offer { sdp: text },
        1 => RtcSignal::Answer { sdp: text },
        _ => {
            let hosts = ["127.0.0.1", "224.0.0.1", "0.0.0.0", "10.0.0.1", "::1", "::ffff:127.0.0.1", "10.9.9.9"];
            let host = script.pick(&hosts);
            let made = format!("candidate:1 1 udp 2113929471 {host} {} typ host", script.word());
            let empty =
                Candidate { candidate: made, sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None };
            let candidate = match template.filter(|_| script.flag()) {
                Some(template) => Candidate { candidate: text, ..template },
                None => empty,
            };
            RtcSignal::IceCandidate { candidate }
        }
    }
}

/// Two machines whose descriptions and candidates are a liar's as often as the other's.
pub fn rtc_signals(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::of(2);
    world.open();
    for _ in 0..MOST_INPUTS {
        if script.is_over() {
            break;
        }
        let what = script.byte();
        let (seat, kind) = pipe(what);
        match what {
            0..80 => world.pass_on(),
            80..170 => {
                let signal = forge(&mut script, &world.texts);
                world.tell(seat, Input::Signal { player: player(1 - seat), signal });
            }
            170..190 => {
                let command = script.pick(&[Command::Open, Command::Restart, Command::OpenRelayed, Command::Close]);
                world.order(seat, kind, command);
            }
            190..250 => world.pass(Duration::from_millis(script.scaled() % 5_000)),
            _ => {
                let port = script.word();
                let other = SocketAddr::from(([10, 0, 1, script.byte()], port));
                let addresses = if script.flag() { vec![address(seat), other] } else { vec![other] };
                world.addresses[seat].clone_from(&addresses);
                world.tell(seat, Input::Addresses(addresses));
            }
        }
    }
}

/// An answer to what was asked last, as the script wants it.
fn answer(script: &mut Script<'_>, asked: &[u8]) -> Vec<u8> {
    let mut answer = asked.get(..20).map_or_else(|| vec![0; 20], <[u8]>::to_vec);
    answer[0] |= if script.flag() { 1 } else { 0 };
    answer[1] |= if script.flag() { 0x10 } else { 0 };
    for _ in 0..script.byte() % 8 {
        let kind =
            script.pick(&[0x0006_u16, 0x0008, 0x0009, 0x000c, 0x000d, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0020]);
        let length = usize::from(script.byte() % 40);
        let value = script.take(length);
        answer.extend(kind.to_be_bytes());
        answer.extend((value.len() as u16).to_be_bytes());
        answer.extend(value);
        answer.resize(answer.len().next_multiple_of(4), 0);
    }
    let length = (answer.len() - 20) as u16;
    answer[2..4].copy_from_slice(&length.to_be_bytes());
    answer
}

/// A machine that asks a STUN server and a TURN server, by datagrams and by a stream, and gets what the script answers.
pub fn turn_frames(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::of(1);
    let credentials = Credentials { user: "ann".into(), password: Secret::new("x").expect("it is short") };
    let turn = |transport| IceServer::Turn(TurnServer { address: TURN, transport, credentials: credentials.clone() });
    let servers = vec![IceServer::Stun { address: STUN }, turn(Transport::Udp), turn(Transport::Tcp)];
    world.tell(0, Input::Servers(servers));
    for _ in 0..MOST_INPUTS {
        if script.is_over() {
            break;
        }
        let what = script.byte();
        let bytes = match what & 3 {
            0 | 1 => answer(&mut script, &world.asked.clone()),
            2 => {
                let length = script.word();
                let mut frame = vec![0x40 | what >> 4, script.byte()];
                frame.extend(length.to_be_bytes());
                frame.extend(script.take(usize::from(length % 64)));
                frame
            }
            _ => script.take(usize::from(what >> 2)).to_vec(),
        };
        let stream = world.streams.last().copied().unwrap_or_default();
        let from = if what & 4 == 0 { TURN } else { STUN };
        match what >> 3 {
            0..12 => world.tell(0, Input::Datagram { from, to: address(0), bytes: &bytes }),
            12..20 => {
                for piece in bytes.chunks(usize::from(what & 7) * 5 + 1) {
                    world.tell(0, Input::Stream { stream, fact: StreamFact::Bytes(piece) });
                }
            }
            20..24 => world.tell(0, Input::Stream { stream, fact: StreamFact::Opened }),
            24..26 => world.tell(0, Input::Stream { stream, fact: StreamFact::Closed }),
            _ => world.pass(Duration::from_millis(script.scaled() % 100_000)),
        }
        world.flying.clear();
    }
}

/// Two machines that have connected, on a wire that loses, doubles, delays and changes what is on it.
pub fn rtc_packets(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::of(2);
    world.open();
    for _ in 0..200 {
        if world.open >= 4 {
            break;
        }
        world.pass_on();
        world.pass(Duration::from_millis(10));
    }
    for _ in 0..MOST_INPUTS {
        if script.is_over() {
            break;
        }
        let what = script.byte();
        let (seat, kind) = pipe(what);
        match what {
            0..90 => {
                let payload = vec![what; usize::from(script.word() % 1_300)];
                world.tell(seat, Input::Packet { player: player(1 - seat), kind, payload: &payload });
            }
            90..170 => spoil(&mut script, &mut world.flying),
            170..200 => {
                let bytes = script.take(usize::from(what) - 150).to_vec();
                let (from, to) = (address(1 - seat), address(seat));
                world.flying.push_back(Flying { from, to, bytes });
            }
            _ => world.pass(Duration::from_millis(script.scaled() % 500)),
        }
    }
}

/// Does something to what is on its way.
fn spoil(script: &mut Script<'_>, flying: &mut VecDeque<Flying>) {
    let count = flying.len();
    if count == 0 || count >= MOST_FLYING {
        return;
    }
    let (which, other) = (usize::from(script.byte()) % count, usize::from(script.byte()) % count);
    match script.byte() % 5 {
        0 => drop(flying.remove(which)),
        1 => flying.swap(which, other),
        2 => {
            let Flying { from, to, bytes } = &flying[which];
            let again = Flying { from: *from, to: *to, bytes: bytes.clone() };
            flying.push_back(again);
        }
        3 => {
            let length = usize::from(script.word());
            let bytes = &mut flying[which].bytes;
            bytes.truncate(length % (bytes.len() + 1));
        }
        _ => {
            let (at, byte) = (usize::from(script.word()), script.byte());
            let bytes = &mut flying[which].bytes;
            let length = bytes.len().max(1);
            if let Some(there) = bytes.get_mut(at % length) {
                *there = byte;
            }
        }
    }
}
