//! The player machine: joins a lobby, holds a conversation ([`link`]) with the host, or as host with everybody, and
//! gives messages their way through the star. It opens no socket: byte streams are asked for by [`Output::Open`].
//!
//! One idiom: one [`Peer::handle`], or one of the typed doors (`send`, `command`), then [`Peer::poll`] until
//! [`Output::Timeout`].
//!
//! What an application may rely on is told in [`crate::star`]: what is ordered comes in one order to everybody, what is
//! reliable once, whoever is host. `HostChanged` (whose epochs rise) is for information. What cannot be kept is told:
//! `ContinuityLost` comes before anything else is heard, `Resynced` before a game goes on from another state. After a
//! broken connection a player hears what it missed; what changed in the lobby meanwhile is told before the second
//! `Joined`.

mod arrivals;
mod authority;
mod carrier;
mod casting;
mod command;
mod connect;
mod contacts;
mod event;
mod frames;
mod gauge;
mod guests;
mod handing;
mod hub;
mod keys;
mod kinds;
mod landed;
mod lanes;
pub mod link;
mod link_choice;
mod link_config;
mod lobby;
mod origin;
mod outbox;
mod referee;
mod request;
mod rhythm;
mod seam;
mod spoke;
mod telling;
mod upload;
mod weather;
mod words;
mod writing;

pub use crate::wire::star::Destination;
pub use event::{
    Channel, CommandError, DecideError, Ended, Kind, PeerEvent, PeerMessage, PlayerStats, Position, Proposal,
    ProposalId, Refusal, SendError, Sent, Snapshot, Verdict,
};
pub use landed::Landed;
pub(crate) use origin::{Dice, Origin};
pub use outbox::PeerDropped;
pub use referee::Rule;
pub use request::{Command, JoinRequest, Ticket, Wish};
pub use seam::{Input, InputError, Output, Payload, PeerTimer, Target};

use crate::config::{ConfigError, PlayerConfig};
use crate::id::{CommandId, PathId, PlayerId, StreamId};
use crate::path::PathKind;
use crate::star::Star;
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{ClientMessage, CloseReason, Frame, Role};
use crate::wire::star::{MAX_KIND, MAX_LEFT_OUT};
use bytes::Bytes;
use carrier::Carrier;
use command::LEAVE_WITHIN;
use connect::{Connection, Phase};
use handing::Handing;
use hub::Hub;
use lobby::{Lobby, RELAYED};
use outbox::{Act, Outbox};
use rand::rngs::ChaCha8Rng;
use spoke::RELAY;
use std::collections::BTreeSet;
use weather::{Way, Weather};
use words::Identity;

/// Called so much too late we were asleep: what was not heard meanwhile was not silent.
const OVERSLEPT: Duration = Duration::from_millis(500);

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
    hub: Hub,
    identity: Identity,
    weather: Weather,
    landed: Landed,
    streams: u32,
    commands: u32,
    /// Requests that the server has not answered.
    requests: BTreeSet<u32>,
    is_hidden: bool,
    /// Leaving, at the latest then.
    leave_by: Option<Instant>,
    /// As host and leaving: another takes over.
    is_succeeded: bool,
    handing: Handing,
    /// When we asked to be called, as of the last drain.
    due: Option<Instant>,
    /// The frame that is lent out.
    lent: Option<Frame>,
}

impl Peer {
    /// A player that begins to join at the first poll.
    pub fn new(config: PlayerConfig, request: JoinRequest, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        Peer::of_origin(config, request, Origin::of_seed(&seed), now)
    }

