//! The machine of direct paths on UDP sockets, one for each address, and a WebSocket to the lobby server. Decides nothing.

use crate::Outcome;
use async_io::{Async, Timer};
use async_tungstenite::tungstenite::{Message, http::Uri};
use async_tungstenite::{WebSocketStream, client_async};
use futures_lite::StreamExt as _;
use futures_lite::future::{FutureExt as _, poll_fn};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::LazyLock;
use std::task::Poll;
use webstar_core::id::PlayerId;
use webstar_core::path::Fact;
use webstar_core::path::webrtc::{Input, Output, PathKind, Stack, Webrtc, WebrtcConfig, worth_telling};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{Encoding, Frame, RtcSignal, ServerMessage, decode_server};

static ZERO: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Now, on a time line that begins with the program.
pub(crate) fn now() -> Instant {
    Instant::from_nanos(i64::try_from(ZERO.elapsed().as_nanos()).unwrap_or(i64::MAX))
}

/// What has happened.
pub(crate) enum Happened {
    Told(Box<ServerMessage>),
    Datagram,
    Time,
}

/// What the machine wants or tells.
pub(crate) enum Wanted {
    Signal(PlayerId, RtcSignal),
    Fact(PathKind, Fact),
    Packet(PathKind, Vec<u8>),
}

/// A player without a session.
pub(crate) struct Native {
    server: WebSocketStream<Async<TcpStream>>,
    sockets: Vec<(SocketAddr, Async<UdpSocket>)>,
    stack: Stack,
    machine: Option<(PlayerId, Webrtc)>,
    deadline: Option<Instant>,
}

impl Native {
    /// Connects to the lobby server, and opens sockets at the addresses that players would tell.
    pub(crate) async fn connect(url: &str) -> Outcome<Self> {
        let uri: Uri = url.parse()?;
        let (host, port) = (uri.host().ok_or("the URL names no host")?, uri.port_u16().unwrap_or(80));
        let stream = Async::new(TcpStream::connect((host, port))?)?;
        let at = stream.get_ref().peer_addr()?.ip();
        let (server, _) = client_async(url, stream).await?;
        let interfaces: Vec<_> = if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
        let mut sockets = Vec::new();
        for ip in worth_telling(&interfaces, Some(at)) {
            let socket = Async::<UdpSocket>::bind((ip, 0))?;
            sockets.push((socket.get_ref().local_addr()?, socket));
        }
        let stack = Stack::aws_lc(*ZERO).ok_or("the cryptography of WebRTC refuses to work on this machine")?;
        Ok(Native { server, sockets, stack, machine: None, deadline: None })
    }

    /// It is known who we are.
    pub(crate) fn enter(&mut self, player: PlayerId) -> Outcome<()> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let mut machine = Webrtc::new(WebrtcConfig { player, stack: self.stack.clone(), seed });
        machine.handle(now(), Input::Addresses(self.sockets.iter().map(|(address, _)| *address).collect()))?;
        self.machine = Some((player, machine));
        Ok(())
    }

    /// Who we are.
    pub(crate) fn player(&self) -> Option<PlayerId> {
        self.machine.as_ref().map(|(player, _)| *player)
    }

    /// Tells the server something.
    pub(crate) async fn say(&mut self, frame: Frame) -> Outcome<()> {
        Ok(self.server.send(Message::Binary(frame.bytes().clone())).await?)
    }

    /// Tells the machine something.
    pub(crate) fn handle(&mut self, input: Input<'_>) -> Outcome<()> {
        let (_, machine) = self.machine.as_mut().ok_or("nobody has told us yet who we are")?;
        Ok(machine.handle(now(), input)?)
    }

    /// The next thing that the machine wants; its datagrams leave.
    pub(crate) fn poll(&mut self) -> Option<Wanted> {
        let (_, machine) = self.machine.as_mut()?;
        loop {
            match machine.poll() {
                Output::Datagram { from, to, payload } => {
                    let socket = self.sockets.iter().find(|(address, _)| *address == from);
                    // What the system does not take is lost, as on any network.
                    let _ = socket.map(|(_, socket)| socket.get_ref().send_to(payload, to));
                }
                Output::Signal { player, signal } => return Some(Wanted::Signal(player, signal)),
                Output::Fact { kind, fact, .. } => return Some(Wanted::Fact(kind, fact)),
                Output::Packet { kind, bytes, .. } => return Some(Wanted::Packet(kind, bytes.into())),
                Output::Server { .. } | Output::Stream { .. } => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return None;
                }
            }
        }
    }

    /// Waits for the next thing, at most until then. Datagrams have been told to the machine.
    pub(crate) async fn next(&mut self, until: Instant) -> Outcome<Happened> {
        let due = self.deadline.map_or(until, |deadline| deadline.min(until));
        let Native { server, sockets, machine, .. } = self;
        let told = async {
            loop {
                match server.next().await {
                    Some(Ok(Message::Binary(bytes))) => {
                        let message = decode_server(Encoding::Postcard, &Frame::Binary(bytes))?;
                        return Ok(Happened::Told(Box::new(message)));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error.into()),
                    None => return Err("the server has closed the connection".into()),
                }
            }
        };
        let datagram = poll_fn(|cx| {
            let mut room = [0; 2_048];
            for (to, socket) in sockets.iter() {
                loop {
                    match (socket.get_ref().recv_from(&mut room), machine.as_mut()) {
                        (Ok((size, from)), Some((_, machine))) => {
                            let input = Input::Datagram { from, to: *to, bytes: &room[..size] };
                            return Poll::Ready(machine.handle(now(), input).map(|()| Happened::Datagram));
                        }
                        (Err(error), _)
                            if error.kind() == ErrorKind::WouldBlock && socket.poll_readable(cx).is_pending() =>
                        {
                            break;
                        }
                        // Nobody was there to receive what we have sent, or nobody is here yet.
                        _ => {}
                    }
                }
            }
            Poll::Pending
        });
        let time = async {
            Timer::at(*ZERO + due.since(Instant::ZERO)).await;
            Ok(Happened::Time)
        };
        told.or(async { Ok(datagram.await?) }).or(time).await
    }
}
