//! Tells a player what a recording says that it was told, through the same door.

use super::entry::{Raw, Told, channel_of};
use crate::id::CommandId;
use crate::peer::{Channel, Command, CommandError, DecideError, Input, InputError, Peer, SendError, Sent};
use crate::time::Instant;
use crate::wire::signal::Frame;
use bytes::Bytes;

/// What a door has answered.
#[derive(Debug)]
pub(super) enum Answer {
    Input(Result<(), InputError>),
    Sent(Channel, Result<Sent, SendError>),
    Snapshot,
    Asked(Command, Result<CommandId, CommandError>),
    Decided(Result<(), DecideError>),
}

/// None: there is no such thing to tell.
pub(super) fn tell(peer: &mut Peer, now: Instant, told: Told<'_>) -> Option<Answer> {
    let owned = |Raw(bytes): Raw<'_>| Bytes::copy_from_slice(bytes);
    let input = match told {
        Told::Opened { stream } => Input::Opened { stream },
        Told::Failed { stream, why } => Input::Failed { stream, why: why.into() },
        Told::Closed { stream, reason } => Input::Closed { stream, reason: reason.into() },
        Told::Frame { stream, is_text, bytes } => {
            let frame = if is_text { Frame::Text(owned(bytes)) } else { Frame::Binary(owned(bytes)) };
            Input::Frame { stream, frame }
        }
        Told::Buffered { stream, bytes } => Input::Buffered { stream, bytes },
        Told::Pipe { player, path, attempt, fact } => Input::Pipe { player, path, attempt, fact },
        Told::Packet { player, path, bytes } => Input::Packet { player, path, bytes: owned(bytes) },
        Told::Signal { player, signal } => Input::Signal { player, signal },
        Told::Timeout => Input::Timeout,
        Told::Send { to, channel, kind, payload } => {
            let channel = channel_of(channel)?;
            return Some(Answer::Sent(channel, peer.send(now, &to.destination(), channel, kind, owned(payload))));
        }
        Told::Snapshot { position, state } => {
            peer.snapshot(now, position, owned(state));
            return Some(Answer::Snapshot);
        }
        Told::Command(command) => {
            let answer = peer.command(now, command.clone());
            return Some(Answer::Asked(command, answer));
        }
        Told::Decide { proposal, ruling } => {
            return Some(Answer::Decided(peer.decide(now, proposal, ruling.verdict())));
        }
    };
    Some(Answer::Input(peer.handle(now, input)))
}
