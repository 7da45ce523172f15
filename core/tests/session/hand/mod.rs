//! One session, fed by hand: the other side is whatever a test says, in packets written with the public wire. Nothing
//! happens by itself here, so every moment is exact.

use bytes::Bytes;
use webstar_core::config::SessionConfig;
use webstar_core::id::{MessageId, PathId, SessionId};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Outbound, SendError, Session, SessionEvent, SessionIds, SessionTimer};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{self, Delivery, Frame, Frames, MessageFrame, Part, Priority};
use webstar_core::wire::packet::{self, SealKey};
use webstar_core::wire::rhythm::Rhythm;

pub(crate) const DIRECT: PathId = PathId(0);
pub(crate) const OTHER: PathId = PathId(1);

/// A session that talks without end would otherwise hang its test.
const MOST_PACKETS: usize = 10_000;

/// A moment, in milliseconds since the beginning.
pub(crate) fn at(millis: f64) -> Instant {
    Instant::ZERO + Duration::from_nanos((millis * 1e6).round() as u64)
}

/// What a packet said, frame by frame.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Said {
    Ping,
    Ack { ranges: Vec<(u64, u64)>, recovered: Vec<u64>, delay: Duration },
    Probe(u32),
    ProbeAnswer(u32),
    Unheard(PathId),
    Repair,
    Shield,
    Message { priority: Priority, delivery: Delivery, seq: u64, part: Option<Part>, compressed: bool, bytes: Vec<u8> },
}

/// A packet of the session's.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Spoken {
    pub(crate) path: PathId,
    pub(crate) number: u64,
    pub(crate) rhythm: Duration,
    pub(crate) length: usize,
    pub(crate) said: Vec<Said>,
}

impl Spoken {
    pub(crate) fn has(&self, wanted: &Said) -> bool {
        self.said.contains(wanted)
    }

    pub(crate) fn pings(&self) -> bool {
        self.has(&Said::Ping)
    }

    /// The payloads of its messages.
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.said
            .iter()
            .filter_map(|said| if let Said::Message { bytes, .. } = said { Some(&bytes[..]) } else { None })
            .collect()
    }

    /// The ranges of its acknowledgement.
    pub(crate) fn acks(&self) -> Option<&[(u64, u64)]> {
        self.said.iter().find_map(|said| if let Said::Ack { ranges, .. } = said { Some(&ranges[..]) } else { None })
    }
}

/// A session and the hand that feeds it.
#[derive(Debug)]
pub(crate) struct Hand {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    /// What has been told so far, oldest first.
    pub(crate) events: Vec<SessionEvent>,
    spoken_end: u64,
    /// The number of the other side's next packet.
    pub(crate) next_number: u64,
    rhythm: Rhythm,
}

impl Hand {
    /// A session without paths, at zero.
    pub(crate) fn new(config: SessionConfig) -> Self {
        let ids = SessionIds { ours: SessionId(1), theirs: SessionId(2) };
        let session = Session::new(config, ids, Instant::ZERO).expect("the settings of a test are valid");
        Hand {
            session,
            now: Instant::ZERO,
            events: Vec::new(),
            spoken_end: 0,
            next_number: 0,
            rhythm: Rhythm::at_least(Duration::from_millis(100)),
        }
    }

    /// A session that uses a direct path.
    pub(crate) fn direct(config: SessionConfig) -> Self {
        let mut hand = Hand::new(config);
        hand.open(DIRECT, 1150, Control::Own);
        hand.session.use_path(Some(DIRECT));
        hand
    }

    pub(crate) fn open(&mut self, path: PathId, max_packet: usize, control: Control) {
        assert!(self.session.open_path(self.now, path, PipeFacts { max_packet, control }));
    }

    /// Goes on to a moment. What falls due in between is an error of the test.
    pub(crate) fn go(&mut self, millis: f64) {
        let then = at(millis);
        assert!(then >= self.now, "time goes on");
        if let Some((due, timer)) = self.session.deadline(self.now) {
            assert!(due >= then, "{timer:?} falls due at {due}, before {then}");
        }
        self.now = then;
        self.session.on_timeout(then);
    }

    /// Goes on to a moment and lets everything happen that falls due until then; gives what was said.
    pub(crate) fn pass(&mut self, millis: f64) -> Vec<Spoken> {
        let mut all = self.drain();
        while let Some((due, _)) = self.session.deadline(self.now).filter(|(due, _)| *due <= at(millis)) {
            self.now = self.now.max(due);
            self.session.on_timeout(self.now);
            all.extend(self.drain());
        }
        self.now = at(millis);
        all
    }

    /// Goes on to the next deadline, which must be this one, and gives what is said then.
    pub(crate) fn due(&mut self, millis: f64, timer: SessionTimer) -> Vec<Spoken> {
        assert_eq!(self.session.deadline(self.now), Some((at(millis), timer)));
        self.now = at(millis);
        self.session.on_timeout(self.now);
        self.drain()
    }

