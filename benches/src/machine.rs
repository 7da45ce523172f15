//! What a scene asks of a talking machine, so that sessions and whole links are measured in the same scenes.

use webstar_core::config::SessionConfig;
use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::path::{Command, Fact, PathKind};
use webstar_core::peer::link::{Input, Link, LinkConfig, LinkEvent, Output, PathSetup};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Outbound, SendError, Session, SessionEvent, SessionIds};
use webstar_core::time::Instant;

/// The one path.
const PATH: PathId = PathId(0);
/// What an RTP payload carries.
const MAX_PACKET: usize = 1_150;
const FACTS: PipeFacts = PipeFacts { max_packet: MAX_PACKET, control: Control::Own };
const NAMES: [SessionId; 2] = [SessionId(0x0102_0304_0506_0708), SessionId(0x1112_1314_1516_1718)];

/// What a machine has to say next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// A packet was appended.
    Packet,
    /// A message of so many bytes was delivered.
    Delivered(usize),
    /// A message of ours has arrived.
    Acked,
    /// Something that no scene counts.
    Other,
    /// Nothing more until then.
    Idle(Option<Instant>),
}

/// One side of a conversation with one open path.
pub trait Machine: Sized {
    /// The side of that number, 0 or 1.
    fn new(side: usize, config: &SessionConfig) -> Self;
    /// Takes a message.
    fn send(&mut self, now: Instant, message: Outbound) -> Result<(), SendError>;
    /// A packet came.
    fn on_packet(&mut self, now: Instant, bytes: &[u8]);
    /// The deadline is there.
    fn on_timeout(&mut self, now: Instant);
    /// What is to be done or told next; to be asked until [`Said::Idle`]. A packet is appended to `packet`.
    fn poll(&mut self, now: Instant, packet: &mut Vec<u8>) -> Said;
    /// Whether messages are protected forward now.
    fn is_protected(&self, now: Instant) -> bool;
}

fn ids(side: usize) -> SessionIds {
    SessionIds { ours: NAMES[side], theirs: NAMES[1 - side] }
}

impl Machine for Session {
    fn new(side: usize, config: &SessionConfig) -> Self {
        let mut session = Session::new(config.clone(), ids(side), Instant::ZERO).expect("the settings are usable");
        assert!(session.open_path(Instant::ZERO, PATH, FACTS), "the path is usable");
        session.use_path(Some(PATH));
        session
    }

    fn send(&mut self, now: Instant, message: Outbound) -> Result<(), SendError> {
        Session::send(self, now, message).map(|_| ())
    }

    fn on_packet(&mut self, now: Instant, bytes: &[u8]) {
        Session::on_packet(self, now, PATH, bytes);
    }

    fn on_timeout(&mut self, now: Instant) {
        Session::on_timeout(self, now);
    }

    fn poll(&mut self, now: Instant, packet: &mut Vec<u8>) -> Said {
        if let Some(event) = self.poll_event() {
            return match event {
                SessionEvent::Message(message) => Said::Delivered(message.payload.len()),
                SessionEvent::Acked(_) => Said::Acked,
                _ => Said::Other,
            };
        }
        match self.poll_packet(now, packet, &mut |_, _| {}) {
            Some(_) => Said::Packet,
            None => Said::Idle(self.deadline(now).map(|(at, _)| at)),
        }
    }

    fn is_protected(&self, now: Instant) -> bool {
        self.stats(now).is_protected
    }
}

impl Machine for Link {
    fn new(side: usize, config: &SessionConfig) -> Self {
        let config = LinkConfig { session: config.clone(), ..LinkConfig::default() };
        let setup = PathSetup { id: PATH, kind: PathKind::Srtp, relayed_only: false };
        let other = PlayerId(2 - side as u32);
        let mut link = Link::new(config, ids(side), other, &[setup], [side as u8; 32], Instant::ZERO)
            .expect("the settings are usable");
        loop {
            match link.poll() {
                Output::Pipe { path, order } if order.command != Command::Close => {
                    let opened = Input::Pipe { path, attempt: order.attempt, fact: Fact::Opened(FACTS) };
                    link.handle(Instant::ZERO, opened).expect("the path is usable");
                    return link;
                }
                Output::Timeout(_) => panic!("the link asks for no pipe"),
                _ => {}
            }
        }
    }

    fn send(&mut self, now: Instant, message: Outbound) -> Result<(), SendError> {
        Link::send(self, now, message).map(|_| ())
    }

    fn on_packet(&mut self, now: Instant, bytes: &[u8]) {
        self.handle(now, Input::Packet { path: PATH, bytes }).expect("the path exists");
    }

    fn on_timeout(&mut self, now: Instant) {
        self.handle(now, Input::Timeout).expect("the link is open");
    }

    fn poll(&mut self, _now: Instant, packet: &mut Vec<u8>) -> Said {
        match Link::poll(self) {
            Output::Transmit { bytes, .. } => {
                packet.extend_from_slice(bytes);
                Said::Packet
            }
            Output::Event(LinkEvent::Message(message)) => Said::Delivered(message.payload.len()),
            Output::Event(LinkEvent::Acked(_)) => Said::Acked,
            Output::Event(_) | Output::Pipe { .. } => Said::Other,
            Output::Timeout(next) => Said::Idle(next.map(|(at, _)| at)),
        }
    }

    fn is_protected(&self, _now: Instant) -> bool {
        self.stats().is_protected
    }
}
