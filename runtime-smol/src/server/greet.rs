//! The first seconds of a connection: TLS, the head of a request, and then a page or a WebSocket.

use super::connection::web_socket;
use super::goodbye::linger;
use super::head::{self, HeadError, MAX_HEAD, Request, Upgrade};
use super::house::{House, Newcomer};
use super::origins;
use super::pages::{self, Response};
use super::shard::Shard;
use super::wire::{Transport, Wire};
use crate::network::{Network, is_near};
use async_io::{Async, Timer};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use data_encoding::BASE64;
use futures_lite::future::{or, poll_fn};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;
use webstar_core::server::{Arrival, Endpoint};
use webstar_core::wire::signal::Encoding;

/// TLS and the head of the request have to be done within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves a new connection until it is a WebSocket of the shard, or closed.
pub(super) async fn greet(shard: Rc<Shard>, stream: Async<TcpStream>, peer: SocketAddr, newcomer: Newcomer) {
    or(serve(&shard, stream, peer), newcomer.is_sent_away()).await;
    shard.house.leave(&newcomer);
}

async fn serve(shard: &Rc<Shard>, stream: Async<TcpStream>, peer: SocketAddr) {
    let heard = or(async { Some(hear(&shard.house, stream).await) }, async {
        Timer::after(PATIENCE).await;
        None
    })
    .await;
    let unfinished = &shard.house.counters.unfinished;
    let Some(Ok((mut wire, request))) = heard else {
        unfinished.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let (request, rest) = match request {
        Ok(read) => read,
        Err(HeadError::Gone) => {
            unfinished.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Err(HeadError::TooLong) => {
            let text = format!("the request's head is longer than {MAX_HEAD} bytes or has more than 64 lines\n");
            return say(&shard.house, &mut wire, &Response::text(431, &text), false).await;
        }
        Err(HeadError::Malformed) => {
            let text = "this is no HTTP/1.1 request; is it TLS against a server without, or something else?\n";
            return say(&shard.house, &mut wire, &Response::text(400, text), false).await;
        }
    };
    wire.on_message();
    match door(&shard.house, &request) {
        Door::WebSocket(endpoint, upgrade) => {
            let encoding = upgrade.protocols.iter().find_map(|name| Encoding::of_subprotocol(name));
            let address = address(peer.ip(), &request.forwarded_for, &shard.house.trusted_proxies);
            if let Some(socket) = accept(wire, rest, &upgrade.key, encoding).await {
                shard.open(socket, Arrival { address, endpoint, encoding });
            }
        }
        Door::Page => {
            let is_local = is_near(peer.ip()) && request.forwarded_for.iter().all(|address| is_near(*address));
            let page = pages::page(&shard.house, &request, is_local).await;
            let page = origins::marked(&shard.house.allowed_origins, &request, page);
            say(&shard.house, &mut wire, &page, request.method == "HEAD").await;
        }
        Door::Answered(response) => say(&shard.house, &mut wire, &response, false).await,
    }
}

type Heard = (Wire, Result<(Request, Vec<u8>), HeadError>);

async fn hear(house: &House, stream: Async<TcpStream>) -> std::io::Result<Heard> {
    stream.get_ref().set_nodelay(true)?;
    let transport = match &house.tls {
        Some(tls) => Transport::Tls(Box::new(Box::pin(tls.accept(stream)).await?)),
        None => Transport::Plain(stream),
    };
    let mut wire = Wire::new(transport);
    let request = head::read(&mut wire).await;
    Ok((wire, request))
}

enum Door<'a> {
    WebSocket(Endpoint, &'a Upgrade),
    Page,
    Answered(Response),
}

/// Which door a request takes.
fn door<'a>(house: &House, request: &'a Request) -> Door<'a> {
    if let Some(answer) = origins::answer(&house.allowed_origins, request) {
        return Door::Answered(answer);
    }
    let endpoint = match request.path.as_str() {
        "/ws" => Endpoint::Lobby,
        "/relay" => Endpoint::Relay,
        _ => return Door::Page,
    };
    if request.method != "GET" {
        return Door::Answered(Response::text(405, "a WebSocket is opened by GET\n").with("Allow", "GET"));
    }
    let Some(upgrade) = &request.upgrade else {
        let text = "this is a WebSocket endpoint; open it with a WebSocket client\n";
        return Door::Answered(Response::text(426, text).with("Upgrade", "websocket"));
    };
    if upgrade.version != "13" {
        let text = "only version 13 of WebSocket (RFC 6455) is spoken here\n";
        return Door::Answered(Response::text(426, text).with("Sec-WebSocket-Version", "13"));
    }
    if !BASE64.decode(upgrade.key.as_bytes()).is_ok_and(|key| key.len() == 16) {
        return Door::Answered(Response::text(400, "Sec-WebSocket-Key must be 16 bytes in base64\n"));
    }
    if house.is_leaving.load(Ordering::Relaxed) {
        return Door::Answered(Response::text(503, "the server is shutting down; connect again in a few seconds\n"));
    }
    Door::WebSocket(endpoint, upgrade)
}

/// The client's address. A proxy is believed only if the operator trusts it, and each says who stands before it: the first
/// one from here that is not trusted is the client.
fn address(peer: IpAddr, told: &[IpAddr], trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut told = told.iter().rev();
    let mut client = peer;
    while is_trusted(client) {
        match told.next() {
            Some(before) => client = *before,
            None => break,
        }
    }
    client.to_canonical()
}

/// Answers an upgrade. None if the connection broke.
async fn accept(mut wire: Wire, rest: Vec<u8>, key: &str, encoding: Option<Encoding>) -> Option<WebSocketStream<Wire>> {
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key.as_bytes())
    );
    if let Some(encoding) = encoding {
        answer += &format!("Sec-WebSocket-Protocol: {}\r\n", encoding.subprotocol());
    }
    answer += "\r\n";
    wire.hold(answer.as_bytes());
    // A fresh socket has room for it; if not, it leaves with the first frames.
    let sent = poll_fn(|_| {
        let polled = wire.poll_send(&mut Context::from_waker(Waker::noop()), &mut 0);
        std::task::Poll::Ready(polled)
    });
    match pin!(sent).await {
        std::task::Poll::Ready(Err(_)) => None,
        _ => Some(web_socket(wire, rest).await),
    }
}

/// Answers with a page and closes.
async fn say(house: &House, wire: &mut Wire, response: &Response, is_head: bool) {
    house.counters.answered(response.status);
    wire.hold(&response.bytes(is_head));
    linger(wire).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let [proxy, inner, client, other] =
            [[127, 0, 0, 1], [10, 2, 3, 4], [9, 9, 9, 9], [8, 8, 8, 8]].map(IpAddr::from);
        let trusted: Vec<Network> = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap()).into();
        assert_eq!(address(proxy, &[client], &trusted), client);
        assert_eq!(address(other, &[client], &trusted), other);
        assert_eq!(address(proxy, &[client], &[]), proxy);
        assert_eq!(address(proxy, &[], &trusted), proxy);
        assert_eq!(address("::ffff:9.9.9.9".parse().unwrap(), &[], &[]), client);
        // What the client itself says comes first and is not looked at.
        assert_eq!(address(proxy, &[other, client, inner], &trusted), client);
        assert_eq!(address(proxy, &[inner], &trusted), inner);
    }
}