    pub(crate) fn deadline(&self) -> (Instant, SessionTimer) {
        self.session.deadline(self.now).expect("a session with a path has a deadline")
    }

    /// Everything the session has to say now.
    pub(crate) fn drain(&mut self) -> Vec<Spoken> {
        let mut all = Vec::new();
        let mut buffer = Vec::new();
        while let Some(path) = self.session.poll_packet(self.now, &mut buffer, &mut |_, _| {}) {
            all.push(self.read(path, &buffer));
            assert!(all.len() < MOST_PACKETS, "the session does not stop talking at {}", self.now);
            buffer.clear();
        }
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
        all
    }

    /// Exactly one packet must be due now.
    pub(crate) fn one(&mut self) -> Spoken {
        let mut all = self.drain();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Nothing may be due now.
    pub(crate) fn silence(&mut self) {
        assert_eq!(self.drain(), []);
    }

    fn read(&mut self, path: PathId, bytes: &[u8]) -> Spoken {
        let key = SealKey::new(SessionId(1), SessionId(2));
        let packet = packet::open(key, self.spoken_end, bytes).expect("a session's packet opens");
        assert_eq!(packet.number, self.spoken_end, "numbers rise by one");
        self.spoken_end += 1;
        let said = Frames::new(packet.frames).map(|frame| said(frame.expect("a session's frames are read"))).collect();
        Spoken { path, number: packet.number, rhythm: packet.rhythm.interval(), length: bytes.len(), said }
    }

    /// Gives the session a message and takes it for granted that it is accepted.
    pub(crate) fn send(&mut self, priority: Priority, delivery: Delivery, payload: &[u8]) -> MessageId {
        self.try_send(priority, delivery, 0, payload).expect("there is room")
    }

    pub(crate) fn try_send(
        &mut self,
        priority: Priority,
        delivery: Delivery,
        key: u32,
        payload: &[u8],
    ) -> Result<MessageId, SendError> {
        let payload = Bytes::copy_from_slice(payload);
        self.session.send(self.now, Outbound { priority, delivery, key, payload })
    }

    /// A packet of the other side's with these frames; the next number in order.
    pub(crate) fn hear(&mut self, path: PathId, frames: &[u8]) {
        let number = self.next_number;
        self.hear_as(path, number, frames);
    }

    /// A packet of the other side's with a number of its own.
    pub(crate) fn hear_as(&mut self, path: PathId, number: u64, frames: &[u8]) {
        let packet = self.seal(number, frames);
        self.hear_packet(path, &packet);
    }

    pub(crate) fn hear_packet(&mut self, path: PathId, packet: &[u8]) {
        self.session.on_packet(self.now, path, packet);
    }

    /// The bytes of a packet of the other side's.
    pub(crate) fn seal(&mut self, number: u64, frames: &[u8]) -> Vec<u8> {
        self.next_number = self.next_number.max(number + 1);
        let mut out = Vec::new();
        packet::begin(number, number.saturating_sub(40), self.rhythm, &mut out);
        out.extend_from_slice(frames);
        packet::seal(SealKey::new(SessionId(2), SessionId(1)), number, 0, &mut out);
        out
    }

    /// The other side acknowledges these packets, without delay; the packet asks for nothing.
    pub(crate) fn acked(&mut self, path: PathId, ranges: &[(u64, u64)]) {
        self.acked_after(path, ranges, Duration::ZERO);
    }

    pub(crate) fn acked_after(&mut self, path: PathId, ranges: &[(u64, u64)], delay: Duration) {
        let mut frames = Vec::new();
        frame::write_ack(delay, ranges.iter().copied(), core::iter::empty(), &mut frames);
        self.hear(path, &frames);
    }

    pub(crate) fn heard(&self, wanted: &SessionEvent) -> bool {
        self.events.contains(wanted)
    }
}

/// Bytes that do not compress.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// A frame that carries a message.
pub(crate) fn message(delivery: Delivery, seq: u64, key: u32, part: Option<Part>, bytes: &[u8]) -> Vec<u8> {
    let frame = MessageFrame { priority: Priority::Normal, delivery, seq, key, compressed: false, part, bytes };
    let mut out = Vec::new();
    frame.write(&mut out);
    out
}

pub(crate) fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    frame::write_ping(&mut out);
    out
}

fn said(frame: Frame<'_>) -> Said {
    match frame {
        Frame::Ping => Said::Ping,
        Frame::Ack(ack) => {
            Said::Ack { ranges: ack.ranges().collect(), recovered: ack.recovered().collect(), delay: ack.delay }
        }
        Frame::Probe(token) => Said::Probe(token),
        Frame::ProbeAnswer(token) => Said::ProbeAnswer(token),
        Frame::Unheard(path) => Said::Unheard(path),
        Frame::Repair(_) => Said::Repair,
        Frame::Shield => Said::Shield,
        Frame::Message(message) => Said::Message {
            priority: message.priority,
            delivery: message.delivery,
            seq: message.seq,
            part: message.part,
            compressed: message.compressed,
            bytes: message.bytes.to_vec(),
        },
    }
}
