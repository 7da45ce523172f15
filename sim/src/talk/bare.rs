//! What a game has without us: a reliable and ordered data channel between two neighbours. The baseline of the tables.

use super::{Ends, Ledger};
use crate::crypto::Carrying;
use crate::net::{Arrival, LinkConfig as Conditions, Pipe, Side};
use crate::seed::Seed;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::ice::IceCreds;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use webstar_core::session::Outbound;
use webstar_core::time::{Instant, earlier};

/// Without faults a connection takes no longer.
const LONGEST_START: Duration = Duration::from_secs(10);
/// The stack is never asked again at the very moment that it has answered for.
const SOON: Duration = Duration::from_micros(100);

/// Two connections with a channel between them.
pub(super) struct Bare {
    ends: [Rtc; 2],
    due: [Instant; 2],
    channels: [Option<ChannelId>; 2],
    way: Pipe,
    zero: std::time::Instant,
    /// How long connecting took: the connections' time is ahead by so much.
    ahead: Duration,
}

fn address(side: Side) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1 + index(side) as u8), 5_000).into()
}

fn index(side: Side) -> usize {
    usize::from(side == Side::B)
}

fn end(seed: Seed, side: Side, zero: std::time::Instant) -> Rtc {
    let (crypto, certificate) = Carrying::plain(seed.child("player", index(side) as u64));
    let ufrag = if side == Side::A { "aaaa" } else { "bbbb" };
    let mut rtc = RtcConfig::new()
        .set_crypto_provider(Arc::new(crypto))
        .set_dtls_cert(certificate)
        .set_local_ice_credentials(IceCreds { ufrag: ufrag.into(), pass: ufrag.repeat(6) })
        .set_snap_enabled(true)
        .build(zero);
    let candidate = Candidate::host(address(side), Protocol::Udp).expect("it is an address");
    rtc.add_local_candidate(candidate).expect("nothing bars it");
    rtc
}

impl Bare {
    /// Connected without faults; the conditions are those of what comes after.
    pub(super) fn new(seed: Seed, conditions: Conditions) -> Self {
        let zero = std::time::Instant::now();
        let [mut a, mut b] = [end(seed, Side::A, zero), end(seed, Side::B, zero)];
        let mut changes = a.sdp_api();
        changes.add_channel_with_config(ChannelConfig { label: "bare".into(), ..ChannelConfig::default() });
        let (offer, pending) = changes.apply().expect("there is a channel to offer");
        let answer = b.sdp_api().accept_offer(offer).expect("it is an offer");
        a.sdp_api().accept_answer(pending, answer).expect("it is the answer");
        let way = Pipe::datagrams(seed, Instant::ZERO, Conditions::with_delay(conditions.delay));
        let mut bare =
            Bare { ends: [a, b], due: [Instant::ZERO; 2], channels: [None; 2], way, zero, ahead: Duration::ZERO };
        let begin = bare.connect();
        bare.ahead = begin.since(Instant::ZERO);
        Side::BOTH.into_iter().for_each(|from| bare.way.set_conditions(begin, from, conditions));
        bare
    }

    fn connect(&mut self) -> Instant {
        let mut now = Instant::ZERO;
        while self.channels.contains(&None) || self.ends.iter().any(|end| !end.is_connected()) {
            now = now.max(self.due());
            self.step(now, &mut |_, _, _| {});
            assert!(now.since(Instant::ZERO) < LONGEST_START, "two neighbours do not find each other");
        }
        now
    }

    fn due(&self) -> Instant {
        let ends = self.due[0].min(self.due[1]);
        earlier(Some(ends), self.way.next_deadline()).unwrap_or(ends)
    }

    fn moment(&self, now: Instant) -> std::time::Instant {
        self.zero + now.since(Instant::ZERO)
    }

    /// Does what is due by now, in the connections' time.
    fn step(&mut self, now: Instant, take: &mut impl FnMut(Taken, Side, &[u8])) {
        while let Some((to, Arrival::Packet(bytes))) = self.way.poll(now) {
            let datagram = Receive::new(Protocol::Udp, address(to.other()), address(to), &bytes);
            let datagram = datagram.expect("only what an end has sent arrives");
            let moment = self.moment(now);
            self.ends[index(to)].handle_input(Input::Receive(moment, datagram)).expect("the connection lives");
            self.way.recycle(to, bytes);
            self.drain(now, to, take);
        }
        for side in Side::BOTH {
            if self.due[index(side)] <= now {
                self.pass(now, side, take);
            }
        }
    }

    /// Time passes at one end.
    fn pass(&mut self, now: Instant, side: Side, take: &mut impl FnMut(Taken, Side, &[u8])) {
        let moment = self.moment(now);
        self.ends[index(side)].handle_input(Input::Timeout(moment)).expect("the connection lives");
        self.drain(now, side, take);
    }

    fn drain(&mut self, now: Instant, side: Side, take: &mut impl FnMut(Taken, Side, &[u8])) {
        loop {
            match self.ends[index(side)].poll_output().expect("the connection lives") {
                Output::Transmit(transmit) => {
                    take(Taken::Datagram, side, &transmit.contents);
                    // A datagram pipe that nobody closes refuses nothing.
                    let _ = self.way.send(now, side, &transmit.contents);
                }
                Output::Event(Event::ChannelOpen(channel, _)) => self.channels[index(side)] = Some(channel),
                Output::Event(Event::ChannelData(data)) => take(Taken::Message, side, &data.data),
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    let at = Instant::ZERO + at.saturating_duration_since(self.zero);
                    self.due[index(side)] = at.max(now + SOON);
                    return;
                }
            }
        }
    }
}

/// What an end has for those above.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// A datagram that leaves.
    Datagram,
    /// A message that has come.
    Message,
}

/// Writes down what an end has, at the time of the conversation.
fn write_down(ledger: &mut Ledger, now: Instant) -> impl FnMut(Taken, Side, &[u8]) {
    move |taken, side, bytes| match taken {
        Taken::Datagram => ledger.count(now, bytes.len()),
        Taken::Message => ledger.take(now, side, bytes),
    }
}

impl Ends for Bare {
    fn advance(&mut self, until: Instant, ledger: &mut Ledger) {
        loop {
            let due = self.due();
            if due > until + self.ahead {
                return;
            }
            let now = Instant::ZERO + due.since(Instant::ZERO + self.ahead);
            self.step(due, &mut write_down(ledger, now));
        }
    }

    fn say(&mut self, side: Side, message: Outbound, ledger: &mut Ledger) {
        let (_, now) = super::read_stamp(&message.payload);
        if let Some(mut channel) =
            self.channels[index(side)].and_then(|channel| self.ends[index(side)].channel(channel))
        {
            // A full channel refuses.
            let _ = channel.write(true, &message.payload);
        }
        self.pass(now + self.ahead, side, &mut write_down(ledger, now));
    }
}
