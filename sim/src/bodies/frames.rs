//! Any frame of the star, from a script.

use super::script::Script;
use bytes::Bytes;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::wire::limits::MAX_MESSAGE;
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_core::wire::star::{
    Beyond, Channel, Content, Copy, Destination, Entry, Frame, Kind, LogEnd, Mark, Position, Promise, Ruling, Span,
    TableRow, Told,
};
use webstar_core::wire::view::{Certified, MAX_BACKUPS, Proof, PublicKey, Signature, View, Voter};

/// Things of a list that is made up, at most.
const MOST: usize = 12;

/// A frame; only what the codec cannot write is left out.
pub(super) fn frame(script: &mut Script<'_>) -> Frame {
    match script.byte() % 16 {
        0 => Frame::Publish {
            channel: channel(script),
            seq: seq(script),
            to: destination(script),
            kind: kind(script),
            payload: payload(script),
        },
        1 | 2 => {
            let epoch = epoch(script);
            Frame::Entry { epoch, entry: entry(script, epoch) }
        }
        3 => Frame::Mark { epoch: epoch(script), mark: mark(script) },
        4 => Frame::Stored { epoch: epoch(script), position: position(script) },
        5 => Frame::Hold(script.flag()),
        6 => Frame::Have { epoch: epoch(script), beyond: beyond(script) },
        7 => Frame::Start {
            epoch: epoch(script),
            position: position(script),
            is_joiner: script.flag(),
            snapshot_bytes: script.scaled() % (MAX_MESSAGE as u64 + 1),
        },
        8 => snapshot(script),
        9 => Frame::Copy { epoch: epoch(script), copy: copy(script) },
        10 => {
            let epoch = epoch(script);
            let log = script.flag().then(|| LogEnd { whole_in: epoch, end: position(script) });
            Frame::Fetch { epoch, log }
        }
        11 => Frame::Propose { view: view(script), is_dormant: script.flag() },
        12 => Frame::Promise(Box::new(promise(script))),
        13 => Frame::Newer(Box::new(certified(script))),
        14 => Frame::Activate {
            certified: Box::new(certified(script)),
            spans: some(script, span),
            voids: rising(script).into_iter().map(Position).collect(),
        },
        _ => Frame::Freeze { epoch: epoch(script), end: position(script) },
    }
}

fn some<T>(script: &mut Script<'_>, make: impl Fn(&mut Script<'_>) -> T) -> Vec<T> {
    (0..usize::from(script.byte()) % (MOST + 1)).map(|_| make(script)).collect()
}

fn rising(script: &mut Script<'_>) -> Vec<u64> {
    let mut before = 0_u64;
    let steps = some(script, |script| script.scaled() % (1 << 60) + 1);
    steps.into_iter().map_while(|step| before.checked_add(step).inspect(|number| before = *number)).collect()
}

fn epoch(script: &mut Script<'_>) -> Epoch {
    Epoch { term: script.scaled() as u32, round: script.scaled() as u32 }
}

fn position(script: &mut Script<'_>) -> Position {
    Position(script.scaled())
}

fn player(script: &mut Script<'_>) -> PlayerId {
    PlayerId((script.scaled() as u32).max(1))
}

fn incarnation(script: &mut Script<'_>) -> Incarnation {
    Incarnation(script.scaled() as u32)
}

fn seq(script: &mut Script<'_>) -> u64 {
    script.scaled().max(1)
}

fn channel(script: &mut Script<'_>) -> Channel {
    script.pick(&[Channel::Reliable, Channel::Ordered])
}

fn destination(script: &mut Script<'_>) -> Destination {
    match script.byte() % 5 {
        0 => Destination::All,
        1 => Destination::Others,
        2 => Destination::Host,
        3 => Destination::One(player(script)),
        _ => Destination::AllBut(some(script, player)),
    }
}

/// Known by number, which its name tells, or by name.
fn kind(script: &mut Script<'_>) -> Kind {
    let number = u16::from(script.byte()) + 1;
    let name = match script.byte() % 4 {
        0 => "k".repeat(usize::from(number) % 64 + 1),
        1 => "chat".into(),
        _ => format!("#{number}"),
    };
    Kind::new(&name).expect("it has a name's length")
}

fn payload(script: &mut Script<'_>) -> Bytes {
    let length = script.byte();
    Bytes::copy_from_slice(script.take(usize::from(length)))
}

