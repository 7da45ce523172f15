//! Where star messages go. A member publishes to the host. Everything ordered and reliable goes through one point at the
//! host ([`Star::route`]), which stamps the sender, forwards in one order to everybody meant, and delivers to the host
//! itself at that very place.

use super::event::{Channel, Kind, PeerEvent, PeerMessage, SendError, Sent};
use super::outbox::Outbox;
use super::spoke::channel_of;
use super::star::Star;
use crate::config::MESSAGE_OVERHEAD;
use crate::id::PlayerId;
use crate::session::{Received, SendError as LinkError};
use crate::time::Instant;
use crate::wire::signal::Epoch;
use crate::wire::star::{self, Destination, KindTold, StarMessage};
use bytes::Bytes;

/// A message at the point from which it goes round.
struct Post<'a> {
    from: PlayerId,
    channel: Channel,
    to: &'a Destination,
    kind: Kind,
    /// Our number for the kind.
    number: Option<u16>,
    seq: u64,
    payload: Bytes,
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
    post: &'a Post<'a>,
    numbered: Option<Bytes>,
    named: Option<Bytes>,
}

impl Forms<'_> {
    fn get(&mut self, knows: bool) -> Bytes {
        let (epoch, post) = (self.epoch, self.post);
        let write = |kind| star::deliver(epoch, post.from, post.seq, kind, &post.payload);
        match post.number.filter(|_| knows) {
            Some(number) => self.numbered.get_or_insert_with(|| write(KindTold::Number(number))),
            None => self.named.get_or_insert_with(|| write(KindTold::Name(post.kind.as_str()))),
        }
        .clone()
    }
}

