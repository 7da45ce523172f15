//! Two links over the embedder's own datagrams, without lobby or server.

use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::path::{Fact, PathKind};
use webstar_core::peer::link::{Input, Link, LinkConfig, LinkEvent, Output, PathSetup};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Outbound, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{Delivery, Priority};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The embedder's own datagram channel is path 0 on both sides. The ids come with the roster.
    let path = PathSetup { id: PathId(0), kind: PathKind::External, relayed_only: false };
    let (a, b) = (SessionId(0x1234), SessionId(0x5678));
    let mut now = Instant::ZERO;
    let mut links = [
        Link::new(LinkConfig::default(), SessionIds { ours: a, theirs: b }, PlayerId(2), &[path], [1; 32], now)?,
        Link::new(LinkConfig::default(), SessionIds { ours: b, theirs: a }, PlayerId(1), &[path], [2; 32], now)?,
    ];
    let greeting =
        Outbound { priority: Priority::Normal, delivery: Delivery::Ordered, key: 0, payload: "hello".into() };
    links[0].send(now, greeting)?;

    let mut heard = None;
    while heard.is_none() {
        for me in 0..2 {
            links[me].handle(now, Input::Timeout)?;
            loop {
                // What has to be done is copied out here, so that the other link can be told at once.
                let packet = match links[me].poll() {
                    Output::Transmit { bytes, .. } => bytes.to_vec(),
                    Output::Pipe { path, order } => {
                        let facts = PipeFacts { max_packet: 1150, control: Control::Own };
                        let fact = Fact::Opened(facts);
                        links[me].handle(now, Input::Pipe { path, attempt: order.attempt, fact })?;
                        continue;
                    }
                    Output::Event(LinkEvent::Message(message)) => {
                        heard = Some(message.payload);
                        continue;
                    }
                    Output::Event(_) => continue,
                    Output::Timeout(_) => break,
                };
                links[1 - me].handle(now, Input::Packet { path: PathId(0), bytes: &packet })?;
            }
        }
        now += Duration::from_millis(1);
    }
    assert_eq!(heard.as_deref(), Some(&b"hello"[..]));
    Ok(())
}