/// One in eight is rewritten, and one is rejected.
fn ruled(which: u8, told: Told) -> Told {
    match which % 8 {
        6 => Told { ruling: Ruling::Rewritten, ..told },
        7 => Told {
            to: Destination::One(told.from),
            payload: Bytes::from_static(b"why"),
            ruling: Ruling::Rejected,
            ..told
        },
        _ => told,
    }
}

fn entry(script: &mut Script<'_>, expected: Epoch) -> Entry {
    let position = Position(seq(script));
    let epoch = if script.flag() { epoch(script) } else { expected };
    let what = script.byte();
    let content = match what % 8 {
        0 => Content::Joined { player: player(script), incarnation: incarnation(script), taken: pair(script) },
        1 => Content::Left { player: player(script) },
        2 => Content::Void,
        _ => Content::Message(ruled(
            what / 8,
            Told {
                from: player(script),
                channel: channel(script),
                seq: seq(script),
                to: destination(script),
                kind: kind(script),
                payload: payload(script),
                ruling: Ruling::AsSent,
            },
        )),
    };
    Entry { position, epoch, content }
}

fn pair(script: &mut Script<'_>) -> [u64; 2] {
    [script.scaled(), script.scaled()]
}

fn mark(script: &mut Script<'_>) -> Mark {
    Mark { committed: position(script), settled: position(script), cut: position(script), acked: pair(script) }
}

fn beyond(script: &mut Script<'_>) -> Beyond {
    Beyond {
        settled: position(script),
        held: rising(script).into_iter().map(Position).collect(),
        wants_snapshot: script.flag(),
        acked: pair(script),
    }
}

fn snapshot(script: &mut Script<'_>) -> Frame {
    let (epoch, position, piece) = (epoch(script), position(script), payload(script));
    let offset = script.scaled() % (MAX_MESSAGE - piece.len() + 1) as u64;
    let end = offset + piece.len() as u64;
    let size = end + script.scaled() % (MAX_MESSAGE as u64 - end + 1);
    Frame::Snapshot { epoch, position, size, hash: [script.byte(); 32], offset, piece }
}

fn span(script: &mut Script<'_>) -> Span {
    Span { epoch: epoch(script), end: position(script) }
}

fn copy(script: &mut Script<'_>) -> Copy {
    let row = |script: &mut Script<'_>| TableRow {
        player: player(script),
        incarnation: incarnation(script),
        is_present: script.flag(),
        taken: pair(script),
        beyond: rising(script),
    };
    Copy {
        cut: position(script),
        end: position(script),
        same: position(script),
        table: some(script, row),
        spans: some(script, span),
    }
}

fn signature(script: &mut Script<'_>) -> Signature {
    Signature([script.byte(); 64])
}

/// Not a well-formed one, as a rule: whether it is stands in no byte of its own.
fn view(script: &mut Script<'_>) -> View {
    let voter = |script: &mut Script<'_>| Voter {
        player: player(script),
        incarnation: incarnation(script),
        key: PublicKey([script.byte(); 32]),
    };
    let causes = [HostCause::CrashSilent, HostCause::Voted, HostCause::Forced].map(Some);
    View {
        epoch: epoch(script),
        base: epoch(script),
        since: epoch(script),
        cause: script.flag().then(|| script.pick(&causes)).flatten(),
        host: player(script),
        backups: some(script, player).into_iter().take(MAX_BACKUPS).collect(),
        voters: some(script, voter),
    }
}

fn certified(script: &mut Script<'_>) -> Certified {
    let proof = match script.byte() % 3 {
        0 => Proof::Server(signature(script)),
        1 => Proof::Quorum {
            server: script.flag().then(|| signature(script)),
            promises: some(script, |script| (player(script), signature(script))),
        },
        _ => Proof::Fork(signature(script)),
    };
    Certified { view: view(script), proof }
}

fn promise(script: &mut Script<'_>) -> Promise {
    let (epoch, signature, active) = (epoch(script), signature(script), epoch(script));
    let log = script.flag().then(|| LogEnd { whole_in: active, end: position(script) });
    Promise {
        epoch,
        signature,
        active,
        promised: some(script, view),
        log,
        settled: position(script),
        beyond: some(script, |script| entry(script, active)),
    }
}
