//! A player whose doors may be watched: the same doors as those of a [`Peer`], and what goes through them written down if
//! that is wanted. Decides nothing.

use super::entry::{Raw, Ruling, To, Told, left_out, number_of};
use super::recorder::Recorder;
use crate::config::{ConfigError, PlayerConfig};
use crate::id::CommandId;
use crate::peer::{
    Channel, Command, CommandError, DecideError, Destination, Input, InputError, JoinRequest, Origin, Output, Peer,
    Position, ProposalId, SendError, Sent, Verdict,
};
use crate::time::Instant;
use crate::wire::view::Signatures;
use bytes::Bytes;
use core::ops::Deref;

/// A [`Peer`] that may be recorded. Not recorded it costs nothing more.
///
/// ```
/// use webstar_core::config::PlayerConfig;
/// use webstar_core::peer::{JoinRequest, Output, Wish};
/// use webstar_core::recording::{Recorded, Replay};
/// use webstar_core::time::Instant;
/// use webstar_core::wire::signal::{LobbyName, Username};
///
/// let request = JoinRequest::new(Username::new("ann")?, Wish::Named(LobbyName::new("room")?));
/// let mut player = Recorded::watched(PlayerConfig::default(), request, [7; 32], Instant::ZERO)?;
/// let mut file = Vec::new();
/// while !matches!(player.poll(), Output::Timeout(_)) {}
/// file.extend(player.take_recording().unwrap_or_default()); // after every drain
/// file.extend(player.take_all_of_recording().unwrap_or_default()); // at the end
///
/// let mut replay = Replay::open(&file)?;
/// while let Some((at, step)) = replay.next()? {
///     println!("{at}: {step:?}");
/// }
/// assert_eq!(replay.tally().outputs, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recorded {
    peer: Peer,
    recorder: Option<Box<Recorder>>,
}

impl Recorded {
    /// A player that is not recorded.
    pub fn unwatched(
        config: PlayerConfig,
        request: JoinRequest,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, ConfigError> {
        Ok(Recorded { peer: Peer::new(config, request, seed, now)?, recorder: None })
    }

    /// A player that is recorded from its first moment on.
    pub fn watched(
        config: PlayerConfig,
        request: JoinRequest,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let Origin { dice, key } = Origin::of_seed(&seed);
        let signatures = Signatures::default();
        let origin = Origin { dice, key: key.noting(&signatures) };
        let recorder = Recorder::new(&config, &request, &origin, &signatures, now);
        Ok(Recorded { peer: Peer::of_origin(config, request, origin, now)?, recorder: Some(Box::new(recorder)) })
    }

    /// See [`Peer::handle`].
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), InputError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.on_input(now, &input);
        }
        let answer = self.peer.handle(now, input);
        if let Some(recorder) = &mut self.recorder {
            recorder.on_answer(&answer);
        }
        answer
    }

    /// See [`Peer::send`].
    pub fn send(
        &mut self,
        now: Instant,
        to: &Destination,
        channel: Channel,
        kind: &str,
        payload: Bytes,
    ) -> Result<Sent, SendError> {
        let Some(recorder) = &mut self.recorder else { return self.peer.send(now, to, channel, kind, payload) };
        let left_out = left_out(to);
        let to_told = To::of(to, &left_out);
        recorder.told(now, Told::Send { to: to_told, channel: number_of(channel), kind, payload: Raw(&payload) });
        let answer = self.peer.send(now, to, channel, kind, payload);
        recorder.on_answer(&answer);
        answer
    }

    /// See [`Peer::snapshot`].
    pub fn snapshot(&mut self, now: Instant, position: Position, state: Bytes) {
        if let Some(recorder) = &mut self.recorder {
            recorder.told(now, Told::Snapshot { position, state: Raw(&state) });
        }
        self.peer.snapshot(now, position, state);
        if let Some(recorder) = &mut self.recorder {
            recorder.on_answer(&());
        }
    }

    /// See [`Peer::command`].
    pub fn command(&mut self, now: Instant, command: Command) -> Result<CommandId, CommandError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.told(now, Told::Command(command.clone()));
        }
        let answer = self.peer.command(now, command);
        if let Some(recorder) = &mut self.recorder {
            recorder.on_answer(&answer);
        }
        answer
    }

    /// See [`Peer::decide`].
    pub fn decide(&mut self, now: Instant, proposal: ProposalId, verdict: Verdict) -> Result<(), DecideError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.told(now, Told::Decide { proposal, ruling: Ruling::of(&verdict) });
        }
        let answer = self.peer.decide(now, proposal, verdict);
        if let Some(recorder) = &mut self.recorder {
            recorder.on_answer(&answer);
        }
        answer
    }

    /// See [`Peer::poll`].
    pub fn poll(&mut self) -> Output<'_> {
        let output = self.peer.poll();
        if let Some(recorder) = &mut self.recorder {
            recorder.on_output(&output);
        }
        output
    }

    /// See [`Peer::poll_note`].
    pub fn poll_note(&mut self) -> Option<String> {
        self.peer.poll_note()
    }

    /// The next bytes of the recording, to be stored behind the ones before: to be asked for after every drain. Most drains
    /// give none.
    pub fn take_recording(&mut self) -> Option<Vec<u8>> {
        self.recorder.as_mut()?.take()
    }

    /// What there is of the recording beyond that, to the last output: at the end.
    pub fn take_all_of_recording(&mut self) -> Option<Vec<u8>> {
        self.recorder.as_mut()?.take_all()
    }

    /// Nothing more is recorded: it cannot be stored.
    pub fn stop_recording(&mut self) {
        self.recorder = None;
    }
}

impl Deref for Recorded {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}
