//! The player machine: joins a lobby, holds a conversation ([`link`]) with the host, or as host with everybody, and
//! gives messages their way through the star. It opens no socket: byte streams are asked for by [`Output::Open`].
//!
//! One idiom: one [`Peer::handle`], or one of the typed doors (`send`, `command`), then [`Peer::poll`] until
//! [`Output::Timeout`].
//!
//! What an application may rely on within one host's life: what is ordered comes in one order to everybody, what is
//! reliable once. Another host (`HostChanged`, whose epochs rise) begins anew: what was under way is lost, and
//! `ContinuityLost` tells so before anything else is heard. Numbers of messages go on. After a broken connection a player
//! hears what it missed; what changed in the lobby meanwhile is told before the second `Joined`.

mod carrier;
mod command;
mod connect;
mod doubt;
mod event;
mod guests;
mod keys;
mod kinds;
pub mod link;
mod link_config;
mod lobby;
mod outbox;
mod pressure;
mod request;
mod rhythm;
mod routing;
mod spoke;
mod star;
mod weather;

pub use crate::wire::star::Destination;
pub use event::{Channel, CommandError, Ended, Kind, PeerEvent, PeerMessage, PlayerStats, Refusal, SendError, Sent};
pub use outbox::PeerDropped;
pub use request::{Command, JoinRequest, Wish};

use crate::config::{ConfigError, PlayerConfig};
use crate::id::{CommandId, PlayerId, StreamId};
use crate::time::Instant;
use crate::wire::frame::Priority;
use crate::wire::signal::{ClientMessage, CloseReason, Frame, Role};
use crate::wire::star::{MAX_KIND, MAX_LEFT_OUT};
use bytes::Bytes;
use carrier::Carrier;
use command::{Handing, LEAVE_WITHIN};
use connect::{Connection, Phase};
use doubt::Doubt;
use lobby::{Lobby, RELAYED};
use outbox::{Act, Outbox};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use star::Star;
use std::collections::BTreeSet;
use thiserror::Error;
use weather::Weather;

/// What is told to a player.
#[derive(Debug)]
pub enum Input {
    /// A stream is open; for a WebSocket: the handshake is done.
    Opened {
        /// Which.
        stream: StreamId,
    },
    /// A stream could not be opened.
    Failed {
        /// Which.
        stream: StreamId,
        /// What the system said, for people.
        why: String,
    },
    /// A stream that was open is closed.
    Closed {
        /// Which.
        stream: StreamId,
        /// What the other side said in its close frame, if it said anything.
        reason: String,
    },
    /// A WebSocket message has come.
    Frame {
        /// On this stream.
        stream: StreamId,
        /// The message.
        frame: Frame,
    },
    /// So many bytes given to a stream have not left yet. Told whenever it changes much.
    Buffered {
        /// Which.
        stream: StreamId,
        /// How many.
        bytes: usize,
    },
    /// Nothing but time has passed.
    Timeout,
}

/// Why an input is misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InputError {
    /// No stream of that name was asked for, or it was closed.
    #[error("stream {} is not open; it was closed or never asked for", .0.0)]
    NoSuchStream(StreamId),
    /// The player has ended.
    #[error("this player has left for good; make a new one")]
    Ended,
}

/// What a player wants done, or tells.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this WebSocket message on a stream, after what went before. Messages may share a write.
    Transmit {
        /// The stream.
        stream: StreamId,
        /// The message.
        payload: Payload<'a>,
    },
    /// Open a byte stream; answer by [`Input::Opened`] or [`Input::Failed`].
    Open {
        /// Its name from now on.
        stream: StreamId,
        /// To where.
        target: Target,
    },
    /// Send what was given out and close the stream. Its name is free.
    Close {
        /// Which.
        stream: StreamId,
    },
    /// Something for the application.
    Event(PeerEvent),
    /// Nothing more to do until then, or until the next input.
    Timeout(Option<(Instant, PeerTimer)>),
}

/// A WebSocket message, lent for the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// Where a stream leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A WebSocket.
    WebSocket {
        /// `ws://` or `wss://`.
        url: String,
        /// The sub-protocol to ask for.
        subprotocol: &'static str,
    },
}

/// Who asked to be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PeerTimer {
    /// A conversation with another player.
    Link(crate::id::PlayerId),
    /// Connecting, joining or coming back.
    Server,
    /// The rhythm of the star.
    Star,
}

/// One player.
#[derive(Debug)]
pub struct Peer {
    config: PlayerConfig,
    request: JoinRequest,
    now: Instant,
    random: ChaCha8Rng,
    out: Outbox,
    connection: Connection,
    carrier: Carrier,
    lobby: Option<Lobby>,
    star: Star,
    weather: Weather,
    streams: u32,
    commands: u32,
    /// Requests that the server has not answered.
    requests: BTreeSet<u32>,
    is_hidden: bool,
    /// Leaving, at the latest then.
    leave_by: Option<Instant>,
    handing: Handing,
    doubt: Doubt,
    /// The frame that is lent out.
    lent: Option<Frame>,
}

