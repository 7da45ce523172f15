//! What carries the star: the server connection, or a relay apart from the lobby server, a second stream that carries
//! the star and nothing else. While the relay is away the server connection does, if that is allowed.

use super::outbox::Act;
use super::{Peer, Phase, Target};
use crate::id::StreamId;
use crate::path::PathKind;
use crate::time::{Duration, Instant};
use crate::wire::relay::TAG;
use crate::wire::signal::{self, ClientMessage, Encoding, Frame, JoinRelay, Ping, Secret, ServerMessage};
use rand::RngExt;

/// The pause after the first failure; it doubles with each, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(4);
/// When nothing has come from the relay for so long it is asked whether it is there.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Not wanted.
    Off,
    /// The stream is asked for.
    Opening,
    /// `join_relay` is said.
    Joining,
    /// It carries.
    Joined,
    /// Between two attempts.
    Pausing,
}

#[derive(Debug)]
pub(super) struct Carrier {
    step: Step,
    pub(super) stream: Option<StreamId>,
    until: Option<Instant>,
    failures: u32,
    token: Option<Secret>,
    /// The relay was asked whether it is there.
    is_asked: bool,
    heard_at: Instant,
    /// The stream that carries, as the star was told.
    carrying: Option<StreamId>,
}

impl Carrier {
    pub(super) fn new(now: Instant) -> Self {
        Carrier {
            step: Step::Off,
            stream: None,
            until: None,
            failures: 0,
            token: None,
            is_asked: false,
            heard_at: now,
            carrying: None,
        }
    }