    /// The same, from what grows from a seed.
    pub(crate) fn of_origin(
        config: PlayerConfig,
        request: JoinRequest,
        origin: Origin,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let Origin { dice, key } = origin;
        let mut peer = Peer {
            hub: Hub::new(config.clone(), dice.hub(), now),
            weather: Weather::new(&config, dice.weather()),
            out: Outbox::new(config.debug),
            connection: Connection::new(config.signaling_server.clone(), now),
            carrier: Carrier::new(now),
            config,
            request,
            now,
            random: dice.pauses(),
            lobby: None,
            identity: Identity::new(key),
            landed: Landed::default(),
            streams: 0,
            commands: 0,
            requests: BTreeSet::new(),
            is_hidden: false,
            leave_by: None,
            is_succeeded: false,
            handing: Handing::default(),
            due: None,
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
        if self.due.take().is_some_and(|due| due + OVERSLEPT <= self.now) {
            self.hub.on_slept(self.now, &mut self.out);
        }
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
            Input::Pipe { player, path, attempt, fact } => {
                self.check_direct(path)?;
                let taken = self.hub.on_pipe(self.now, player, path, attempt, fact, &mut self.out);
                taken.map_err(|_| InputError::Unusable(path))?;
            }
            Input::Packet { player, path, bytes } => {
                let kind = self.check_direct(path)?;
                self.landed.count(kind);
                self.hub.on_packet(self.now, player, path, &bytes, &mut self.out);
            }
            Input::Signal { player, signal } => self.tell_signal(player, signal),
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
                Some(Role::Guest) => return self.send_to_guest(*player, channel, kind, &payload),
                Some(Role::Player | Role::Spectator) => {
                    self.hub.send(self.now, to, channel, kind, payload, &mut self.out)?
                }
            },
            Destination::AllBut(players) => {
                // One spelling for every set, so that it is one latest-only key.
                let present: BTreeSet<PlayerId> =
                    players.iter().copied().filter(|player| lobby.roster.get(*player).is_some()).collect();
                let to = Destination::AllBut(present.into_iter().take(MAX_LEFT_OUT).collect());
                self.hub.send(self.now, &to, channel, kind, payload, &mut self.out)?
            }
            Destination::All | Destination::Others | Destination::Host => {
                self.hub.send(self.now, to, channel, kind, payload, &mut self.out)?
            }
        };
        if let Some(payload) = for_guests {
            self.send_to_guests(to, &payload);
        }
        self.settle_star();
        Ok(sent)
    }

    /// The game's state after everything that was delivered up to `position`, as [`PeerEvent::SnapshotWanted`] asked. An
    /// empty one is none.
    pub fn snapshot(&mut self, now: Instant, position: Position, state: Bytes) {
        self.now = self.now.max(now);
        self.hub.on_snapshot(self.now, position, state);
        self.settle_star();
    }

    /// As host with `authority`: what becomes of a message that [`PeerEvent::Proposal`] has told. The same at every player,
    /// as any may be host.
    ///
    /// ```
    /// use webstar_core::config::PlayerConfig;
    /// use webstar_core::peer::{Peer, PeerEvent, Verdict};
    /// use webstar_core::time::Instant;
    ///
    /// let config = PlayerConfig { authority: true, referee_rate: Some(60.0), ..PlayerConfig::default() };
    /// config.check()?;
    ///
    /// fn on_event(peer: &mut Peer, now: Instant, event: &PeerEvent) {
    ///     let PeerEvent::Proposal(proposal) = event else { return };
    ///     let verdict = match proposal.kind.as_str() {
    ///         "move" => Verdict::Accept,
    ///         "shout" => Verdict::Rewrite(proposal.payload.to_ascii_lowercase().into()),
    ///         other => Verdict::Reject(format!("nobody may {other} here")),
    ///     };
    ///     // An error means that another is host now, and is asked.
    ///     let _ = peer.decide(now, proposal.id, verdict);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decide(&mut self, now: Instant, proposal: ProposalId, verdict: Verdict) -> Result<(), DecideError> {
        self.now = self.now.max(now);
        if self.connection.phase == Phase::Ended {
            return Err(DecideError::Ended);
        }
        let outcome = self.hub.decide(self.now, proposal, verdict);
        self.settle_star();
        outcome
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
            Some(Act::Pipe(player, path, order)) => return Output::Pipe { player, path, order },
            Some(Act::Signal(player, signal)) => return Output::Signal { player, signal },
            Some(Act::IceServers(servers)) => return Output::IceServers { servers },
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
        while let Some((player, path)) = self.hub.write_packet(self.now) {
            let way = if path == RELAY.id { Way::Relay } else { Way::Direct(player, path) };
            if way == Way::Relay && stream.is_none() {
                continue;
            }
            if !is_bad {
                return transmit(stream, way, self.hub.packet(player));
            }
            if !self.weather.take(self.now, way, self.hub.packet(player)) {
                self.out.dropped.simulated += 1;
            }
        }
        if stream.is_none() {
            self.weather.clear_relay();
        }
        if is_bad && let Some(way) = self.weather.poll(self.now) {
            return transmit(stream, way, self.weather.frame());
        }
        let deadline = self.deadline();
        // What became due in the past by what was just told is not late yet.
        self.due = deadline.map(|(at, _)| at.max(self.now));
        Output::Timeout(deadline)
    }

    /// With `debug`: the next note of what was said and dropped, for a log. At most 256 wait; the oldest make room.
    pub fn poll_note(&mut self) -> Option<String> {
        self.out.poll_note()
    }

    /// The players we talk with, in numbers.
    pub fn stats(&self) -> Vec<PlayerStats> {
        self.hub.stats()
    }

    /// How many packets of other players have come, by the kind of their path.
    pub fn landed(&self) -> Landed {
        self.landed
    }

    /// What had no effect so far, by reason.
    pub fn dropped(&self) -> PeerDropped {
        self.out.dropped
    }

    /// What brings us back under our number if we lose our memory; a new one comes with each [`PeerEvent::Joined`].
    pub fn ticket(&self) -> Option<Ticket> {
        self.connection.place.clone()
    }

    /// The star as this player sees it.
    pub fn star(&self) -> &Star {
        &self.hub.star
    }

    /// The kind of a direct path.
    fn check_direct(&self, path: PathId) -> Result<PathKind, InputError> {
        let kind = usize::from(path.0).checked_sub(1).and_then(|at| self.config.direct_paths.get(at));
        kind.copied().ok_or(InputError::NoSuchPath(path))
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
            self.hub.on_buffered(self.now, bytes, &mut self.out);
        }
        Ok(())
    }

    /// Brings everything to agree about this moment.
    fn settle(&mut self) {
        self.on_server_timeout();
        self.on_carrier_timeout();
        self.hub.on_timeout(self.now, &mut self.out);
        self.settle_star();
        self.watch_host();
        if self.hostless_until().is_some_and(|until| until <= self.now) {
            self.say(&ClientMessage::LeaveLobby);
            self.end(Ended::PutOut(CloseReason::HostLost));
        }
        self.put_out();
        self.settle_handing();
        self.leave_if_flushed();
    }

    fn deadline(&self) -> Option<(Instant, PeerTimer)> {
        if self.connection.phase == Phase::Ended {
            return None;
        }
        let reach = earlier(self.connection.deadline(), self.carrier.deadline());
        let leave = earlier(earlier(self.leave_by, self.handing.deadline()), self.hostless_until());
        let server = earlier(reach, leave).map(|at| (at, PeerTimer::Server));
        let weather = self.weather.deadline().map(|at| (at, PeerTimer::Star));
        [server, self.hub.deadline(), weather].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

/// A packet on its way out.
fn transmit(stream: Option<StreamId>, way: Way, bytes: &[u8]) -> Output<'_> {
    match (way, stream) {
        (Way::Direct(player, path), _) => Output::Packet { player, path, payload: bytes },
        (Way::Relay, Some(stream)) => Output::Transmit { stream, payload: Payload::Binary(bytes) },
        (Way::Relay, None) => unreachable!("what waits for the relay is forgotten when nothing carries it"),
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