impl Peer {
    /// A player that begins to join at the first poll.
    pub fn new(config: PlayerConfig, request: JoinRequest, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        let mut random = ChaCha8Rng::from_seed(seed);
        let star = Star::new(config.clone(), ChaCha8Rng::from_rng(&mut random), now);
        let draws = ChaCha8Rng::from_rng(&mut random);
        let mut peer = Peer {
            weather: Weather::new(config.simulate_packet_loss, config.simulate_latency, draws),
            out: Outbox::new(config.debug),
            connection: Connection::new(config.signaling_server.clone(), now),
            carrier: Carrier::new(now),
            config,
            request,
            now,
            random,
            lobby: None,
            star,
            streams: 0,
            commands: 0,
            requests: BTreeSet::new(),
            is_hidden: false,
            leave_by: None,
            handing: Handing::default(),
            doubt: Doubt::default(),
            lent: None,
        };
        peer.on_server_timeout();
        Ok(peer)
    }

    /// Tells the player what has happened. An older `now` is taken as the last one. What is told of a stream that was
    /// ordered closed is ignored.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), InputError> {
        if self.connection.phase == Phase::Ended {
            return Err(InputError::Ended);
        }
        self.now = self.now.max(now);
        match input {
            Input::Opened { stream } => match self.whose(stream)? {
                Whose::Server => self.on_server_opened(),
                Whose::Carrier => self.on_carrier_opened(),
                Whose::Nobody => {}
            },
            Input::Failed { stream, why } => self.on_gone(stream, &why, false)?,
            Input::Closed { stream, reason } => self.on_gone(stream, &reason, true)?,
            Input::Frame { stream, frame } => match self.whose(stream)? {
                Whose::Server => self.on_server_frame(&frame),
                Whose::Carrier => self.on_carrier_frame(&frame),
                Whose::Nobody => {}
            },
            Input::Buffered { stream, bytes } => self.on_buffered(stream, bytes)?,
            Input::Timeout => {}
        }
        self.settle();
        Ok(())
    }

    /// Sends a message through the star. [`SendError::Full`] means not taken; [`PeerEvent::Drained`] follows once.
    pub fn send(
        &mut self,
        now: Instant,
        to: &Destination,
        channel: Channel,
        kind: &str,
        payload: Bytes,
    ) -> Result<Sent, SendError> {
        self.now = self.now.max(now);
        if self.connection.phase == Phase::Ended || self.leave_by.is_some() || self.connection.phase == Phase::Leaving {
            return Err(SendError::Ended);
        }
        if !(1..=MAX_KIND).contains(&kind.len()) {
            return Err(SendError::BadKind);
        }
        if payload.len() > self.config.max_message {
            return Err(SendError::TooLong { max: self.config.max_message });
        }
        let Some(lobby) = &self.lobby else { return Err(SendError::NotJoined) };
        let for_guests = (kind == RELAYED).then(|| payload.clone());
        let sent = match to {
            Destination::One(player) => match lobby.roster.get(*player).map(|entry| entry.role) {
                None => return Err(SendError::NoSuchPlayer(*player)),
                Some(Role::Guest) => return self.send_to_guest(*player, channel, &payload),
                Some(Role::Player | Role::Spectator) => {
                    self.star.send(self.now, to, channel, kind, payload, &mut self.out)?
                }
            },
            Destination::AllBut(players) => {
                // One spelling for every set, so that it is one latest-only key.
                let present: BTreeSet<PlayerId> =
                    players.iter().copied().filter(|player| lobby.roster.get(*player).is_some()).collect();
                let to = Destination::AllBut(present.into_iter().take(MAX_LEFT_OUT).collect());
                self.star.send(self.now, &to, channel, kind, payload, &mut self.out)?
            }
            Destination::All | Destination::Others | Destination::Host => {
                self.star.send(self.now, to, channel, kind, payload, &mut self.out)?
            }
        };
        if let Some(payload) = for_guests {
            self.send_to_guests(to, &payload);
        }
        self.star.settle_pressure(self.now, &mut self.out);
        self.put_out_fallen();
        Ok(sent)
    }

    /// Asks for something; [`PeerEvent::Done`] tells what became of it.
    pub fn command(&mut self, now: Instant, command: Command) -> Result<CommandId, CommandError> {
        self.now = self.now.max(now);
        let id = self.take_command(command)?;
        self.settle();
        Ok(id)
    }

    /// The next thing to do; drain until [`Output::Timeout`].
    pub fn poll(&mut self) -> Output<'_> {
        match self.out.poll_act() {
            Some(Act::Open(stream, target)) => return Output::Open { stream, target },
            Some(Act::Close(stream)) => return Output::Close { stream },
            Some(Act::Send(stream, frame)) => {
                self.tell_guests_drained();
                let payload = match self.lent.insert(frame) {
                    Frame::Binary(bytes) => Payload::Binary(bytes),
                    Frame::Text(bytes) => Payload::Text(core::str::from_utf8(bytes).unwrap_or_default()),
                };
                return Output::Transmit { stream, payload };
            }
            None => {}
        }
        if let Some(event) = self.out.poll_event() {
            return Output::Event(event);
        }
        let stream = self.carrying();
        let is_bad = self.weather.is_bad();
        while let Some(player) = self.star.write_packet() {
            let Some(stream) = stream else { continue };
            if !is_bad {
                return Output::Transmit { stream, payload: Payload::Binary(self.star.packet(player)) };
            }
            if !self.weather.take(self.now, self.star.packet(player)) {
                self.out.dropped.simulated += 1;
            }
        }
        match stream {
            Some(stream) if is_bad => {
                if self.weather.poll(self.now) {
                    return Output::Transmit { stream, payload: Payload::Binary(self.weather.frame()) };
                }
            }
            _ => self.weather.clear(),
        }
        Output::Timeout(self.deadline())
    }

    /// With `debug`: the next note of what was said and dropped, for a log. At most 256 wait; the oldest make room.
    pub fn poll_note(&mut self) -> Option<String> {
        self.out.poll_note()
    }

    /// The players we talk with, in numbers.
    pub fn stats(&self) -> Vec<PlayerStats> {
        let path = self.star.spokes.iter().map(|(player, spoke)| {
            let stats = spoke.link.stats();
            let path = stats.paths.first();
            let queued = Priority::ALL.map(|priority| {
                stats.queued[priority as usize] + if priority == Priority::Normal { spoke.backlog() } else { 0 }
            });
            PlayerStats {
                player: *player,
                path: spoke.link.using().map(|_| crate::path::PathKind::Relay),
                rtt: path.and_then(|path| path.rtt),
                jitter: path.map(|path| path.jitter).unwrap_or_default(),
                loss: path.map_or(0.0, |path| path.loss),
                bytes_received: path.map_or(0, |path| path.bytes_received),
                bytes_sent: path.map_or(0, |path| path.bytes_sent),
                queued,
            }
        });
        path.collect()
    }

    /// What had no effect so far, by reason.
    pub fn dropped(&self) -> PeerDropped {
        self.out.dropped
    }

    fn next_stream(&mut self) -> StreamId {
        self.streams += 1;
        StreamId(self.streams)
    }

    fn whose(&self, stream: StreamId) -> Result<Whose, InputError> {
        if stream.0 == 0 || stream.0 > self.streams {
            return Err(InputError::NoSuchStream(stream));
        }
        Ok(match Some(stream) {
            told if told == self.connection.stream => Whose::Server,
            told if told == self.carrier.stream => Whose::Carrier,
            _ => Whose::Nobody,
        })
    }

    /// A stream could not be opened, or is closed: then the other side may have said why.
    fn on_gone(&mut self, stream: StreamId, why: &str, was_open: bool) -> Result<(), InputError> {
        match self.whose(stream)? {
            Whose::Server => {
                self.connection.stream = None;
                if was_open { self.on_server_closed(why) } else { self.on_lost(why) }
            }
            Whose::Carrier => {
                self.carrier.stream = None;
                self.on_carrier_lost(why);
            }
            Whose::Nobody => {}
        }
        Ok(())
    }

    fn on_buffered(&mut self, stream: StreamId, bytes: usize) -> Result<(), InputError> {
        if self.whose(stream)? == Whose::Server {
            self.connection.buffered = bytes;
            self.tell_guests_drained();
        }
        if self.carrying() == Some(stream) {
            self.star.on_buffered(self.now, bytes, &mut self.out);
        }
        Ok(())
    }

    /// Brings everything to agree about this moment.
    fn settle(&mut self) {
        self.on_server_timeout();
        self.on_carrier_timeout();
        self.star.on_timeout(self.now, &mut self.out);
        if self.hostless_until().is_some_and(|until| until <= self.now) {
            self.say(&ClientMessage::LeaveLobby);
            self.end(Ended::PutOut(CloseReason::HostLost));
        }
        self.star.settle_pressure(self.now, &mut self.out);
        self.put_out_fallen();
        self.doubt_host();
        self.hand_over_if_flushed();
        self.leave_if_flushed();
    }

    fn deadline(&self) -> Option<(Instant, PeerTimer)> {
        if self.connection.phase == Phase::Ended {
            return None;
        }
        let server = [
            self.connection.deadline(),
            self.carrier.deadline(),
            self.leave_deadline(),
            self.hostless_until(),
            self.doubt_deadline(),
        ];
        let server = server.into_iter().flatten().min().map(|at| (at, PeerTimer::Server));
        let weather = self.weather.deadline().map(|at| (at, PeerTimer::Star));
        [server, self.star.deadline(), weather].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// Who uses a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Server,
    Carrier,
    /// It was ordered closed.
    Nobody,
}