    /// It is over; gives the stream that is to be closed.
    pub(super) fn take(&mut self) -> Option<StreamId> {
        self.step = Step::Off;
        self.until = None;
        self.stream.take()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

impl Peer {
    /// The stream on which relayed frames leave.
    pub(super) fn carrying(&self) -> Option<StreamId> {
        if !self.config.allow_relay {
            return None;
        }
        let is_inside = matches!(self.connection.phase, Phase::In | Phase::Leaving);
        let server = self.connection.stream.filter(|_| is_inside);
        match self.config.relay_server {
            Some(_) if self.carrier.step == Step::Joined => self.carrier.stream,
            Some(_) => server.filter(|_| self.config.use_websocket_fallback),
            None => server,
        }
    }

    /// When anything was last heard on the stream that carries.
    pub(super) fn carrier_heard_at(&self) -> Instant {
        if self.carrying() == self.carrier.stream { self.carrier.heard_at } else { self.connection.heard_at() }
    }

    /// The streams have changed: the star is told which of them carries it.
    pub(super) fn choose_carrier(&mut self) {
        let (old, new) = (self.carrier.carrying, self.carrying());
        if old == new {
            return;
        }
        self.carrier.carrying = new;
        let is_lost = old.is_some_and(|old| self.carrier.stream != Some(old) && self.connection.stream != Some(old));
        if is_lost || new.is_none() {
            // What was under way in it is sent again.
            self.hub.set_carried(self.now, false, &mut self.out);
        }
        self.hub.set_carried(self.now, new.is_some(), &mut self.out);
        let is_server = new == self.connection.stream;
        self.hub.on_buffered(self.now, if is_server { self.connection.buffered } else { 0 }, &mut self.out);
    }

    /// A relayed packet has come.
    pub(super) fn on_packet(&mut self, frame: &[u8]) {
        // A host that has said goodbye takes nothing more: what it does not acknowledge is said to the next one.
        if self.connection.phase != Phase::Leaving || !self.hub.is_hosting() {
            self.landed.count(PathKind::Relay);
            self.hub.on_relayed(self.now, frame, &mut self.out);
        }
    }

    /// In the lobby, with what admits to the relay.
    pub(super) fn on_relay_token(&mut self, token: Option<Secret>) {
        self.choose_carrier();
        if token.is_some() {
            self.carrier.token = token;
        }
        if self.carrier.step == Step::Off {
            // Without a relay of its own there is nothing to open.
            self.open_carrier();
        }
    }

    fn open_carrier(&mut self) {
        let Some(url) = self.config.relay_server.clone().filter(|_| self.config.allow_relay) else { return };
        let stream = self.next_stream();
        self.carrier.step = Step::Opening;
        self.carrier.stream = Some(stream);
        self.carrier.until = Some(self.now + self.config.relay_timeout);
        let subprotocol = Encoding::Postcard.subprotocol();
        self.out.act(Act::Open(stream, Target::WebSocket { url, subprotocol }));
    }

    pub(super) fn on_carrier_opened(&mut self) {
        let (Some(lobby), Some(token), Some(stream)) = (&self.lobby, self.carrier.token.clone(), self.carrier.stream)
        else {
            return;
        };
        if self.carrier.step == Step::Opening {
            self.carrier.step = Step::Joining;
            let message = ClientMessage::JoinRelay(JoinRelay { lobby_id: lobby.info.lobby_id.clone(), token });
            self.out.act(Act::Send(stream, signal::encode_client(Encoding::Postcard, &message)));
        }
    }

    pub(super) fn on_carrier_frame(&mut self, frame: &Frame) {
        self.carrier.heard_at = self.now;
        if self.carrier.step == Step::Joined {
            self.carrier.is_asked = false;
            self.carrier.until = Some(self.now + ASK_AFTER);
        }
        if let Frame::Binary(bytes) = frame
            && bytes.first() == Some(&TAG)
        {
            return self.on_packet(bytes);
        }
        match signal::decode_server(Encoding::Postcard, frame) {
            Ok(ServerMessage::RelayJoined) if self.carrier.step == Step::Joining => {
                self.carrier.step = Step::Joined;
                self.carrier.is_asked = false;
                self.carrier.until = Some(self.now + ASK_AFTER);
                self.carrier.failures = 0;
                self.choose_carrier();
            }
            Ok(ServerMessage::Pong(_)) => {}
            Ok(ServerMessage::Error(error)) => self.on_carrier_lost(&error.message),
            Ok(_) | Err(_) => self.out.dropped.frames += 1,
        }
    }

    /// The relay could not be reached, or broke. It is tried again for as long as the player is wanted.
    pub(super) fn on_carrier_lost(&mut self, why: &str) {
        if let Some(stream) = self.carrier.stream.take() {
            self.out.act(Act::Close(stream));
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.carrier.failures.min(16)).min(PAUSE_MOST);
        let pause = pause.mul_f64(self.random.random_range(0.5..=1.0));
        self.carrier.failures = self.carrier.failures.saturating_add(1);
        self.carrier.step = Step::Pausing;
        self.carrier.until = Some(self.now + pause);
        self.choose_carrier();
        self.out.note(|| format!("the relay is away: {why}"));
    }

    pub(super) fn on_carrier_timeout(&mut self) {
        if self.carrier.until.is_some_and(|until| until <= self.now) {
            match self.carrier.step {
                Step::Opening | Step::Joining => self.on_carrier_lost("it did not answer in time"),
                Step::Pausing => self.open_carrier(),
                Step::Joined if self.carrier.is_asked => self.on_carrier_lost("it fell silent"),
                Step::Joined => {
                    self.carrier.is_asked = true;
                    self.carrier.until = Some(self.now + ANSWER_WITHIN);
                    self.ask_carrier();
                }
                Step::Off => self.carrier.until = None,
            }
        }
    }

    /// Asks who is at the other end of the stream that carries whether it is there.
    pub(super) fn ask_carrier(&mut self) {
        if let Some(stream) = self.carrying() {
            let frame = signal::encode_client(Encoding::Postcard, &ClientMessage::Ping(Ping::default()));
            self.out.act(Act::Send(stream, frame));
        }
    }
}
