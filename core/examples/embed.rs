//! Two players and a lobby server in one thread, without sockets, clocks or a runtime: you are the network and the time.

use std::net::Ipv4Addr;
use webstar_core::config::PlayerConfig;
use webstar_core::id::{ConnectionId, ShardId, StreamId};
use webstar_core::peer::{self, Channel, Destination, JoinRequest, Payload, Peer, PeerEvent, Wish};
use webstar_core::server::directory::Table;
use webstar_core::server::{self, Answer, Arrival, Ask, Endpoint, Identity, Server, ServerConfig};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{CreateLobby, Encoding, Frame, LobbyName, Username};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut now = Instant::ZERO;
    let identity = Identity { shard: ShardId(0), shards: 1, key: [1; 32], process: 0 };
    let mut server = Server::new(ServerConfig::default(), identity, [2; 32], now)?;
    let mut directory = Table::new();
    let join = |name: &str| -> Result<Peer, Box<dyn std::error::Error>> {
        let mut request = JoinRequest::new(Username::new(name)?, Wish::Named(LobbyName::new("den")?));
        request.create = Some(CreateLobby::default());
        Ok(Peer::new(PlayerConfig::default(), request, [name.len() as u8; 32], now)?)
    };
    let (mut players, mut streams) = ([join("ann")?, join("bertram")?], [StreamId(0); 2]);
    let mut heard = Vec::new();
    while heard.len() < 2 {
        for (me, player) in players.iter_mut().enumerate() {
            let connection = ConnectionId(me as u32);
            player.handle(now, peer::Input::Timeout)?;
            loop {
                match player.poll() {
                    // What has to be done, you do: open a connection, carry bytes, show what happened.
                    peer::Output::Open { stream, .. } => {
                        let (address, encoding) = (Ipv4Addr::LOCALHOST.into(), Some(Encoding::Postcard));
                        let arrival = Arrival { address, endpoint: Endpoint::Lobby, encoding };
                        server.handle(now, server::Input::Connected { connection, arrival })?;
                        player.handle(now, peer::Input::Opened { stream })?;
                        streams[me] = stream;
                    }
                    peer::Output::Transmit { payload: Payload::Binary(bytes), .. } => {
                        let frame = Frame::Binary(bytes.to_vec().into());
                        server.handle(now, server::Input::Frame { connection, frame })?;
                    }
                    peer::Output::Event(PeerEvent::PlayerJoined(other)) => {
                        let text = format!("hello, {}", other.username);
                        player.send(now, &Destination::All, Channel::Ordered, "chat", text.into())?;
                    }
                    peer::Output::Event(PeerEvent::Message(message)) => heard.push(message.payload),
                    peer::Output::Timeout(_) => break, // Come back then, or when something has come.
                    _ => {}
                }
            }
        }
        loop {
            match server.poll() {
                server::Output::Transmit { connection, frame } => {
                    server.handle(now, server::Input::Wrote { connection, bytes: frame.bytes().len() })?;
                    let to = connection.0 as usize;
                    players[to].handle(now, peer::Input::Frame { stream: streams[to], frame })?;
                }
                server::Output::Ask { id, ask: Ask::Directory(ask) } => {
                    let answer = Answer::Directory(directory.answer(ShardId(0), ask));
                    server.handle(now, server::Input::Answered { ask: id, answer })?;
                }
                server::Output::Timeout(_) => break,
                _ => {}
            }
        }
        now += Duration::from_millis(1);
    }
    // The host has greeted, and everybody, the host included, has heard it at the same place.
    assert_eq!(heard, ["hello, bertram", "hello, bertram"]);
    Ok(())
}
