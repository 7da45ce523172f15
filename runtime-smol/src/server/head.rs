//! The head of an HTTP request: read to its end, within limits, and taken apart. What is answered is decided elsewhere.

use futures_lite::future::block_on;
use futures_lite::{AsyncRead, AsyncReadExt};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The longest head.
pub(super) const MAX_HEAD: usize = 8 * 1024;
/// The most lines in it.
const MAX_HEADERS: usize = 64;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// Behind the `?`.
    pub(super) query: String,
    /// From where, if it is a browser.
    pub(super) origin: Option<String>,
    /// The addresses that proxies have told, the nearest last. What stands before one that cannot be read is left out.
    pub(super) forwarded_for: Vec<IpAddr>,
    /// It wants a WebSocket.
    pub(super) upgrade: Option<Upgrade>,
}

/// What belongs to the opening of a WebSocket.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Upgrade {
    pub(super) key: String,
    pub(super) version: String,
    /// In the client's order.
    pub(super) protocols: Vec<String>,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// The client has closed, or its connection broke.
    Gone,
    /// Longer than is read.
    TooLong,
    /// No HTTP/1.1.
    Malformed,
}

/// Reads a head. What came behind it is returned too.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<(Request, Vec<u8>), HeadError> {
    let (mut bytes, mut look_at) = (Vec::with_capacity(1024), 0);
    loop {
        let read = bytes.len();
        bytes.resize((read + 1024).min(MAX_HEAD), 0);
        let more = stream.read(&mut bytes[read..]).await.map_err(|_| HeadError::Gone)?;
        bytes.truncate(read + more);
        if more == 0 {
            return Err(HeadError::Gone);
        }
        // Looked at whenever it may be whole; and now and then, so that what is no head hears it soon. Not at each piece:
        // whoever sends single bytes would have all the others read again for each.
        if bytes.len() < look_at.min(MAX_HEAD) && !has_empty_line(&bytes[read.saturating_sub(2)..]) {
            continue;
        }
        look_at = 2 * bytes.len();
        match parse(&bytes)? {
            Some((request, length)) => return Ok((request, bytes.split_off(length))),
            None if bytes.len() == MAX_HEAD => return Err(HeadError::TooLong),
            None => {}
        }
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// A promise of [`read`]: the request does not depend on the pieces in which it comes. Panics where that is broken.
pub(crate) fn same_head_in_pieces(bytes: &[u8], piece: usize) {
    let (mut whole, mut pieces) = (bytes, Pieces { rest: bytes, piece });
    let both = block_on(async { (read(&mut whole).await, read(&mut pieces).await) });
    match both {
        (Ok((one, behind)), Ok((other, _))) => {
            assert_eq!(one, other, "in pieces of {piece} bytes");
            assert!(bytes.len() - whole.len() <= MAX_HEAD && behind.len() < MAX_HEAD);
        }
        // Which complaint comes first depends on how much is there.
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{one:?}, but in pieces of {piece} bytes {other:?}"),
    }
}

/// Bytes that come a few at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let count = me.piece.min(me.rest.len()).min(out.len());
        let (now, later) = me.rest.split_at(count);
        out[..count].copy_from_slice(now);
        me.rest = later;
        Poll::Ready(Ok(count))
    }
}

/// The request and the length of its head; nothing if more has to come.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLong),
        Err(_) => return Err(HeadError::Malformed),
    };
    let (Some(method), Some(target)) = (head.method, head.path) else { return Err(HeadError::Malformed) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (mut origin, mut forwarded_for, mut upgrade) = (None, Vec::new(), Upgrade::default());
    let (mut is_upgrade, mut is_websocket) = (false, false);
    for header in head.headers.iter() {
        let Ok(value) = str::from_utf8(header.value) else { continue };
        let name = header.name;
        if name.eq_ignore_ascii_case("connection") {
            is_upgrade |= list(value).any(|word| word.eq_ignore_ascii_case("upgrade"));
        } else if name.eq_ignore_ascii_case("upgrade") {
            is_websocket |= list(value).any(|word| word.eq_ignore_ascii_case("websocket"));
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            upgrade.key = value.trim().into();
        } else if name.eq_ignore_ascii_case("sec-websocket-version") {
            upgrade.version = value.trim().into();
        } else if name.eq_ignore_ascii_case("sec-websocket-protocol") {
            upgrade.protocols.extend(list(value).map(String::from));
        } else if name.eq_ignore_ascii_case("origin") {
            origin = Some(value.trim().into());
        } else if name.eq_ignore_ascii_case("x-forwarded-for") {
            for address in list(value) {
                match address.parse() {
                    Ok(address) => forwarded_for.push(address),
                    Err(_) => forwarded_for.clear(),
                }
            }
        }
    }
    let upgrade = (is_upgrade && is_websocket).then_some(upgrade);
    let (method, path, query) = (method.into(), path.into(), query.into());
    Ok(Some((Request { method, path, query, origin, forwarded_for, upgrade }, length)))
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<(Request, Vec<u8>), HeadError> {
        futures_lite::future::block_on(read(&mut text.as_bytes()))
    }

    #[test]
    fn an_upgrade_is_taken_apart() {
        let text = "GET /ws?x=1 HTTP/1.1\r\nHost: h\r\nconnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                    Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, webstar.json\r\n\
                    Origin: https://o\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n\r\nmore";
        let (request, rest) = all(text).unwrap();
        let upgrade =
            Upgrade { key: "k".into(), version: "13".into(), protocols: vec!["a".into(), "webstar.json".into()] };
        let expected = Request {
            method: "GET".into(),
            path: "/ws".into(),
            query: "x=1".into(),
            origin: Some("https://o".into()),
            forwarded_for: vec![[1, 1, 1, 1].into(), [2, 2, 2, 2].into()],
            upgrade: Some(upgrade),
        };
        assert_eq!((request, &rest[..]), (expected, &b"more"[..]));
    }

    #[test]
    fn a_head_may_come_in_pieces() {
        for piece in [1, 2, 3, 700] {
            for text in
                ["GET / HTTP/1.1\r\nA: b\r\n\r\nrest", "GET / HTTP/1.1\nA: b\n\nrest", "\r\n\nGET / HTTP/1.1\r\n\nrest"]
            {
                let mut pieces = Pieces { rest: text.as_bytes(), piece };
                let (request, rest) = block_on(read(&mut pieces)).unwrap();
                assert_eq!(request.path, "/");
                assert!("rest".as_bytes().starts_with(&rest));
            }
            let endless = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD));
            let mut pieces = Pieces { rest: endless.as_bytes(), piece };
            assert_eq!(block_on(read(&mut pieces)), Err(HeadError::TooLong));
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert_eq!(all("GET / HTTP/1.1\r\n"), Err(HeadError::Gone));
        assert_eq!(all("\x16\x03\x01\r\n\r\n"), Err(HeadError::Malformed));
        assert_eq!(all(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD))), Err(HeadError::TooLong));
        assert_eq!(all(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65))), Err(HeadError::TooLong));
    }
}
