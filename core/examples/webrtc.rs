//! Two players meet directly: what the machine of one wants said or sent is told to that of the other, without sockets.

use core::net::SocketAddr;
use webstar_core::id::PlayerId;
use webstar_core::path::webrtc::{Input, Output, PathKind, Stack, Webrtc, WebrtcConfig};
use webstar_core::path::{Attempt, Command, Fact, Order};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::RtcSignal;

/// What goes from one player to the other.
enum Word {
    /// Through the lobby server.
    Signal(RtcSignal),
    /// From socket to socket.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

#[expect(clippy::disallowed_methods, reason = "the embedder names the moment that is zero")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stack = Stack::aws_lc(std::time::Instant::now()).ok_or("there is no cryptography here")?;
    let players = [PlayerId(1), PlayerId(2)];
    let addresses: [SocketAddr; 2] = ["10.0.0.1:5000".parse()?, "10.0.0.2:5000".parse()?];
    let machine = |me: usize| {
        let seed = [me as u8; 32];
        Webrtc::new(WebrtcConfig { player: players[me], stack: stack.clone(), seed })
    };
    let mut machines = [machine(0), machine(1)];
    let mut now = Instant::ZERO;
    for me in 0..2 {
        machines[me].handle(now, Input::Addresses(vec![addresses[me]]))?;
        // Such orders come out of the peers, and what becomes of them is told back there.
        let order = Order { attempt: Attempt(1), command: Command::Open };
        machines[me].handle(now, Input::Order { player: players[1 - me], kind: PathKind::Srtp, order })?;
    }

    let (mut is_open, mut is_said, mut heard) = ([false; 2], false, None);
    while heard.is_none() {
        for me in 0..2 {
            machines[me].handle(now, Input::Timeout)?;
            loop {
                let word = match machines[me].poll() {
                    Output::Signal { signal, .. } => Word::Signal(signal),
                    Output::Datagram { from, to, payload } => Word::Datagram { from, to, bytes: payload.to_vec() },
                    Output::Fact { fact: Fact::Opened(_), .. } => {
                        is_open[me] = true;
                        continue;
                    }
                    Output::Packet { bytes, .. } => {
                        heard = Some(bytes);
                        continue;
                    }
                    Output::Timeout(_) => break,
                    Output::Fact { .. } | Output::Server { .. } | Output::Stream { .. } => continue,
                };
                let input = match &word {
                    Word::Signal(signal) => Input::Signal { player: players[me], signal: signal.clone() },
                    Word::Datagram { from, to, bytes } => Input::Datagram { from: *from, to: *to, bytes },
                };
                machines[1 - me].handle(now, input)?;
            }
        }
        if is_open == [true; 2] && !is_said {
            machines[0].handle(now, Input::Packet { player: players[1], kind: PathKind::Srtp, payload: b"hello" })?;
            is_said = true;
        }
        now += Duration::from_millis(1);
        assert!(now < Instant::ZERO + Duration::from_secs(10), "neighbours meet sooner");
    }
    assert_eq!(heard.as_deref(), Some(&b"hello"[..]));
    Ok(())
}
