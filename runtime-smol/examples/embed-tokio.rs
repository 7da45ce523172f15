//! Two players under tokio. `webstar-core` is the player; sockets, clock and seed are this file's, and it is all that a
//! runtime has to bring. Packets go through the lobby server: direct paths would be two more arms in `drain` (see
//! `webstar_core::path::webrtc`).
//!
//! ```sh
//! cargo run --example embed-tokio                            # with a server of its own, which runs on smol
//! cargo run --example embed-tokio -- ws://127.0.0.1:8080/ws  # with yours
//! ```

use futures_lite::future::{or, zip};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant as Moment;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout_at;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use webstar_core::config::PlayerConfig;
use webstar_core::id::StreamId;
use webstar_core::peer::{
    Channel, Command, Destination, Ended, Input, JoinRequest, Output, Payload, Peer, PeerEvent, Target, Wish,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{CreateLobby, Frame, LobbyName, Username};
use webstar_smol::server::{Server, ServerOptions};

/// Inputs that wait for the machine; then its streams wait.
const QUEUE: usize = 64;
/// When a machine does not ask to be called, it may be called then.
const LONG: Duration = Duration::from_secs(3600);

/// A player and what carries out its wishes.
struct Player {
    peer: Peer,
    /// The beginning of its time line.
    zero: Moment,
    streams: BTreeMap<StreamId, UnboundedSender<Message>>,
    /// What the tasks of the streams have to tell.
    told: Receiver<Input>,
    tell: Sender<Input>,
    events: Vec<PeerEvent>,
    deadline: Option<Instant>,
}

impl Player {
    fn join(server: &str, name: &str) -> Result<Self, Box<dyn Error>> {
        let config = PlayerConfig { signaling_server: server.into(), ..PlayerConfig::default() };
        let mut request = JoinRequest::new(Username::new(name)?, Wish::Named(LobbyName::new("tokio")?));
        request.create = Some(CreateLobby::default());
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let (tell, told) = mpsc::channel(QUEUE);
        let (peer, zero) = (Peer::new(config, request, seed, Instant::ZERO)?, Moment::now());
        Ok(Player { peer, zero, streams: BTreeMap::new(), told, tell, events: Vec::new(), deadline: None })
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.zero.elapsed()
    }

    /// Carries out what the machine wants, until it wants nothing more.
    fn drain(&mut self) {
        loop {
            match self.peer.poll() {
                Output::Open { stream, target: Target::WebSocket { url, subprotocol } } => {
                    let (sender, frames) = mpsc::unbounded_channel();
                    self.streams.insert(stream, sender);
                    tokio::spawn(carry(stream, url, subprotocol, frames, self.tell.clone()));
                }
                Output::Transmit { stream, payload } => {
                    let message = match payload {
                        Payload::Text(text) => Message::text(text),
                        Payload::Binary(bytes) => Message::binary(bytes.to_vec()),
                    };
                    if let Some(frames) = self.streams.get(&stream) {
                        // A stream that has just broken tells so itself.
                        let _ = frames.send(message);
                    }
                }
                // Its task sends what it was given, says goodbye and ends.
                Output::Close { stream } => drop(self.streams.remove(&stream)),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline.map(|(at, _)| at);
                    return;
                }
                // `direct_paths` names none.
                Output::Pipe { .. } | Output::Packet { .. } | Output::Signal { .. } | Output::IceServers { .. } => {}
            }
        }
    }

    /// What has happened to the player since it was asked last; waits until something has.
    async fn events(&mut self) -> Result<Vec<PeerEvent>, Box<dyn Error>> {
        loop {
            self.drain();
            if !self.events.is_empty() {
                return Ok(std::mem::take(&mut self.events));
            }
            let at = self.deadline.unwrap_or(self.now() + LONG).since(Instant::ZERO);
            let input = match timeout_at((self.zero + at).into(), self.told.recv()).await {
                Ok(Some(input)) => input,
                Ok(None) | Err(_) => Input::Timeout,
            };
            self.peer.handle(self.now(), input)?;
        }
    }
}

