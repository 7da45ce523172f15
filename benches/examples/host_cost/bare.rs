//! The bare star: connections of the stack on UDP sockets, a data channel in each, unordered and never repeated, and
//! nothing else.

use crate::member::{Beats, Talk, stamped};
use crate::process::Host;
use crate::{Cost, MEMBERS, weigh};
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// How late the stack may be told that its time has come.
const LATE: Duration = Duration::from_millis(5);
/// Long enough for any datagram.
const ROOM: usize = 2_048;

/// A connection, and its channel once that is open.
struct End {
    rtc: Rtc,
    channel: Option<ChannelId>,
    due: Instant,
}

fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is loopback");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

/// Descriptions go in lines, and have no tabs.
fn to_line(sdp: &str) -> String {
    sdp.replace("\r\n", "\t")
}

fn of_line(line: &str) -> String {
    line.replace('\t', "\r\n")
}

impl End {
    fn new(address: SocketAddr) -> Self {
        let mut rtc = RtcConfig::new().set_snap_enabled(true).build(Instant::now());
        let candidate = Candidate::host(address, Protocol::Udp).expect("it is an address");
        rtc.add_local_candidate(candidate).expect("nothing bars it");
        End { rtc, channel: None, due: Instant::now() }
    }

    /// Sends what is to be sent, and gives out what has come.
    fn drain(&mut self, socket: &UdpSocket, mut heard: impl FnMut(Vec<u8>)) {
        loop {
            match self.rtc.poll_output().expect("the connection lives") {
                Output::Transmit(transmit) => {
                    // What the system does not take is lost, as on any network.
                    let _ = socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::ChannelOpen(channel, _)) => self.channel = Some(channel),
                Output::Event(Event::ChannelData(data)) => heard(data.data),
                Output::Event(_) => {}
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
            }
        }
    }

    fn pass(&mut self, socket: &UdpSocket, heard: impl FnMut(Vec<u8>)) {
        if self.due <= Instant::now() {
            self.rtc.handle_input(Input::Timeout(Instant::now())).expect("the connection lives");
            self.drain(socket, heard);
        }
    }

    fn write(&mut self, socket: &UdpSocket, message: &[u8]) {
        if let Some(mut channel) = self.channel.and_then(|channel| self.rtc.channel(channel)) {
            channel.write(true, message).expect("the connection lives");
            self.drain(socket, |_| {});
        }
    }

    fn is_up(&self) -> bool {
        self.channel.is_some() && self.rtc.is_connected()
    }
}

/// The host: reads an offer for each member, answers it, and hands on.
pub(crate) fn host() {
    let (socket, address) = socket();
    let mut ends: Vec<End> = Vec::new();
    for line in std::io::stdin().lock().lines().take(MEMBERS) {
        let mut end = End::new(address);
        let offer = SdpOffer::from_sdp_string(&of_line(&line.expect("lines come"))).expect("it is an offer");
        let answer = end.rtc.sdp_api().accept_offer(offer).expect("it is an offer");
        println!("{}", to_line(&answer.to_sdp_string()));
        ends.push(end);
    }
    socket.set_read_timeout(Some(LATE)).expect("it is a time");
    let mut seats = BTreeMap::new();
    let (mut room, mut heard) = ([0; ROOM], Vec::new());
    loop {
        if let Ok((size, from)) = socket.recv_from(&mut room)
            && let Ok(datagram) = Receive::new(Protocol::Udp, from, address, &room[..size])
        {
            let input = Input::Receive(Instant::now(), datagram);
            let known = seats.get(&from).copied();
            let seat = known.or_else(|| ends.iter().position(|end| end.rtc.accepts(&input)));
            if let Some(seat) = seat {
                seats.insert(from, seat);
                ends[seat].rtc.handle_input(input).expect("the connection lives");
                ends[seat].drain(&socket, |message| heard.push(message));
                for message in heard.drain(..) {
                    let others = ends.iter_mut().enumerate().filter(|(other, _)| *other != seat);
                    others.for_each(|(_, end)| end.write(&socket, &message));
                }
            }
        }
        ends.iter_mut().for_each(|end| end.pass(&socket, |_| {}));
    }
}

/// A member: offers, and talks from when it is connected.
fn take_part(number: usize, offers: &Sender<(usize, String)>, answer: &Receiver<String>, talk: &Talk) {
    let (socket, address) = socket();
    let mut end = End::new(address);
    let mut changes = end.rtc.sdp_api();
    changes.add_channel_with_config(ChannelConfig {
        label: "bare".into(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..ChannelConfig::default()
    });
    let (offer, pending) = changes.apply().expect("there is something to offer");
    offers.send((number, offer.to_sdp_string())).expect("it is waited for");
    let answer = SdpAnswer::from_sdp_string(&answer.recv().expect("it comes")).expect("it is an answer");
    end.rtc.sdp_api().accept_answer(pending, answer).expect("it is the answer");
    let (mut room, mut is_connected) = ([0; ROOM], false);
    let mut beats = Beats::new(number);
    while !talk.is_over() {
        let wait = beats.wait().clamp(Duration::from_micros(50), LATE);
        socket.set_read_timeout(Some(wait)).expect("it is a time");
        if let Ok((size, from)) = socket.recv_from(&mut room)
            && let Ok(datagram) = Receive::new(Protocol::Udp, from, address, &room[..size])
        {
            end.rtc.handle_input(Input::Receive(Instant::now(), datagram)).expect("the connection lives");
            end.drain(&socket, |message| talk.on_heard(&message));
        }
        end.pass(&socket, |message| talk.on_heard(&message));
        if !is_connected && end.is_up() {
            is_connected = true;
            talk.on_connected();
        }
        if beats.is_due() && talk.is_complete() {
            end.write(&socket, &stamped());
            talk.on_sent();
        }
    }
}

/// What a message costs the bare host.
pub(crate) fn measure() -> Cost {
    let mut host = Host::start(&["bare"]);
    let talk = Arc::new(Talk::default());
    let (offers, offered) = channel();
    let mut answers = Vec::new();
    let mut members = Vec::new();
    for number in 0..MEMBERS {
        let (offers, talk) = (offers.clone(), talk.clone());
        let (sender, answer) = channel();
        answers.push(sender);
        members.push(thread::spawn(move || take_part(number, &offers, &answer, &talk)));
    }
    for (number, offer) in offered.into_iter().take(MEMBERS) {
        host.say(&to_line(&offer));
        answers[number].send(of_line(&host.hear())).expect("the member waits for it");
    }
    while !talk.is_complete() {
        thread::sleep(LATE);
    }
    let cost = weigh(&host, &talk);
    talk.end();
    for member in members {
        member.join().expect("the member ends well");
    }
    cost
}