impl Star {
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
        let (kind, number) = self.numbering.find(kind).ok_or(SendError::BadKind)?;
        let seq = self.sent[channel as usize] + 1;
        let sent = Sent { channel, seq };
        if self.is_hosting() {
            if channel.is_kept() && (self.is_holding || self.is_frozen) {
                let queued = self.slowest();
                return Err(self.refused(channel, queued));
            }
            self.sent[channel as usize] = seq;
            self.route(now, &Post { from: self.me, channel, to, kind, number, seq, payload }, out);
            if channel.is_kept() {
                out.event(PeerEvent::Acked(sent));
            }
            return Ok(sent);
        }
        let (me, epoch, max, window) = (self.me, self.epoch, self.config.max_keys, self.window());
        let spoke = self.host.and_then(|host| self.spokes.get_mut(&host)).ok_or(SendError::NotJoined)?;
        if channel == Channel::Unreliable && !spoke.is_open() {
            // Sent once, while nobody can be reached.
            out.dropped.unreliable += 1;
            self.sent[channel as usize] = seq;
            return Ok(sent);
        }
        let (cost, queued) = (payload.len() + MESSAGE_OVERHEAD, spoke.unacked_bytes());
        if channel.is_kept() && (spoke.is_held || queued > 0 && queued + cost > window) {
            return Err(self.refused(channel, queued));
        }
        let key = match channel {
            Channel::Latest => {
                spoke.keys.number(&(me, kind.clone(), to.clone()), me).ok_or(SendError::TooManyKeys { max })?
            }
            _ => 0,
        };
        if let Some(number) = number {
            spoke.teach(now, number, kind.as_str());
        }
        let told = match number.filter(|number| spoke.taught.is_known(*number)) {
            Some(number) => KindTold::Number(number),
            None => KindTold::Name(kind.as_str()),
        };
        match spoke.send(now, channel, key, star::publish(epoch, to, seq, told, &payload)) {
            Ok(id) if channel.is_kept() => spoke.on_published(id, sent, cost),
            Ok(_) => {}
            Err(LinkError::Full { queued }) => return Err(self.refused(channel, queued)),
            Err(LinkError::TooLong { .. }) => return Err(SendError::TooLong { max: self.config.max_message }),
            Err(LinkError::TooManyKeys { max }) => return Err(SendError::TooManyKeys { max }),
            Err(LinkError::Closed) => return Err(SendError::NotJoined),
        }
        self.sent[channel as usize] = seq;
        self.on_talk(now);
        Ok(sent)
    }

    /// A star message has come from the other side of a spoke.
    pub(super) fn on_received(&mut self, now: Instant, player: PlayerId, received: &Received, out: &mut Outbox) {
        let channel = channel_of(received.delivery);
        match star::parse(&received.payload) {
            Ok(StarMessage::Define { number, name }) => {
                if let (Some((kind, _)), Some(spoke)) = (self.numbering.find(name), self.spokes.get_mut(&player)) {
                    spoke.learned.learn(number, kind);
                }
            }
            Ok(StarMessage::Publish { epoch, to, seq, kind, payload }) if self.is_hosting() => {
                if epoch.term != self.epoch.term {
                    out.dropped.stale += 1;
                } else if payload.len() > self.config.max_message {
                    out.dropped.malformed += 1;
                } else if let Some((kind, number)) = self.kind(player, kind, out) {
                    self.route(now, &Post { from: player, channel, to: &to, kind, number, seq, payload }, out);
                }
            }
            Ok(StarMessage::Deliver { epoch, from, seq, kind, payload }) if self.host == Some(player) => {
                if epoch.term != self.epoch.term {
                    out.dropped.stale += 1;
                } else if payload.len() > self.config.max_message {
                    out.dropped.malformed += 1;
                } else if let Some((kind, _)) = self.kind(player, kind, out) {
                    self.on_talk(now);
                    out.event(PeerEvent::Message(PeerMessage { from, channel, seq, kind, payload }));
                }
            }
            Ok(StarMessage::Hold(stop)) if self.host == Some(player) => {
                if let Some(spoke) = self.spokes.get_mut(&player) {
                    spoke.is_held = stop;
                }
            }
            Ok(_) | Err(_) => out.dropped.malformed += 1,
        }
    }

    fn kind(&mut self, player: PlayerId, told: KindTold<'_>, out: &mut Outbox) -> Option<(Kind, Option<u16>)> {
        let found = match told {
            KindTold::Name(name) => self.numbering.find(name),
            KindTold::Number(number) => {
                let kind = self.spokes.get(&player).and_then(|spoke| spoke.learned.get(number));
                kind.and_then(|kind| self.numbering.find(kind.as_str()))
            }
        };
        out.dropped.unknown_kinds += u64::from(found.is_none());
        found
    }

    /// The one point through which everything goes: to the members in the order of their numbers, and to ourselves.
    fn route(&mut self, now: Instant, post: &Post<'_>, out: &mut Outbox) {
        self.on_talk(now);
        let (host, limit) = (self.me, self.config.resume_log);
        let mut forms = Forms { epoch: self.epoch, post, numbered: None, named: None };
        let Post { from, channel, to, kind, number, .. } = post;
        let latest = (*channel == Channel::Latest).then(|| (*from, kind.clone(), (*to).clone()));
        let mut fallen = Vec::new();
        for (player, spoke) in &mut self.spokes {
            if !is_meant(to, *from, *player, host) {
                continue;
            }
            if let Some(number) = number {
                spoke.teach(now, *number, kind.as_str());
            }
            let knows = number.is_some_and(|number| spoke.taught.is_known(number));
            if channel.is_kept() {
                if spoke.push(now, *channel, forms.get(knows), limit).is_err() {
                    fallen.push(*player);
                }
                continue;
            }
            let key = latest.as_ref().map_or(0, |latest| spoke.keys.number_or_oldest(latest, latest.0));
            // The newest state waits for somebody who is away; what is sent once does not.
            let is_useless = *channel == Channel::Unreliable && !spoke.is_open();
            if is_useless || spoke.send(now, *channel, key, forms.get(knows)).is_err() {
                out.dropped.unreliable += 1;
            }
        }
        fallen.into_iter().for_each(|player| self.put_out(player, out));
        if is_meant(to, *from, host, host) {
            let Post { from, channel, seq, ref kind, ref payload, .. } = *post;
            let message = PeerMessage { from, channel, seq, kind: kind.clone(), payload: payload.clone() };
            out.event(PeerEvent::Message(message));
        }
    }

    fn on_talk(&mut self, now: Instant) {
        if self.rhythm.on_talk(now) {
            self.set_heartbeats();
        }
    }
}
