//! What abusers do, each in its own way, and what the server counts of it.

use super::house::House;
use crate::clients::{ask, connect};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

/// One way of doing harm. It returns when the server has had enough of it.
pub(crate) struct Attack {
    pub(crate) run: fn(&House),
    /// What has grown at least by how much.
    pub(crate) counted: &'static [(&'static str, u64)],
}

const RATE_LIMITED: &str = r#"closed_total{reason="rate_limited"}"#;
const BAD_MESSAGES: &str = r#"closed_total{reason="bad_messages"}"#;
const TOO_LARGE: &str = r#"closed_total{reason="too_large"}"#;
const HANDSHAKE_TIMEOUT: &str = r#"closed_total{reason="handshake_timeout"}"#;
const BUSY: &str = r#"closed_total{reason="busy"}"#;
const UNFINISHED: &str = "handshakes_unfinished_total";
const HEAD_TOO_LONG: &str = r#"http_refused_total{status="431"}"#;
const WRONG_METHOD: &str = r#"http_refused_total{status="405"}"#;
const TOLD_RATE_LIMITED: &str = r#"refused_total{code="rate_limited"}"#;
const GUESSED_WRONG: &str = r#"refused_total{code="no_such_lobby_or_password"}"#;

pub(crate) const ATTACKS: &[Attack] = &[
    Attack { run: half_open_handshakes, counted: &[(UNFINISHED, 2_000)] },
    Attack { run: writers_of_single_bytes, counted: &[(UNFINISHED, 40), (HANDSHAKE_TIMEOUT, 10)] },
    Attack { run: pings_without_reading, counted: &[(RATE_LIMITED, 4)] },
    Attack { run: fragments_without_end, counted: &[(RATE_LIMITED, 8)] },
    Attack { run: garbage, counted: &[(BAD_MESSAGES, 20)] },
    Attack { run: claims_of_much, counted: &[(TOO_LARGE, 10), (BAD_MESSAGES, 10), (WRONG_METHOD, 1)] },
    Attack { run: guesses, counted: &[(RATE_LIMITED, 2), (TOLD_RATE_LIMITED, 40), (GUESSED_WRONG, 10)] },
    Attack { run: floods_of_headers, counted: &[(HEAD_TOO_LONG, 40)] },
    Attack { run: bombs, counted: &[(BAD_MESSAGES, 12)] },
    Attack { run: crowds, counted: &[(BUSY, 100)] },
];

/// An address from which nobody has come yet.
fn address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("198.18.{high}.{low}")
}

