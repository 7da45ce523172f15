//! What a player's star tells its application: what has happened in it, and how it is with the others, in numbers.

use super::event::{Channel, PeerEvent, PeerMessage, PlayerStats, Sent};
use super::hub::Hub;
use super::outbox::Outbox;
use crate::id::PlayerId;
use crate::star::{Delivered, Event};
use crate::time::{Duration, Instant};
use crate::wire::signal::{Epoch, HostCause};

impl Hub {
    /// What the star has to tell the application.
    pub(super) fn tell_events(&mut self, now: Instant, out: &mut Outbox) {
        while let Some(event) = self.said.events.pop_front() {
            match event {
                Event::Message(delivered) => {
                    self.on_talk(now);
                    out.event(PeerEvent::Message(message(delivered)));
                }
                Event::Acked(channel, upto) => {
                    let acked = &mut self.acked[channel as usize];
                    for seq in *acked + 1..=upto.min(self.sent[channel as usize]) {
                        *acked = seq;
                        out.event(PeerEvent::Acked(Sent { channel, seq }));
                    }
                }
                Event::Rejected { channel, seq, kind, reason, .. } => {
                    out.event(PeerEvent::Rejected { sent: Sent { channel, seq }, kind, reason });
                }
                Event::Proposal(proposal) => self.on_proposal(now, proposal, out),
                Event::Drained(channel) => self.tell_drained(core::iter::once(channel), out),
                Event::HostChanged { epoch, host, cause, gap } => {
                    self.referee.forget_places();
                    self.tell_host_change(epoch, host, cause, gap, out);
                    self.tell_drained([Channel::Unreliable, Channel::Latest].into_iter(), out);
                }
                Event::ContinuityLost => out.event(PeerEvent::ContinuityLost),
                Event::Started(snapshot) => out.event(PeerEvent::Started { snapshot }),
                Event::Resynced(snapshot) => out.event(PeerEvent::Resynced { snapshot }),
                Event::Promoted { snapshot, tail } => {
                    let tail = tail.into_iter().map(message).collect();
                    out.event(PeerEvent::Promoted { snapshot, tail });
                }
                Event::SnapshotWanted { position } => out.event(PeerEvent::SnapshotWanted { position }),
                Event::Paused => out.event(PeerEvent::Paused),
            }
        }
    }

    fn tell_host_change(
        &mut self,
        epoch: Epoch,
        host: PlayerId,
        cause: Option<HostCause>,
        gap: Duration,
        out: &mut Outbox,
    ) {
        let told = self.told;
        if told.is_some_and(|(told, _)| told >= epoch) {
            return;
        }
        self.told = Some((epoch, host));
        // Without a cause it is the first host that the star has heard from.
        let cause = match told {
            Some((_, known)) if cause.is_none() && known == host => return,
            Some(_) => cause.or_else(|| self.star.view().filter(|view| view.epoch == epoch)?.cause),
            None => None,
        };
        out.event(PeerEvent::HostChanged { epoch, host, cause, gap });
    }

    /// Tells the view in force, once its host is known to the application.
    pub(super) fn tell_view(&mut self, out: &mut Outbox) {
        let Some(view) = self.star.view() else { return };
        let is_host_told = self.told.is_some_and(|(_, host)| host == view.host);
        if is_host_told && self.told_view != Some(view.epoch) {
            self.told_view = Some(view.epoch);
            let voters = view.voters.iter().map(|voter| voter.player).collect();
            let (epoch, host, backups) = (view.epoch, view.host, view.backups.clone());
            out.event(PeerEvent::ViewChanged { epoch, host, backups, voters });
        }
    }

    /// We are in, or back: tells the host and its epoch. Who is back hears first that the host is another one.
    /// What the server says of it counts while the star knows no view.
    pub(super) fn name_host(
        &mut self,
        now: Instant,
        said: Option<(PlayerId, Epoch)>,
        out: &mut Outbox,
    ) -> Option<(PlayerId, Epoch)> {
        let known = self.star.view().map(|view| (view.host, view.epoch, view.cause));
        let (host, epoch, cause) = known.or(said.map(|(host, epoch)| (host, epoch, None)))?;
        match self.told {
            Some((_, old)) if old != host => {
                let gap = self.spokes.get(&old).map_or(Duration::ZERO, |spoke| now.since(spoke.heard_at()));
                self.tell_host_change(epoch, host, cause, gap, out);
            }
            _ => self.told = self.told.max(Some((epoch, host))),
        }
        if known.is_some() {
            self.star.on_host_told();
        }
        Some((host, epoch))
    }

    /// A link takes messages of the moment again: it matters where it leads to the host.
    pub(super) fn tell_link_drained(&mut self, player: PlayerId, out: &mut Outbox) {
        if self.host().is_some_and(|(host, _)| host == player) {
            self.tell_drained([Channel::Unreliable, Channel::Latest].into_iter(), out);
        }
    }

    /// Channels that refused a message take messages again.
    pub(super) fn tell_drained(&mut self, channels: impl Iterator<Item = Channel>, out: &mut Outbox) {
        for channel in channels {
            let was_full = core::mem::take(&mut self.full[channel as usize]);
            if was_full && !self.full_for_guests[channel as usize] {
                out.event(PeerEvent::Drained(channel));
            }
        }
    }

    /// The server connection takes data for guests again.
    pub(super) fn tell_guests_drained(&mut self, out: &mut Outbox) {
        for channel in Channel::ALL {
            let was_full = core::mem::take(&mut self.full_for_guests[channel as usize]);
            if was_full && !self.full[channel as usize] {
                out.event(PeerEvent::Drained(channel));
            }
        }
    }

    /// The same for a message for a guest.
    pub(super) fn refused_for_guest(&mut self, channel: Channel) {
        self.full_for_guests[channel as usize] = true;
    }

    /// The number of the next message of the moment of ours on a channel.
    pub(super) fn number(&mut self, channel: Channel) -> Sent {
        self.sent[channel as usize] += 1;
        Sent { channel, seq: self.sent[channel as usize] }
    }

    /// The players we talk with, in numbers.
    pub(super) fn stats(&self) -> Vec<PlayerStats> {
        let told = self.spokes.iter().map(|(player, spoke)| {
            let stats = spoke.link.stats();
            let using = spoke.link.using();
            let path = stats.paths.iter().find(|path| Some(path.path) == using).or(stats.paths.first());
            PlayerStats {
                player: *player,
                path: spoke.link.kind(),
                is_turned: using.is_some_and(|path| spoke.link.is_turned(path)),
                rtt: path.and_then(|path| path.rtt),
                jitter: path.map(|path| path.jitter).unwrap_or_default(),
                loss: path.map_or(0.0, |path| path.loss),
                bytes_received: stats.paths.iter().map(|path| path.bytes_received).sum(),
                bytes_sent: stats.paths.iter().map(|path| path.bytes_sent).sum(),
                queued: stats.queued,
            }
        });
        told.collect()
    }
}

fn message(delivered: Delivered) -> PeerMessage {
    let Delivered { position, from, channel, seq, kind, payload, is_rewritten } = delivered;
    PeerMessage { from, channel, seq, kind, payload, position: Some(position), is_rewritten }
}
