//! A session against a script: a peer that is honest, packets that are lost, changed and made up, paths that come and
//! go, and time that passes as it likes. It comes to rest after every step and holds no more than it may.

use super::forge::Forger;
use super::ledger::{self, Ledger};
use super::meter;
use super::script::{Script, within_time};
use std::collections::VecDeque;
use webstar_core::config::SessionConfig;
use webstar_core::id::{PathId, SessionId};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Session, SessionEvent, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::Priority;
use webstar_core::wire::packet::SealKey;

/// Packets a session may have to say at one moment.
const MOST_PACKETS: usize = 4_096;
/// Times a session may be called again at one moment.
const MOST_ROUNDS: usize = 8;
/// Packets on the way; more are lost.
const MOST_ON_THE_WAY: usize = 64;
/// What two sessions with these settings, and what is on the way between them, may hold.
const MOST_HELD: usize = 8 << 20;

struct Side {
    session: Session,
    ledger: Ledger,
    /// What has left and is not there yet.
    on_the_way: VecDeque<(PathId, Vec<u8>)>,
    max_packets: [usize; 8],
    /// Makes up packets in this side's name.
    forger: Forger,
}

impl Side {
    fn new(config: &SessionConfig, ours: SessionId, theirs: SessionId) -> Self {
        let session = Session::new(config.clone(), SessionIds { ours, theirs }, Instant::ZERO);
        Side {
            session: session.expect("the settings were checked"),
            ledger: Ledger::new(config),
            on_the_way: VecDeque::new(),
            max_packets: [0; 8],
            forger: Forger::new(SealKey::new(ours, theirs)),
        }
    }

    /// Follows the law until the session rests.
    fn settle(&mut self, now: Instant, config: &SessionConfig) {
        for _ in 0..MOST_ROUNDS {
            self.drain(now);
            match self.session.deadline(now) {
                Some((at, _)) if at <= now => self.session.on_timeout(now),
                _ => return self.judge(now, config),
            }
        }
        panic!("does not come to rest at {now}: {:?}", self.session.deadline(now));
    }

    fn drain(&mut self, now: Instant) {
        let mut buffer = Vec::new();
        let mut envelope =
            |path: PathId, out: &mut Vec<u8>| out.extend_from_slice(&[0xee; 3][..usize::from(path.0 % 4)]);
        for count in 0.. {
            assert!(count < MOST_PACKETS, "does not stop talking at {now}");
            buffer.clear();
            let Some(path) = self.session.poll_packet(now, &mut buffer, &mut envelope) else {
                assert!(buffer.is_empty(), "bytes without a packet");
                break;
            };
            let packet = buffer[usize::from(path.0 % 4)..].to_vec();
            let most = self.max_packets[usize::from(path.0)];
            assert!(packet.len() <= most, "{} bytes on a path for {most}", packet.len());
            self.forger.on_honest(&packet);
            self.on_the_way.push_back((path, packet));
            self.on_the_way.truncate(MOST_ON_THE_WAY);
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Message(message) => self.ledger.on_message(&message),
                SessionEvent::Acked(id) => self.ledger.on_acked(id),
                SessionEvent::Drained(priority) => self.ledger.on_drained(priority),
                SessionEvent::ProbeAnswered { .. }
                | SessionEvent::Unheard(_)
                | SessionEvent::Unanswered(_)
                | SessionEvent::Heard(_) => {}
            }
        }
    }

    fn judge(&self, now: Instant, config: &SessionConfig) {
        let stats = self.session.stats(now);
        // The oldest message of each of the eight kept streams is taken in any case, and one may grow by decompression.
        let most = config.receive_buffer + 9 * (config.max_message + 256);
        assert!(stats.held <= most, "{} bytes are held, {most} are allowed", stats.held);
        for priority in Priority::ALL {
            assert!(self.session.queued(priority) <= config.send_buffer, "{priority:?} is over its buffer");
        }
        for path in &stats.paths {
            assert!((0.0..=1.0).contains(&path.loss), "{path:?}");
            let reading = self.session.reading(now, path.path).expect("what has numbers has a reading");
            assert_eq!((reading.rtt, reading.rtt_var), (path.rtt, path.jitter));
        }
    }
}