/// A WebSocket from that address, and nothing said on it yet.
fn web_socket(house: &House, from: &str) -> TcpStream {
    let mut stream = connect(house.address);
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: {from}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// A frame as clients send it, masked with nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(len) if len < 126 => frame.push(0x80 | payload.len().to_le_bytes()[0]),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => panic!("no attack needs that"),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Writes the same again and again until the other side will not have it any more; then reads what it said last.
fn flood(mut stream: TcpStream, first: &[u8], again: &[u8]) -> Option<String> {
    let mut sent = first.len();
    let mut is_open = stream.write_all(first).is_ok();
    while is_open && sent < 64 << 20 {
        is_open = stream.write_all(again).is_ok();
        sent += again.len();
    }
    assert!(sent < 64 << 20, "the flood was never stopped");
    reason(&mut stream)
}

/// The reason in the close frame. Nothing if the connection was reset before it could be read.
fn reason(stream: &mut TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    let _ = stream.shutdown(Shutdown::Both);
    let mut rest = &heard[..];
    loop {
        let (opcode, len, at) = match rest {
            [first, len @ 0..=125, ..] => (first & 0xf, usize::from(*len), 2),
            [first, 126, high, low, ..] => (first & 0xf, usize::from(u16::from_be_bytes([*high, *low])), 4),
            _ => return None,
        };
        let payload = rest.get(at..at + len)?;
        if opcode == 8 {
            return Some(String::from_utf8_lossy(payload.get(2..)?).into_owned());
        }
        rest = &rest[at + len..];
    }
}

fn half_open_handshakes(house: &House) {
    let halves: [&[u8]; 2] = [b"", b"GET /ws HTTP/1.1\r\nUpgrade: web"];
    let streams: Vec<TcpStream> = (0..2_000)
        .map(|number| {
            let mut stream = connect(house.address);
            stream.write_all(halves[number % 2]).unwrap();
            stream
        })
        .collect();
    for mut stream in streams {
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert!(heard.is_empty(), "{heard:?}");
    }
}

/// Heads, and messages, that are never done.
fn writers_of_single_bytes(house: &House) {
    let from = address();
    let heads = (0..40).map(|_| {
        let mut stream = connect(house.address);
        stream.write_all(b"GET / HTTP/1.1\r\ncookie: ").unwrap();
        stream
    });
    let begun = frame(TEXT, &[b' '; 60_000]);
    let messages = (0..10).map(|_| {
        let mut stream = web_socket(house, &from);
        stream.write_all(&begun[..8]).unwrap();
        stream
    });
    let mut streams: Vec<TcpStream> = heads.chain(messages).collect();
    while !streams.is_empty() {
        streams.retain_mut(|stream| stream.write_all(b"a").is_ok());
        thread::sleep(Duration::from_millis(20));
    }
}

fn pings_without_reading(house: &House) {
    let from = address();
    let pings = frame(0x89, &[b'p'; 100]).repeat(100);
    for _ in 0..4 {
        let told = flood(web_socket(house, &from), &[], &pings);
        assert!(told.is_none_or(|told| told == "rate_limited"));
    }
}

/// A message that goes on with nothing, or with a byte at a time.
fn fragments_without_end(house: &House) {
    let from = address();
    for content in [&b""[..], b"a"] {
        for _ in 0..4 {
            let told = flood(web_socket(house, &from), &frame(0x01, b"["), &frame(0x00, content).repeat(1_000));
            // With a byte in each, the longest message may be full first.
            assert!(told.is_none_or(|told| ["rate_limited", "too_large"].contains(&told.as_str())));
        }
    }
}

/// No frames at all, and frames of which nobody can make anything.
fn garbage(house: &House) {
    let from = address();
    for seed in 1..=10_u32 {
        let noise: Vec<u8> =
            (0..4_096_u32).map(|at| (at ^ seed).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let no_frame = flood(web_socket(house, &from), &[0xff, 0xff], &noise);
        let no_message = flood(web_socket(house, &from), &[], &frame(BINARY, &noise[..100]));
        for told in [no_frame, no_message].into_iter().flatten() {
            assert_eq!(told, "bad_messages");
        }
    }
}

/// Lengths of a hundred megabytes: of a frame, of a list in a message, of the body of a request.
fn claims_of_much(house: &House) {
    let from = address();
    let claim = [&[BINARY, 0xff][..], &(100_u64 << 20).to_be_bytes(), &[0; 4]].concat();
    let list = [&[0x02, 0x01][..], &[0xff, 0xff, 0xff, 0x31]].concat();
    for _ in 0..10 {
        for (told, wanted) in [
            (flood(web_socket(house, &from), &claim, &[0; 4_096]), "too_large"),
            (flood(web_socket(house, &from), &[], &frame(BINARY, &list)), "bad_messages"),
        ] {
            assert!(told.is_none_or(|told| told == wanted), "{wanted}");
        }
    }
    let (status, _) = ask(house.address, "POST /ws HTTP/1.1\r\nHost: test\r\nContent-Length: 104857600\r\n\r\n");
    assert_eq!(status, 405);
}

/// Passwords for a lobby that has one, from two addresses.
fn guesses(house: &House) {
    let said = |message: &Value| frame(TEXT, message.to_string().as_bytes());
    let mut owner = web_socket(house, &address());
    let lobby = json!({"type": "join_lobby", "lobby_id": "vault", "username": "owner", "password": "correct horse"});
    owner.write_all(&said(&lobby)).unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("lobby_joined") {
        let mut more = [0; 1_024];
        let read = owner.read(&mut more).unwrap();
        assert!(read > 0, "the owner is closed");
        answer.extend(&more[..read]);
    }
    for _ in 0..2 {
        let mut stream = web_socket(house, &address());
        for number in 0.. {
            let guess =
                json!({"type": "join_lobby", "lobby_id": "vault", "username": "eve", "password": number.to_string()});
            if stream.write_all(&said(&guess)).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        assert!(reason(&mut stream).is_none_or(|told| told == "rate_limited"));
    }
}

fn floods_of_headers(house: &House) {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    let long = format!("GET / HTTP/1.1\r\ncookie: {}\r\n\r\n", "a".repeat(16_000));
    for _ in 0..20 {
        for request in [&many, &long] {
            let (status, _) = ask(house.address, request);
            assert_eq!(status, 431);
        }
    }
}

/// Little that would become much: deep lists, long texts of escapes, and frames that say they are compressed.
fn bombs(house: &House) {
    let from = address();
    let deep = "[".repeat(60_000);
    let wide = format!(r#"{{"type":"join_lobby","username":[{}0]}}"#, "0,".repeat(29_000));
    let escaped = format!(r#"{{"type":"join_lobby","username":"{}"}}"#, r"\u0041".repeat(9_000));
    for _ in 0..3 {
        for text in [&deep, &wide, &escaped] {
            let told = flood(web_socket(house, &from), &[], &frame(TEXT, text.as_bytes()));
            assert!(told.is_none_or(|told| told == "bad_messages"));
        }
        let compressed = frame(TEXT | 0x40, &[0xec, 0xc0, 0x81, 0, 0, 0, 0, 0, 0x90, 0xff]);
        let told = flood(web_socket(house, &from), &compressed, &[0; 16]);
        assert!(told.is_none_or(|told| told == "bad_messages"));
    }
}

/// More connections than one address may have, in each of the two shards.
fn crowds(house: &House) {
    let from = address();
    // Together they come before the first of them is put out for saying nothing.
    let streams = thread::scope(|scope| {
        let hundreds: Vec<_> = (0..7)
            .map(|_| scope.spawn(|| (0..100).map(|_| web_socket(house, &from)).collect::<Vec<TcpStream>>()))
            .collect();
        hundreds.into_iter().flat_map(|hundred| hundred.join().unwrap()).collect::<Vec<_>>()
    });
    let told = streams.into_iter().map(|mut stream| reason(&mut stream));
    assert!(told.filter(|told| told.as_deref() == Some("busy")).count() >= 100);
}
