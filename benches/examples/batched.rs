//! 100,000 messages of 64 bytes, 16 in a packet, to be counted in instructions and not timed: the count
//! does not depend on what else the machine is doing.
//!
//! ```sh
//! cargo build --release -p webstar-benches --examples
//! valgrind --tool=callgrind --callgrind-out-file=/tmp/callgrind.out target/release/examples/batched
//! callgrind_annotate --auto=no /tmp/callgrind.out      # by function; --inclusive=yes with what they call
//! ```
//!
//! The total, divided by 100,000, is the price of one message for both sides together, the scene's own work included
//! (about a tenth). `-- link` counts two links in place of two bare sessions.

use bytes::Bytes;
use webstar_benches::machine::Machine;
use webstar_benches::scene::{Scene, Setup};
use webstar_core::peer::link::Link;
use webstar_core::session::Session;
use webstar_core::time::Duration;
use webstar_core::wire::frame::Delivery;

const MESSAGES: u64 = 100_000;
/// As many as fit in a packet.
const BATCH: u64 = 16;

fn talk<M: Machine>() {
    let mut scene: Scene<M> = Scene::new(Setup::default());
    for _ in 0..MESSAGES / BATCH {
        for _ in 0..BATCH {
            let payload = Bytes::from_static(&[7; 64]);
            scene.submit(0, Delivery::Ordered, payload).expect("a lane that is acknowledged has room");
        }
        scene.pass(Duration::from_millis(16));
    }
    println!("{:?}", scene.counts());
    assert_eq!(scene.counts().delivered[1], MESSAGES);
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("link") => talk::<Link>(),
        _ => talk::<Session>(),
    }
}
