//! What games decide is what happens: here it is not, and the checkers must be the ones that notice.

use super::star::{message, turns_red};
use bytes::Bytes;
use webstar_core::peer::{Channel, Kind, PeerEvent, PeerMessage};
use webstar_sim::check::star::STAMP;
use webstar_sim::profile::star::Mood;

/// The first message of an event that a game has rewritten.
fn rewritten(event: &PeerEvent) -> Option<PeerMessage> {
    let PeerEvent::Message(message) = event else { return None };
    Some(message.clone()).filter(|message| message.is_rewritten)
}

#[test]
fn a_rewritten_message_that_is_heard_as_it_was_sent_turns_ruled_red() {
    turns_red("ruled", Mood::Calm, 2, || {
        |life, event: &PeerEvent| {
            let mut message = rewritten(event)?;
            message.is_rewritten = false;
            message.payload.truncate(message.payload.len() - 1);
            Some(vec![(life, PeerEvent::Message(message))])
        }
    });
}

#[test]
fn a_message_that_nobody_has_rewritten_turns_ruled_red() {
    turns_red("ruled", Mood::Calm, 2, || {
        |life, event: &PeerEvent| {
            let mut message = message(event, Channel::Reliable)?;
            message.is_rewritten = true;
            message.payload = webstar_sim::check::star::rewritten(&message.payload);
            Some(vec![(life, PeerEvent::Message(message))])
        }
    });
}

#[test]
fn a_rejection_told_twice_turns_ruled_red() {
    turns_red("ruled", Mood::Calm, 0, || {
        |life, event: &PeerEvent| {
            matches!(event, PeerEvent::Rejected { .. }).then(|| vec![(life, event.clone()), (life, event.clone())])
        }
    });
}

#[test]
fn a_rejection_of_what_was_not_rejected_turns_ruled_red() {
    turns_red("ruled", Mood::Calm, 3, || {
        |life, event: &PeerEvent| {
            let PeerEvent::Acked(sent) = *event else { return None };
            let kind = Kind::new("chat").expect("the name is short");
            Some(vec![(life, event.clone()), (life, PeerEvent::Rejected { sent, kind, reason: "no".into() })])
        }
    });
}

#[test]
fn a_rejection_that_is_not_told_turns_liveness_red() {
    turns_red("liveness|", Mood::Calm, 0, || {
        |_, event: &PeerEvent| matches!(event, PeerEvent::Rejected { .. }).then(Vec::new)
    });
}

#[test]
fn a_rejection_in_the_tail_of_a_new_host_turns_provenance_red() {
    turns_red("provenance", Mood::Swarm, 0, || {
        |life, event: &PeerEvent| {
            let PeerEvent::Promoted { snapshot, tail } = event else { return None };
            let mut tail = tail.clone();
            tail.last_mut().filter(|message| message.payload.len() > STAMP)?.payload = Bytes::from_static(b"no");
            Some(vec![(life, PeerEvent::Promoted { snapshot: snapshot.clone(), tail })])
        }
    });
}
