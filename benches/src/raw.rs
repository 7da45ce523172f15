//! Two bare connections of the WebRTC stack with nothing of ours above them: what its packets cost by themselves. Datagrams
//! are handed over at once.

use core::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// What carries the payloads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Means {
    /// RTP packets.
    Srtp,
    /// Messages of a data channel, unordered and never repeated.
    Channel,
}

/// Between two steps while they connect.
const STEP: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(24 * 3_600);

/// The two of them.
pub struct Raw {
    ends: [Rtc; 2],
    now: Instant,
    means: Means,
    section: Mid,
    payload_type: Option<Pt>,
    channels: [Option<ChannelId>; 2],
    next: u64,
    delivered: u64,
}

impl core::fmt::Debug for Raw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "two connections, {:?}", self.means)
    }
}

fn address(end: usize) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1 + end as u8), 5_000).into()
}

fn end(number: usize, now: Instant) -> Rtc {
    let mut rtc = RtcConfig::new()
        .set_snap_enabled(true)
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_amr_wb(true)
        .clear_extension_map()
        .set_rtcp_report_interval_audio(NEVER)
        .set_pause_threshold(NEVER)
        .build(now);
    let candidate = Candidate::host(address(number), Protocol::Udp).expect("it is an address");
    rtc.add_local_candidate(candidate).expect("nothing bars it");
    rtc
}

impl Raw {
    /// Two that are connected. `now` is any moment.
    ///
    /// # Panics
    /// When they do not find each other.
    pub fn new(means: Means, now: Instant) -> Self {
        let [mut a, mut b] = [end(0, now), end(1, now)];
        let mut changes = a.sdp_api();
        changes.add_channel_with_config(ChannelConfig {
            label: "raw".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        });
        let section = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("there is something to offer");
        let answer = b.sdp_api().accept_offer(offer).expect("it is an offer");
        a.sdp_api().accept_answer(pending, answer).expect("it is the answer");
        let mut raw =
            Raw { ends: [a, b], now, means, section, payload_type: None, channels: [None; 2], next: 1, delivered: 0 };
        for _ in 0..1_000 {
            raw.pass(STEP);
            if raw.channels.iter().all(Option::is_some) && raw.ends.iter().all(Rtc::is_connected) {
                let media = raw.ends[0].media(section).expect("it was offered");
                raw.payload_type = media.remote_pts().first().copied();
                if let Some(stream) = raw.ends[1].direct_api().stream_rx_by_mid(section, None) {
                    stream.suppress_nack(true);
                }
                return raw;
            }
        }
        panic!("two neighbours do not find each other");
    }

    /// The first sends this to the second, in a packet of its own.
    ///
    /// # Panics
    /// When the connection is dead or the channel full.
    pub fn send(&mut self, payload: &[u8]) {
        let (now, number) = (self.now, self.next);
        self.next += 1;
        match self.means {
            Means::Srtp => {
                let payload_type = self.payload_type.expect("the section was agreed on");
                let mut api = self.ends[0].direct_api();
                let stream = api.stream_tx_by_mid(self.section, None).expect("the section was agreed on");
                let ticks = number as u32;
                stream.write_rtp(RtpWrite::new(payload_type, number.into(), ticks, now, payload));
            }
            Means::Channel => {
                let channel = self.channels[0].expect("it is open");
                let mut channel = self.ends[0].channel(channel).expect("it is open");
                assert!(channel.write(true, payload).expect("it is open"), "the channel is full");
            }
        }
    }

    /// Time passes, with all that happens in it.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        for end in 0..2 {
            self.ends[end].handle_input(Input::Timeout(self.now)).expect("the connection lives");
        }
        while self.drain(0) | self.drain(1) {}
    }

    /// Payloads that have come to the second.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Hands over what an end has to send. False: nothing.
    fn drain(&mut self, end: usize) -> bool {
        let mut has_sent = false;
        loop {
            match self.ends[end].poll_output().expect("the connection lives") {
                Output::Transmit(transmit) => {
                    has_sent = true;
                    let datagram = Receive::new(Protocol::Udp, address(end), address(1 - end), &transmit.contents);
                    let datagram = datagram.expect("only what an end has sent arrives");
                    self.ends[1 - end].handle_input(Input::Receive(self.now, datagram)).expect("the connection lives");
                    if end == 0 {
                        // It keeps one packet that came, and no more.
                        self.drain(1);
                    }
                }
                Output::Event(Event::ChannelOpen(channel, _)) => self.channels[end] = Some(channel),
                Output::Event(Event::ChannelData(_) | Event::RtpPacket(_)) => self.delivered += u64::from(end == 1),
                Output::Event(_) => {}
                Output::Timeout(_) => return has_sent,
            }
        }
    }
}
