//! Messages of the moment: what is sent once, and newest state. They pass no log. A member tells the host, the host stamps
//! the sender and hands them on as they come. Each bears the epoch in which it was said, and counts in that term only.

use super::event::{Channel, Kind, PeerEvent, PeerMessage, SendError, Sent};
use super::hub::Hub;
use super::lanes::priority_of;
use super::outbox::Outbox;
use super::spoke::Spoke;
use crate::id::PlayerId;
use crate::session::SendError as LinkError;
use crate::star::Role;
use crate::time::Instant;
use crate::wire::frame::Priority;
use crate::wire::signal::Epoch;
use crate::wire::star::{self, Destination, KindTold};
use bytes::Bytes;

/// A message of the moment.
#[derive(Clone)]
pub(super) struct Cast {
    pub(super) from: PlayerId,
    pub(super) channel: Channel,
    pub(super) priority: Priority,
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
}

impl Channel {
    /// What is lost is sent again, and nothing takes its place.
    pub(super) fn is_kept(self) -> bool {
        matches!(self, Channel::Reliable | Channel::Ordered)
    }
}

/// Whether a message of `from` is meant for `player`.
fn is_meant(to: &Destination, from: PlayerId, player: PlayerId, host: PlayerId) -> bool {
    match to {
        Destination::All => true,
        Destination::Others => player != from,
        Destination::Host => player == host,
        Destination::One(one) => player == *one,
        Destination::AllBut(players) => !players.contains(&player),
    }
}

/// The form of a message for those who know its kind's number, and the one for those who do not; written when first
/// needed, shared by all receivers.
struct Forms<'a> {
    epoch: Epoch,
    cast: &'a Cast,
    /// Our number for the kind.
    number: Option<u16>,
    numbered: Option<Bytes>,
    named: Option<Bytes>,
}

impl Forms<'_> {
    fn get(&mut self, knows: bool) -> Bytes {
        let (epoch, cast) = (self.epoch, self.cast);
        let write = |kind| star::deliver(epoch, cast.from, cast.seq, kind, &cast.payload);
        match self.number.filter(|_| knows) {
            Some(number) => self.numbered.get_or_insert_with(|| write(KindTold::Number(number))),
            None => self.named.get_or_insert_with(|| write(KindTold::Name(cast.kind.as_str()))),
        }
        .clone()
    }
}

impl Hub {
    pub(super) fn is_hosting(&self) -> bool {
        self.host().is_some_and(|(host, _)| host == self.me)
    }

    /// Another view is promised: nothing is taken, or handed on, from the one in force.
    fn is_barred(&self) -> bool {
        matches!(self.star.glance().role, Role::Barred | Role::Collecting)
    }

    /// Sends a message of ours.
    pub(super) fn send(
        &mut self,
        now: Instant,
        to: &Destination,
        channel: Channel,
        kind: &str,
        payload: Bytes,
        out: &mut Outbox,
    ) -> Result<Sent, SendError> {
        let (kind, _) = self.numbering.find(kind).ok_or(SendError::BadKind)?;
        if channel.is_kept() {
            let seq = match self.star.send(now, to, channel, kind, payload, &mut self.said) {
                Ok(seq) => seq,
                Err(crate::star::Full { queued }) => return Err(self.refused(channel, queued)),
            };
            self.sent[channel as usize] = seq;
            self.on_talk(now);
            return Ok(Sent { channel, seq });
        }
        let (host, _) = self.host().ok_or(SendError::NotJoined)?;
        let seq = self.sent[channel as usize] + 1;
        let priority = priority_of(&self.config, channel, kind.as_str());
        let cast = Cast { from: self.me, channel, priority, seq, kind, payload };
        if self.is_barred() {
            // There is nobody to hand it on just now.
            out.dropped.unreliable += 1;
        } else if host == self.me {
            self.route(now, &cast, to, out);
        } else {
            self.tell_host(now, host, cast, to, out)?;
        }
        self.sent[channel as usize] = seq;
        self.on_talk(now);
        Ok(Sent { channel, seq })
    }