/// Two sessions and what a script does to them.
pub fn session_arbitrary(data: &[u8]) {
    meter::peak_within(MOST_HELD, || play(data));
}

fn play(data: &[u8]) {
    let mut script = Script::new(data);
    let config = ledger::config(&mut script);
    let (a, b) = (SessionId(1), SessionId(2));
    let mut sides = [Side::new(&config, a, b), Side::new(&config, b, a)];
    let mut now = Instant::ZERO;
    for side in &mut sides {
        open(side, now, PathId(0), PipeFacts { max_packet: 1150, control: Control::Own });
        side.session.use_path(Some(PathId(0)));
        side.settle(now, &config);
    }
    while !script.is_over() {
        let what = script.byte();
        let (this, that) = (usize::from(what >> 7), usize::from(what >> 7 ^ 1));
        if what & 0x7f < 16 {
            now = within_time(now + pause(&mut script));
            sides.iter_mut().for_each(|side| side.session.on_timeout(now));
        } else if what & 0x7f < 64 {
            let Some((path, bytes)) = next_packet(&mut script, &mut sides[that]) else { continue };
            sides[this].session.on_packet(now, path, &bytes);
        } else {
            command(&mut script, &mut sides[this], now);
        }
        for side in &mut sides {
            side.settle(now, &config);
        }
    }
}

/// Mostly moments of a game, sometimes hours.
fn pause(script: &mut Script<'_>) -> Duration {
    match script.byte() {
        millis @ 0..200 => Duration::from_micros(u64::from(millis) * 500),
        200..240 => Duration::from_millis(u64::from(script.word())),
        240..250 => Duration::from_secs(u64::from(script.word())),
        250..=255 => Duration::from_nanos(script.scaled() % (1 << 55)),
    }
}

/// What comes from a side next: what it said, late, changed or twice, or what it never said.
fn next_packet(script: &mut Script<'_>, from: &mut Side) -> Option<(PathId, Vec<u8>)> {
    let fate = script.byte();
    if fate >= 200 {
        return Some((PathId(script.byte() % 4), from.forger.forge(script)));
    }
    let at = match fate & 3 {
        0 => usize::from(script.byte()) % from.on_the_way.len().max(1),
        _ => 0,
    };
    let (path, bytes) = match fate >> 2 & 7 {
        0 => from.on_the_way.get(at)?.clone(),
        _ => from.on_the_way.remove(at)?,
    };
    match fate {
        0..140 => Some((path, bytes)),
        140..160 => None,
        160..170 => Some((PathId(script.byte()), bytes)),
        170..180 => {
            let mut damaged = bytes;
            let at = usize::from(script.word()) % damaged.len();
            damaged[at] ^= script.byte();
            Some((path, damaged))
        }
        _ => Some((path, from.forger.twist(script, &bytes))),
    }
}

fn open(side: &mut Side, now: Instant, path: PathId, facts: PipeFacts) {
    if side.session.open_path(now, path, facts) {
        side.max_packets[usize::from(path.0)] = facts.max_packet;
    }
}

fn command(script: &mut Script<'_>, side: &mut Side, now: Instant) {
    let what = script.byte();
    let path = PathId(script.byte() % 4);
    match what % 32 {
        0..20 => {
            let message = ledger::message(script);
            let (priority, length) = (message.priority, message.payload.len());
            let result = side.session.send(now, message);
            side.ledger.on_sent(priority, length, result);
        }
        20 => {
            let control = script.pick(&[Control::Own, Control::Below, Control::Stream]);
            let max_packet = script.pick(&[255, 256, 300, 1050, 1150, 2048, 60 * 1024, usize::MAX]);
            open(side, now, path, PipeFacts { max_packet, control });
        }
        21 => side.session.close_path(now, path),
        22..25 => side.session.use_path((script.byte() != 0).then_some(path)),
        25 => side.session.give_up(now, path),
        26 => side.session.probe(path, script.long()),
        27 => side.session.report_unheard(path),
        28 | 29 => side.session.on_buffered(path, usize::from(script.word()) * 2),
        30 => side.session.set_heartbeat(Duration::from_millis(script.scaled() % (1 << 40))),
        _ => side.session.on_timeout(now),
    }
}