/// One stream: opens a WebSocket and carries frames both ways until either side ends it.
async fn carry(
    stream: StreamId,
    url: String,
    subprotocol: &'static str,
    frames: UnboundedReceiver<Message>,
    tell: Sender<Input>,
) {
    // Whoever listens to `tell` may be gone, and then nothing matters any more.
    let socket = async {
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(subprotocol));
        connect_async_with_config(request, None, true).await
    };
    let (sink, source) = match socket.await {
        Ok((socket, _)) => socket.split(),
        Err(why) => return drop(tell.send(Input::Failed { stream, why: why.to_string() }).await),
    };
    let _ = tell.send(Input::Opened { stream }).await;
    let reason = or(send(stream, frames, sink, &tell), receive(stream, source, &tell)).await;
    let _ = tell.send(Input::Closed { stream, reason }).await;
}

/// Sends what the machine gives, as much as there is at once, and tells when all of it has left.
async fn send(
    stream: StreamId,
    mut frames: UnboundedReceiver<Message>,
    mut sink: impl Sink<Message, Error = tungstenite::Error> + Unpin,
    tell: &Sender<Input>,
) -> String {
    while let Some(frame) = frames.recv().await {
        let mut sent = sink.feed(frame).await;
        while sent.is_ok()
            && let Ok(frame) = frames.try_recv()
        {
            sent = sink.feed(frame).await;
        }
        if sent.is_ok() {
            sent = sink.flush().await;
        }
        if let Err(why) = sent {
            return why.to_string();
        }
        let _ = tell.send(Input::Buffered { stream, bytes: 0 }).await;
    }
    let _ = sink.close().await;
    String::new()
}

/// Tells the machine what comes. The answer is why nothing more comes.
async fn receive(
    stream: StreamId,
    mut source: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    tell: &Sender<Input>,
) -> String {
    while let Some(message) = source.next().await {
        let frame = match message {
            Ok(Message::Text(text)) => Frame::Text(text.into()),
            Ok(Message::Binary(bytes)) => Frame::Binary(bytes),
            Ok(Message::Close(told)) => return told.map_or(String::new(), |told| told.reason.to_string()),
            Ok(_) => continue,
            Err(why) => return why.to_string(),
        };
        let _ = tell.send(Input::Frame { stream, frame }).await;
    }
    String::new()
}

/// Greets everybody once two are here, leaves when two greetings were heard, and answers them.
async fn greet(mut player: Player, name: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut heard = Vec::new();
    loop {
        for event in player.events().await? {
            let has_company = match event {
                PeerEvent::Joined { members, .. } => members.len() > 1,
                PeerEvent::PlayerJoined(_) => true,
                PeerEvent::Message(message) => {
                    heard.push(String::from_utf8_lossy(&message.payload).into_owned());
                    if heard.len() == 2 {
                        player.peer.command(player.now(), Command::Leave)?;
                    }
                    false
                }
                PeerEvent::Closed(Ended::Left) => return Ok(heard),
                PeerEvent::Closed(why) => return Err(why.into()),
                _ => false,
            };
            if has_company {
                let words = format!("{name} says hello");
                player.peer.send(player.now(), &Destination::All, Channel::Ordered, "chat", words.into())?;
            }
        }
    }
}

/// Two players in one thread of tokio: what each has heard.
fn two_players(server: &str) -> Result<[Vec<String>; 2], Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let (ann, bob) = (Player::join(server, "ann")?, Player::join(server, "bob")?);
        let (ann, bob) = zip(greet(ann, "ann"), greet(bob, "bob")).await;
        Ok([ann?, bob?])
    })
}

fn with_a_server() -> Result<[Vec<String>; 2], Box<dyn Error>> {
    let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
    let heard = two_players(server.url())?;
    futures_lite::future::block_on(server.close());
    Ok(heard)
}

fn main() -> Result<(), Box<dyn Error>> {
    let [ann, bob] = match std::env::args().nth(1) {
        Some(server) => two_players(&server)?,
        None => with_a_server()?,
    };
    println!("ann has heard {ann:?}\nbob has heard {bob:?}");
    if ann == bob { Ok(()) } else { Err("they have heard different things".into()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_players_under_tokio_hear_the_same() {
        let [ann, bob] = super::with_a_server().expect("it goes well");
        assert_eq!(ann, bob);
        assert!(ann.contains(&"ann says hello".into()) && ann.contains(&"bob says hello".into()), "{ann:?}");
    }
}