    fn tell_host(
        &mut self,
        now: Instant,
        host: PlayerId,
        cast: Cast,
        to: &Destination,
        out: &mut Outbox,
    ) -> Result<(), SendError> {
        let (_, epoch) = self.host().ok_or(SendError::NotJoined)?;
        let Cast { from, channel, priority, seq, kind, payload } = cast;
        let max = self.config.max_keys;
        let is_reachable = |spoke: &&mut Spoke| channel == Channel::Latest || spoke.is_open();
        let Some(spoke) = self.spokes.get_mut(&host).filter(is_reachable) else {
            // Sent once, while nobody can be reached.
            out.dropped.unreliable += 1;
            return Ok(());
        };
        let mut key = 0;
        if channel == Channel::Latest {
            key = spoke.keys.number(&(from, kind.clone(), to.clone()), from).ok_or(SendError::TooManyKeys { max })?;
        }
        let number = spoke.teach(now, &mut self.numbering, &kind);
        let told = number.map_or(KindTold::Name(kind.as_str()), KindTold::Number);
        match spoke.send(now, channel, priority, key, star::say(epoch, to, seq, told, &payload)) {
            Ok(_) => Ok(()),
            Err(LinkError::Full { queued }) => Err(self.refused(channel, queued)),
            Err(LinkError::TooLong { .. }) => Err(SendError::TooLong { max: self.config.max_message }),
            Err(LinkError::TooManyKeys { max }) => Err(SendError::TooManyKeys { max }),
            Err(LinkError::Closed) => Err(SendError::NotJoined),
        }
    }

    /// Notes that a channel has refused a message, so that its draining is told.
    fn refused(&mut self, channel: Channel, queued: usize) -> SendError {
        self.full[channel as usize] = true;
        SendError::Full { queued }
    }

    /// A member wants something to go round.
    pub(super) fn on_said(&mut self, now: Instant, epoch: Epoch, cast: &Cast, to: &Destination, out: &mut Outbox) {
        if self.is_hosting() && self.is_taken(epoch, &cast.payload, out) && self.is_fair(now, cast, out) {
            self.on_talk(now);
            self.route(now, cast, to, out);
        }
    }

    /// Somebody hands on what a member said.
    pub(super) fn on_delivered(&mut self, now: Instant, by: PlayerId, epoch: Epoch, cast: Cast, out: &mut Outbox) {
        if self.host().is_some_and(|(host, _)| host == by) && self.is_taken(epoch, &cast.payload, out) {
            self.on_talk(now);
            out.event(heard(cast));
        }
    }

    /// Whether a message of the moment counts: it is of the term in force, we have promised no other, and it is not too
    /// long.
    fn is_taken(&self, epoch: Epoch, payload: &Bytes, out: &mut Outbox) -> bool {
        let is_stale = self.is_barred() || self.host().is_none_or(|(_, ours)| ours.term != epoch.term);
        let is_too_long = payload.len() > self.config.max_message;
        out.dropped.stale += u64::from(is_stale);
        out.dropped.malformed += u64::from(!is_stale && is_too_long);
        !is_stale && !is_too_long
    }

    /// From the host to the members in the order of their numbers, and to ourselves.
    fn route(&mut self, now: Instant, cast: &Cast, to: &Destination, out: &mut Outbox) {
        let Some((host, epoch)) = self.host() else { return };
        let Cast { from, channel, priority, kind, .. } = cast;
        let number = self.numbering.find(kind.as_str()).and_then(|(_, number)| number);
        let mut forms = Forms { epoch, cast, number, numbered: None, named: None };
        let latest = (*channel == Channel::Latest).then(|| (*from, kind.clone(), to.clone()));
        for (player, spoke) in self.spokes.iter_mut() {
            if !is_meant(to, *from, *player, host) {
                continue;
            }
            // The newest state waits for somebody who is away; what is sent once does not.
            if *channel == Channel::Unreliable && !spoke.is_open() {
                out.dropped.unreliable += 1;
                continue;
            }
            let knows = spoke.teach(now, &mut self.numbering, kind).is_some();
            let key = latest.as_ref().map_or(0, |latest| spoke.keys.number_or_oldest(latest, latest.0));
            if spoke.send(now, *channel, *priority, key, forms.get(knows)).is_err() {
                out.dropped.unreliable += 1;
            }
        }
        if is_meant(to, *from, host, host) {
            out.event(heard(cast.clone()));
        }
    }
}

fn heard(cast: Cast) -> PeerEvent {
    let Cast { from, channel, seq, kind, payload, .. } = cast;
    PeerEvent::Message(PeerMessage { from, channel, seq, kind, payload, position: None, is_rewritten: false })
}
