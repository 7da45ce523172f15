//! Frames in a few words, for people.

use super::seat;
use webstar_core::star::{Frame, LogEnd, Position};
use webstar_core::wire::signal::Epoch;
use webstar_core::wire::view::{Proof, View};

fn epoch(epoch: Epoch) -> String {
    format!("{}.{}", epoch.term, epoch.round)
}

pub(crate) fn view(view: &View) -> String {
    let voters: Vec<String> =
        view.voters.iter().map(|voter| format!("{}'{}", voter.player.0, voter.incarnation.0)).collect();
    let backups: Vec<u32> = view.backups.iter().map(|backup| backup.0).collect();
    let (name, base, since) = (epoch(view.epoch), epoch(view.base), epoch(view.since));
    format!("{name} (base {base}, since {since}) host {} backups {backups:?} voters {voters:?}", view.host.0)
}

fn log(log: Option<LogEnd>) -> String {
    log.map_or("-".into(), |log| format!("{}..{}", epoch(log.whole_in), log.end.0))
}

fn places(positions: &[Position]) -> Vec<u64> {
    positions.iter().map(|position| position.0).collect()
}

pub(crate) fn frame(frame: &Frame) -> String {
    match frame {
        Frame::Publish { to, payload, .. } => format!("publish {:?} for {to:?}", seat::read(payload)),
        Frame::Entry { epoch: at, entry } => {
            format!("entry in {} {}@{} {:?}", epoch(*at), entry.position.0, epoch(entry.epoch), seat::item(entry))
        }
        Frame::Mark { epoch: at, mark } => format!(
            "mark {} committed {} settled {} cut {} acked {:?}",
            epoch(*at),
            mark.committed.0,
            mark.settled.0,
            mark.cut.0,
            mark.acked
        ),
        Frame::Stored { epoch: at, position } => format!("stored {} {}", epoch(*at), position.0),
        Frame::Have { epoch: at, beyond } => format!(
            "have {} settled {} held {:?} snapshot {} acked {:?}",
            epoch(*at),
            beyond.settled.0,
            places(&beyond.held),
            beyond.wants_snapshot,
            beyond.acked
        ),
        Frame::Start { epoch: at, position, is_joiner, snapshot_bytes } => {
            format!("start {} at {} joiner {is_joiner}, {snapshot_bytes} bytes", epoch(*at), position.0)
        }
        Frame::Snapshot { epoch: at, position, offset, .. } => {
            format!("snapshot {} at {} from {offset}", epoch(*at), position.0)
        }
        Frame::Copy { epoch: at, copy } => {
            format!("copy for {} cut {} end {} spans {:?}", epoch(*at), copy.cut.0, copy.end.0, copy.spans)
        }
        Frame::Propose { view: proposed, is_dormant } => format!("propose {} dormant {is_dormant}", view(proposed)),
        Frame::Promise(promise) => format!(
            "promise {} active {} promised {:?} log {} beyond {:?}",
            epoch(promise.epoch),
            epoch(promise.active),
            promise.promised.iter().map(|view| epoch(view.epoch)).collect::<Vec<_>>(),
            log(promise.log),
            promise.beyond.iter().map(|entry| (entry.position.0, epoch(entry.epoch))).collect::<Vec<_>>()
        ),
        Frame::Newer(certified) => format!("newer {} {}", view(&certified.view), proof(&certified.proof)),
        Frame::Activate { certified, spans, voids } => {
            let spans: Vec<_> = spans.iter().map(|span| (epoch(span.epoch), span.end.0)).collect();
            let view = view(&certified.view);
            format!("activate {view} {} spans {spans:?} voids {:?}", proof(&certified.proof), places(voids))
        }
        Frame::Freeze { epoch: at, end } => format!("freeze {} {}", epoch(*at), end.0),
        Frame::Hold(_) | Frame::Fetch { .. } => format!("{frame:?}"),
    }
}

pub(crate) fn proof(proof: &Proof) -> String {
    match proof {
        Proof::Server(_) => "by the server".into(),
        Proof::Fork(_) => "forked".into(),
        Proof::Quorum { server, promises } => {
            let by: Vec<u32> = promises.iter().map(|(by, _)| by.0).collect();
            format!("by {by:?}{}", if server.is_some() { " and the server" } else { "" })
        }
    }
}
