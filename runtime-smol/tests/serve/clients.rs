//! Servers inside the test and clients that are nothing but sockets.

use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::{Error, Message, WebSocket, client};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use webstar_smol::server::{Server, ServerOptions};

/// Longer than anything takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a free port.
pub(crate) fn server(change: impl FnOnce(&mut ServerOptions)) -> Server {
    let mut options = ServerOptions { listen: "127.0.0.1:0".parse().unwrap(), shards: 2, ..ServerOptions::default() };
    change(&mut options);
    Server::bind(options).unwrap()
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and returns all that comes back: status and the whole answer.
pub(crate) fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer}")), answer)
}

pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
}

/// The body of an answer.
pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("an empty line").1
}

/// A client that speaks JSON.
pub(crate) struct Guest<S = TcpStream>(pub(crate) WebSocket<S>);

impl Guest {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let (guest, _) = Guest::with_protocol(address, None);
        guest
    }

    /// With a sub-protocol; returns the one that the server chose.
    pub(crate) fn with_protocol(address: SocketAddr, protocol: Option<&'static str>) -> (Self, Option<String>) {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
        }
        let (socket, response) = client(request, connect(address)).unwrap();
        let chosen = response.headers().get("Sec-WebSocket-Protocol");
        (Guest(socket), chosen.map(|chosen| chosen.to_str().unwrap().to_owned()))
    }

    /// In a lobby, which is made if it is not there.
    pub(crate) fn join(address: SocketAddr, lobby: &str, name: &str) -> Self {
        let mut guest = Guest::connect(address);
        guest.say(&json!({"type": "join_lobby", "lobby_id": lobby, "username": name, "create": {}}));
        guest.hear("lobby_joined");
        guest
    }
}

impl<S: Read + Write> Guest<S> {
    pub(crate) fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message of this type. Others are passed over.
    pub(crate) fn hear(&mut self, name: &str) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == name {
                    return message;
                }
            }
        }
    }

    /// The number and the reason of the close frame; nothing if the connection ends without.
    pub(crate) fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.0.read() {
                Ok(Message::Close(Some(told))) => return Some((told.code.into(), told.reason.to_string())),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("not closed"),
                Err(_) => return None,
            }
        }
    }
}
