//! A relay apart from the lobby server: a second stream that carries the star and nothing else. Without one the server
//! connection carries it.

use super::outbox::Act;
use super::{Peer, Phase, Target};
use crate::id::StreamId;
use crate::time::{Duration, Instant};
use crate::wire::relay;
use crate::wire::signal::{self, ClientMessage, Encoding, Frame, JoinRelay, Secret, ServerMessage};
use rand::RngExt;

/// The pause after the first failure; it doubles with each, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MOST: Duration = Duration::from_secs(4);

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
}

impl Carrier {
    pub(super) fn new() -> Self {
        Carrier { step: Step::Off, stream: None, until: None, failures: 0, token: None }
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
        match self.config.relay_server {
            Some(_) => self.carrier.stream.filter(|_| self.carrier.step == Step::Joined),
            None => self.connection.stream.filter(|_| matches!(self.connection.phase, Phase::In | Phase::Leaving)),
        }
    }

    /// In the lobby, with what admits to the relay.
    pub(super) fn on_relay_token(&mut self, token: Option<Secret>) {
        if self.config.relay_server.is_none() {
            return self.star.set_carried(self.now, true, &mut self.out);
        }
        if token.is_some() {
            self.carrier.token = token;
        }
        if self.carrier.step == Step::Off {
            self.open_carrier();
        }
    }

    fn open_carrier(&mut self) {
        let Some(url) = self.config.relay_server.clone() else { return };
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
        if let Frame::Binary(bytes) = frame
            && bytes.first() == Some(&relay::TAG)
        {
            return self.star.on_frame(self.now, bytes, &mut self.out);
        }
        match signal::decode_server(Encoding::Postcard, frame) {
            Ok(ServerMessage::RelayJoined) if self.carrier.step == Step::Joining => {
                self.carrier.step = Step::Joined;
                self.carrier.until = None;
                self.carrier.failures = 0;
                self.star.set_carried(self.now, true, &mut self.out);
            }
            Ok(ServerMessage::Error(error)) => self.on_carrier_lost(&error.message),
            Ok(_) | Err(_) => self.out.dropped.frames += 1,
        }
    }

    /// The relay could not be reached, or broke. It is tried again for as long as the player is wanted.
    pub(super) fn on_carrier_lost(&mut self, why: &str) {
        if let Some(stream) = self.carrier.stream.take() {
            self.out.act(Act::Close(stream));
        }
        self.star.set_carried(self.now, false, &mut self.out);
        let pause = PAUSE_FIRST.saturating_mul(1 << self.carrier.failures.min(16)).min(PAUSE_MOST);
        let pause = pause.mul_f64(self.random.random_range(0.5..=1.0));
        self.carrier.failures = self.carrier.failures.saturating_add(1);
        self.carrier.step = Step::Pausing;
        self.carrier.until = Some(self.now + pause);
        self.out.note(|| format!("the relay is away: {why}"));
    }

    pub(super) fn on_carrier_timeout(&mut self) {
        if self.carrier.until.is_some_and(|until| until <= self.now) {
            match self.carrier.step {
                Step::Opening | Step::Joining => self.on_carrier_lost("it did not answer in time"),
                Step::Pausing => self.open_carrier(),
                Step::Off | Step::Joined => self.carrier.until = None,
            }
        }
    }
}
