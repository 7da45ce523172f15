//! One connection with one player: its negotiation, its datagrams, and the packets in its two pipes. What is wanted of
//! it and who offers is decided above.

use super::description::{self, Description, sections};
use super::reach::{self, Gate, Met, Untold, Way, is_question};
use super::rules::{Policy, Rules};
use super::stack::Stack;
use super::{MAX_MESSAGE, MAX_SRTP, PathKind};
use crate::time::{Duration, Instant};
use crate::wire::signal;
use bytes::Bytes;
use core::net::SocketAddr;
use data_encoding::BASE64_NOPAD;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::ice::IceCreds;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Receive, Transmit};
use str0m::rtp::RtpWrite;
use str0m::{Event, Input, Output, Rtc};

/// The data channel's name. Others that a stranger opens are left alone.
const LABEL: &str = "webstar";
/// RTP time runs at the rate of the codec that is named and never used.
const TICKS_PER_MS: u64 = 16;
/// Packets that may be written before they are drained.
const MAX_UNDRAINED: u32 = 64;
/// Ways to us that one connection knows. Those that a router or a server keeps replacing are not told for ever.
const MAX_WAYS: usize = 64;
/// A stack that has so much to say at one moment never comes to rest, and costs more than one connection.
const MAX_PULLED: usize = 65_536;
/// The stack is never asked again at the very moment that it has answered for.
const SOON: Duration = Duration::from_micros(100);
/// There is something new to try: the stack does not say so by itself.
const AT_ONCE: Option<Instant> = Some(Instant::ZERO);

/// What a connection has for those above.
#[derive(Debug)]
pub(super) enum News {
    /// A datagram for the wire.
    Datagram(Transmit),
    /// A packet has come.
    Packet(PathKind, Bytes),
}

/// How a pipe of it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pipe {
    /// It may come.
    Coming,
    /// It carries packets.
    Open,
    /// The other side does not have it, or has it no more.
    Never,
}

/// The connection is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dead;

/// An offer of ours that waits for its answer.
struct Offered {
    pending: SdpPendingOffer,
    sections: Vec<String>,
    section: Option<Mid>,
    /// How we begin SCTP.
    beginning: Option<String>,
}

/// One connection.
pub(super) struct Connection {
    rtc: Rtc,
    stack: Stack,
    offered: Option<Offered>,
    /// The number of the other side's session, and its candidates.
    remote: Option<(String, Gate)>,
    rules: Rules,
    /// Whether only addresses lent by TURN servers are used.
    is_relayed: bool,
    /// Ways to us.
    ways: Vec<Way>,
    /// Ways to us that are told once the answer is there.
    early: Vec<Way>,
    /// Where the other side has spoken from without having told it.
    untold: Untold,
    /// From where to where packets are sent: ICE has proved that the other side receives there.
    sends: Option<[SocketAddr; 2]>,
    /// Packets take another way than when that was asked last.
    has_moved: bool,
    /// What became of the candidates of the other side, as far as nobody has asked yet.
    met: Met,
    section: Option<Mid>,
    channel: Option<ChannelId>,
    is_channel_gone: bool,
    /// It has been connected: packets may be sent, also while ICE is restarting.
    was_up: bool,
    /// The number of the next RTP packet. The first lies below 65,536, or the other side could not decipher it.
    next: u64,
    undrained: u32,
    due: Option<Instant>,
    /// The other side has said farewell.
    is_over: bool,
}

