//! A place from which somebody talks to the server: a player machine, or a plain client that says what it is told to.
//! Where its bytes go is the world's business.

use super::clock::Clock;
use super::line::Line;
use super::webrtc;
use crate::net::LinkConfig as Conditions;
use core::net::IpAddr;
use std::collections::VecDeque;
use webstar_core::id::{PathId, PlayerId, StreamId};
use webstar_core::peer::{Input, Peer};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{ClientMessage, Encoding, LobbyName};

/// Which place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
pub struct SeatId(pub u16);

impl SeatId {
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Who sits there.
#[derive(Debug)]
pub(super) enum Machine {
    /// Nobody.
    Empty,
    /// A player.
    Player(Box<Peer>),
    /// A client without a machine.
    Plain(Plain),
}

/// A client that says what it is told to say: a guest, or somebody who tries things.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) encoding: Encoding,
    /// What it says first.
    pub(super) greeting: Vec<ClientMessage>,
    pub(super) is_open: bool,
}

/// One place.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) machine: Machine,
    pub(super) clock: Clock,
    pub(super) address: IpAddr,
    pub(super) line: Line,
    /// How it is connected for direct ways: from it, to it.
    pub(super) access: [Conditions; 2],
    /// How many machines have sat here.
    pub(super) life: u32,
    /// Where its machine is, as it was told: the lobby and its number there.
    pub(super) place: Option<(LobbyName, PlayerId)>,
    /// Its direct ways, by whom they lead to.
    pub(super) wires: Vec<(PlayerId, PathId, usize)>,
    /// Its WebRTC connections.
    pub(super) direct: webrtc::Direct,
    /// The streams that its machine knows, and which cables they are.
    pub(super) streams: Vec<(StreamId, usize)>,
    /// Its machine has told its end.
    pub(super) is_over: bool,
    /// It is not called.
    pub(super) is_asleep: bool,
    /// What has happened to it meanwhile, and on which cable.
    pub(super) inbox: VecDeque<(Option<usize>, Input)>,
    /// When it last wanted to be called at the moment at which it was, and how often in a row.
    pub(super) spins: (Instant, u32),
}

impl Seat {
    pub(super) fn new(line: Line, clock: Clock, address: IpAddr) -> Self {
        Seat {
            machine: Machine::Empty,
            clock,
            address,
            line,
            access: [Conditions::default(); 2],
            life: 0,
            place: None,
            wires: Vec::new(),
            direct: webrtc::Direct::default(),
            streams: Vec::new(),
            is_over: false,
            is_asleep: false,
            inbox: VecDeque::new(),
            spins: (Instant::ZERO, 0),
        }
    }

    /// The cable of a stream.
    pub(super) fn cable(&self, stream: StreamId) -> Option<usize> {
        self.streams.iter().find(|(name, _)| *name == stream).map(|(_, cable)| *cable)
    }

    /// Whether the machine still knows the cable that this is about. What has ended it now forgets.
    pub(super) fn hear(&mut self, cable: Option<usize>, input: &Input) -> bool {
        match *input {
            Input::Pipe { .. } | Input::Packet { .. } | Input::Signal { .. } | Input::Timeout => true,
            Input::Closed { stream, .. } | Input::Failed { stream, .. } => {
                let is_known = self.cable(stream) == cable;
                if is_known {
                    self.forget(stream);
                }
                is_known
            }
            Input::Opened { stream } | Input::Frame { stream, .. } | Input::Buffered { stream, .. } => {
                self.cable(stream) == cable
            }
        }
    }

    /// The direct way to a player.
    pub(super) fn wire(&self, player: PlayerId, path: PathId) -> Option<usize> {
        find_wire(&self.wires, player, path)
    }

    /// The stream is no more.
    pub(super) fn forget(&mut self, stream: StreamId) -> Option<usize> {
        let at = self.streams.iter().position(|(name, _)| *name == stream)?;
        Some(self.streams.remove(at).1)
    }
}

/// Which of these direct ways leads to the player.
pub(super) fn find_wire(wires: &[(PlayerId, PathId, usize)], player: PlayerId, path: PathId) -> Option<usize> {
    let found = wires.iter().find(|(to, which, _)| (*to, *which) == (player, path));
    found.map(|(_, _, wire)| *wire)
}
