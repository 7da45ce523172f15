//! Clients that mean harm, or sleep.

use crate::clients::{Guest, connect, server};
use futures_lite::future::block_on;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use webstar_core::server::ServerEvent;
use webstar_core::wire::signal::CloseReason;

/// Writes until the other side will not have it any more, and returns what it had to say.
fn flood(stream: &mut TcpStream, first: &[u8], again: &[u8]) -> Vec<u8> {
    let mut reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let _ = reading.read_to_end(&mut heard);
        heard
    });
    let mut sent = first.len();
    stream.write_all(first).unwrap();
    // Far more than may pass, and still an end.
    while sent < 64 << 20 && !reader.is_finished() {
        match stream.write(again) {
            Ok(more) => sent += more,
            Err(_) => break,
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    assert!(sent < 64 << 20, "the flood was never stopped");
    reader.join().unwrap()
}

fn web_socket(server: &webstar_smol::server::Server) -> TcpStream {
    Guest::connect(server.local_addr()).0.get_ref().try_clone().unwrap()
}

#[test]
fn floods_of_fragments_are_closed() {
    let server = server(|_| {});
    // A text that begins and goes on with nothing: flags, masked length 0, mask.
    let (begin, go_on) = ([0x01, 0x80, 0, 0, 0, 0], [0x00, 0x80, 0, 0, 0, 0]);
    let heard = flood(&mut web_socket(&server), &begin, &go_on.repeat(10_000));
    assert_eq!(heard, [&[0x88, 14, 0x03, 0xf0][..], b"rate_limited"].concat());
    // With a byte in each they end where a message does.
    let go_on = [0x00, 0x81, 0, 0, 0, 0, b'a'];
    let heard = flood(&mut web_socket(&server), &begin, &go_on.repeat(10_000));
    assert_eq!(heard[..2], [0x88, 14], "{heard:?}");
    // A message that is announced longer than may be.
    let too_long = [0x82, 0xff, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
    let heard = flood(&mut web_socket(&server), &too_long, &[0; 4096]);
    assert_eq!(heard, [&[0x88, 11, 0x03, 0xf1][..], b"too_large"].concat());
}

#[test]
fn floods_of_pings_are_closed() {
    let server = server(|_| {});
    let heard = flood(&mut web_socket(&server), &[], &[0x89, 0x80, 0, 0, 0, 0].repeat(1_000));
    let told = [&[0x88, 14, 0x03, 0xf0][..], b"rate_limited"].concat();
    assert!(heard.ends_with(&told), "{heard:?}");
}

#[test]
fn a_reader_that_sleeps_is_closed() {
    let server = server(|options| {
        options.limits.progress_timeout = Duration::from_millis(300);
        options.limits.bytes_per_second = 1 << 30;
        options.limits.lobby_bytes_per_second = 1 << 30;
        options.limits.messages_per_second = 1 << 20;
    });
    let address = server.local_addr();
    let mut talker = Guest::join(address, "den", "ann");
    let sleeper = Guest::join(address, "den", "bob");
    let watching = std::thread::spawn({
        let server = server.clone();
        move || loop {
            if let Some(ServerEvent::Closed { reason, .. }) = block_on(server.next_event()) {
                return reason;
            }
        }
    });
    let message = json!({"type": "broadcast_data", "data": "z".repeat(30_000)});
    while !watching.is_finished() {
        talker.say(&message);
    }
    assert_eq!(watching.join().unwrap(), CloseReason::TooSlow);
    drop(sleeper);
}

/// A handshake that never ends takes a place for five seconds and no longer.
#[test]
fn half_a_handshake_is_closed() {
    let server = server(|_| {});
    for half in ["", "GET /ws HTTP/1.1\r\nUpgrade: web"] {
        let mut stream = connect(server.local_addr());
        stream.write_all(half.as_bytes()).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert!(heard.is_empty(), "{heard:?}");
    }
}

#[test]
fn who_says_nothing_is_closed_with_the_reason() {
    let server = server(|options| options.limits.handshake_timeout = Duration::from_millis(50));
    let mut guest = Guest::connect(server.local_addr());
    assert_eq!(guest.closed(), Some((1008, "handshake_timeout".into())));
}