impl core::fmt::Debug for Connection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connection").field("remote", &self.remote).field("due", &self.due).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection that can be reached by these ways.
    pub(super) fn new(
        stack: &Stack,
        random: &mut ChaCha8Rng,
        now: Instant,
        rules: Rules,
        is_relayed: bool,
        ways: impl Iterator<Item = Way>,
    ) -> Self {
        let credentials = IceCreds {
            ufrag: BASE64_NOPAD.encode(&random.random::<[u8; 6]>()),
            pass: BASE64_NOPAD.encode(&random.random::<[u8; 18]>()),
        };
        let mut connection = Connection {
            rtc: stack.build(now, credentials),
            stack: stack.clone(),
            offered: None,
            remote: None,
            is_relayed: is_relayed || rules.policy == Policy::RelayOnly,
            rules,
            ways: Vec::new(),
            early: Vec::new(),
            untold: Untold::default(),
            sends: None,
            has_moved: false,
            met: Met::default(),
            section: None,
            channel: None,
            is_channel_gone: false,
            was_up: false,
            next: 1,
            undrained: 0,
            due: Some(now),
            is_over: false,
        };
        for way in ways {
            connection.add(way);
        }
        connection
    }

    /// Whether only addresses lent by TURN servers are used.
    pub(super) fn is_relayed(&self) -> bool {
        self.is_relayed
    }

    /// Gives a way to the stack. What the other side is to be told of it.
    fn add(&mut self, way: Way) -> Option<signal::Candidate> {
        let is_barred = self.is_relayed && !matches!(way, Way::Relayed { .. });
        if is_barred || self.ways.contains(&way) || self.ways.len() == MAX_WAYS {
            return None;
        }
        self.ways.push(way);
        self.due = AT_ONCE;
        if let Some((_, gate)) = &mut self.remote {
            let ours: Vec<_> = self.ways.iter().map(|way| way.address()).collect();
            self.met.addresses.extend(gate.admit_barred(&mut self.rtc, &self.rules, &ours));
        }
        let candidate = self.rtc.add_local_candidate(way.candidate()?)?;
        way.is_shown(&self.rules).then(|| reach::tell(candidate))
    }

    /// A description without what the other side shall not learn.
    fn shown(&self, text: String) -> String {
        let hidden = self.ways.iter().filter(|way| !way.is_shown(&self.rules)).map(|way| way.address());
        let hidden: Vec<_> = hidden.map(|address| format!(" {} {} typ ", address.ip(), address.port())).collect();
        if hidden.is_empty() {
            return text;
        }
        description::without(&text, |line| hidden.iter().any(|address| line.contains(address)))
    }

    /// An offer: of everything if nothing was agreed on yet, else of new ways for the same.
    pub(super) fn offer(&mut self) -> Option<String> {
        let mut changes = self.rtc.sdp_api();
        let section = if self.remote.is_none() {
            changes.add_channel_with_config(ChannelConfig {
                label: LABEL.into(),
                ordered: false,
                reliability: Reliability::MaxRetransmits { retransmits: 0 },
                ..ChannelConfig::default()
            });
            Some(changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None))
        } else {
            changes.ice_restart(true);
            self.section
        };
        let (offer, pending) = changes.apply()?;
        let text = offer.to_sdp_string();
        let sections = sections(&text).into_iter().map(Into::into).collect();
        let beginning = description::beginning(&text).map(Into::into);
        self.offered = Some(Offered { pending, sections, section, beginning });
        Some(self.shown(text))
    }

    /// Answers an offer. An offer of our own is forgotten.
    pub(super) fn answer(&mut self, offer: &Description) -> Result<String, Dead> {
        self.offered = None;
        let parsed = SdpOffer::from_sdp_string(&offer.text).map_err(|_| Dead)?;
        let answer = self.rtc.sdp_api().accept_offer(parsed).map_err(|_| Dead)?;
        self.meet(offer);
        Ok(self.shown(answer.to_sdp_string()))
    }

    /// Takes an answer. False: it is none to the offer that waits.
    pub(super) fn on_answer(&mut self, answer: &Description) -> Result<bool, Dead> {
        let Some(offered) = self.offered.take_if(|offered| sections(&answer.text) == offered.sections) else {
            return Ok(false);
        };
        if self.remote.is_some() && !self.is_with(answer) {
            // The other side has forgotten this connection and answers with a new one.
            return Err(Dead);
        }
        let own = description::without_mirrored(&answer.text, offered.beginning.as_deref());
        let parsed = SdpAnswer::from_sdp_string(&own).map_err(|_| Dead)?;
        self.rtc.sdp_api().accept_answer(offered.pending, parsed).map_err(|_| Dead)?;
        // Nobody tells the side that offered what became of its section.
        self.section = offered.section;
        self.meet(answer);
        Ok(true)
    }

    fn meet(&mut self, description: &Description) {
        self.remote = Some((description.session.clone(), Gate::new(description)));
        self.untold = Untold::default();
        for candidate in &description.candidates {
            self.admit(candidate, None);
        }
        self.expect_section();
        self.due = AT_ONCE;
    }

    /// The section repeats nothing: what is lost is the business of the session above.
    fn expect_section(&mut self) {
        if let Some(section) = self.section
            && let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(section, None)
        {
            stream.suppress_nack(true);
        }
    }

    /// A candidate has come by itself.
    pub(super) fn on_candidate(&mut self, told: &signal::Candidate) {
        self.admit(&told.candidate, told.username_fragment.as_deref());
    }

    fn admit(&mut self, text: &str, fragment: Option<&str>) {
        let ours: Vec<_> = self.ways.iter().map(|way| way.address()).collect();
        let gate = self.remote.as_mut().map(|(_, gate)| gate);
        let ip = gate.and_then(|gate| gate.admit(&mut self.rtc, text, fragment, &self.rules, &ours));
        self.due = AT_ONCE;
        self.met.note(ip);
    }

    /// What became of the candidates of the other side since this was asked last.
    pub(super) fn take_met(&mut self) -> Met {
        core::mem::take(&mut self.met)
    }

    /// We can be reached by one more way. What the other side is to be told of it.
    pub(super) fn on_way(&mut self, way: Way) -> Option<signal::Candidate> {
        if self.remote.is_some() && self.offered.is_some() {
            // It would be told under a name that the answer makes an old one.
            if self.early.len() < MAX_WAYS {
                self.early.push(way);
            }
            return None;
        }
        self.add(way)
    }

    /// The ways that came while an answer was waited for.
    pub(super) fn take_early(&mut self) -> Vec<Way> {
        if self.offered.is_some() { Vec::new() } else { core::mem::take(&mut self.early) }
    }

    /// We cannot be reached by that way any more.
    pub(super) fn on_way_gone(&mut self, way: Way) {
        self.early.retain(|early| *early != way);
        self.ways.retain(|known| *known != way);
        if let Some(candidate) = way.candidate() {
            self.rtc.direct_api().invalidate_candidate(&candidate);
        }
    }

    /// Whether the description is of the session that this connection is with.
    pub(super) fn is_with(&self, description: &Description) -> bool {
        self.remote.as_ref().is_some_and(|(session, _)| *session == description.session)
    }

    /// Whether an offer of ours waits for its answer.
    pub(super) fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// Whether it has ever carried anything; if so, ICE can be restarted in it.
    pub(super) fn was_up(&self) -> bool {
        self.was_up
    }

    /// Whether it is connected. From the moment that ICE is to be restarted it is not, though packets still flow.
    fn is_up(&self) -> bool {
        self.offered.is_none() && self.rtc.is_connected()
    }

    /// How one of its pipes is.
    pub(super) fn pipe(&self, kind: PathKind) -> Pipe {
        let is_there = match kind {
            PathKind::Srtp => self.payload_type().is_some(),
            _ if self.is_channel_gone => false,
            // The channel opens by itself a moment after the connection, or, with SNAP, before.
            _ if self.channel.is_none() => return Pipe::Coming,
            _ => true,
        };
        match (self.is_up(), is_there) {
            (false, _) => Pipe::Coming,
            (true, true) => Pipe::Open,
            (true, false) => Pipe::Never,
        }
    }

    /// What the other side has agreed to call our payloads; none if it rejected the section.
    fn payload_type(&self) -> Option<str0m::media::Pt> {
        let media = self.rtc.media(self.section?)?;
        let is_agreed = !media.disabled() && media.direction() == Direction::SendRecv;
        media.remote_pts().first().copied().filter(|_| is_agreed)
    }

    /// Whether the other side may say this in STUN from there. Each address that asks is one that the stack answers, tries
    /// and remembers, and anybody can send what was signed once in the name of any address: as with candidates, some are
    /// barred, and there are only so many.
    pub(super) fn hears(&mut self, from: SocketAddr, bytes: &[u8]) -> bool {
        let is_told = self.remote.as_ref().is_some_and(|(_, gate)| gate.has(from));
        if is_told || !is_question(bytes) || self.untold.has(from) {
            return true;
        }
        let ours: Vec<_> = self.ways.iter().map(|way| way.address()).collect();
        self.rules.allows(from, &ours) && self.untold.take(from)
    }

    /// Whether the other side was found there, and still is.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.sends.is_some_and(|[_, to]| to == address) && self.is_up()
    }

    /// Whether packets go over a TURN server, ours or theirs.
    pub(super) fn is_turned(&self) -> bool {
        let Some([from, to]) = self.sends else { return self.is_relayed };
        let is_ours = self.ways.iter().any(|way| matches!(way, Way::Relayed { relay, .. } if *relay == from));
        is_ours || self.remote.as_ref().is_some_and(|(_, gate)| gate.is_relay(to))
    }

    /// Whether packets may take another way than when this was asked last.
    pub(super) fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.has_moved)
    }

    /// Whether this datagram is of the other side of this connection.
    pub(super) fn is_of(&self, receive: &Input<'_>) -> bool {
        self.rtc.accepts(receive)
    }

    /// A datagram has come. What is refused is dropped: anybody could have sent it. True: it was taken.
    pub(super) fn receive(&mut self, now: Instant, datagram: Receive<'_>, news: &mut Vec<News>) -> Result<bool, Dead> {
        let is_taken = self.rtc.handle_input(Input::Receive(self.stack.moment(now), datagram)).is_ok();
        self.pull(now, news)?;
        Ok(is_taken)
    }

    /// Writes a packet, which leaves with the next drain. False: it cannot.
    pub(super) fn send(&mut self, now: Instant, kind: PathKind, packet: &[u8]) -> bool {
        if !self.was_up || packet.is_empty() {
            return false;
        }
        let is_written = match kind {
            PathKind::Srtp => packet.len() <= MAX_SRTP && self.write_payload(now, packet),
            _ => packet.len() <= MAX_MESSAGE && self.write_message(packet),
        };
        self.undrained += u32::from(is_written);
        self.due = Some(now);
        is_written
    }

    fn write_payload(&mut self, now: Instant, packet: &[u8]) -> bool {
        let (Some(section), Some(payload_type)) = (self.section, self.payload_type()) else { return false };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(section, None) else { return false };
        let millis = u64::try_from(now.since(Instant::ZERO).as_millis()).unwrap_or(u64::MAX);
        // The clock of RTP wraps, as it should.
        let ticks = millis.wrapping_mul(TICKS_PER_MS) as u32;
        stream.write_rtp(RtpWrite::new(payload_type, self.next.into(), ticks, self.stack.moment(now), packet));
        self.next += 1;
        true
    }

    fn write_message(&mut self, packet: &[u8]) -> bool {
        let Some(channel) = self.channel else { return false };
        self.rtc.channel(channel).is_some_and(|mut channel| matches!(channel.write(true, packet), Ok(true)))
    }

    /// How many bytes wait in the data channel.
    pub(super) fn buffered(&mut self) -> usize {
        let Some(channel) = self.channel else { return 0 };
        self.rtc.channel(channel).map_or(0, |mut channel| channel.buffered_amount())
    }

    /// Whether so much was written that it shall leave.
    pub(super) fn is_full(&self) -> bool {
        self.undrained >= MAX_UNDRAINED
    }

    /// When to drain it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Lets time pass and takes everything out of it.
    pub(super) fn drain(&mut self, now: Instant, news: &mut Vec<News>) -> Result<(), Dead> {
        self.undrained = 0;
        let moment = self.stack.moment(now);
        self.rtc.handle_input(Input::Timeout(moment)).map_err(|_| Dead)?;
        self.pull(now, news)
    }

    fn pull(&mut self, now: Instant, news: &mut Vec<News>) -> Result<(), Dead> {
        for _ in 0..MAX_PULLED {
            match self.rtc.poll_output().map_err(|_| Dead)? {
                Output::Transmit(transmit) => {
                    let ends = Some([transmit.source, transmit.destination]);
                    if !is_stun(&transmit.contents) && self.sends != ends {
                        self.sends = ends;
                        self.has_moved = true;
                    }
                    news.push(News::Datagram(transmit));
                }
                Output::Event(event) => self.on_event(event, news),
                Output::Timeout(_) if self.is_over || !self.rtc.is_alive() => return Err(Dead),
                Output::Timeout(at) => {
                    self.due = Some(self.stack.instant(at).max(now + SOON));
                    self.was_up |= self.rtc.is_connected();
                    return Ok(());
                }
            }
        }
        Err(Dead)
    }

    fn on_event(&mut self, event: Event, news: &mut Vec<News>) {
        match event {
            Event::RtpPacket(packet) if !packet.payload.is_empty() => {
                news.push(News::Packet(PathKind::Srtp, Bytes::from_owner(packet.payload)));
            }
            Event::ChannelData(data) if Some(data.id) == self.channel && !data.data.is_empty() => {
                news.push(News::Packet(PathKind::Sctp, data.data.into()));
            }
            Event::ChannelOpen(channel, label) if self.channel.is_none() && label == LABEL => {
                self.channel = Some(channel);
            }
            Event::ChannelClose(channel) if Some(channel) == self.channel => {
                (self.channel, self.is_channel_gone) = (None, true);
            }
            Event::MediaAdded(media) if self.section.is_none() && media.kind == MediaKind::Audio => {
                self.section = Some(media.mid);
                self.expect_section();
            }
            // Our own farewell leaves with this drain.
            Event::Closed => self.is_over = true,
            // That ICE hears nobody takes it 15 seconds and more to say: the watch of the path knows long before.
            _ => {}
        }
    }

    /// Says farewell: what is to be sent for it.
    pub(super) fn close(mut self, now: Instant, news: &mut Vec<News>) {
        if self.rtc.close().is_ok() {
            // The end of a connection that was to end is no news.
            let _ = self.drain(now, news);
        }
    }
}

/// Whether a datagram is one of STUN, by its first byte.
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 2)
}
