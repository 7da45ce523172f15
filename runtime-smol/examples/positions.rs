//! Two players in one process that tell each other where they are: typed values by kind.
//!
//! Run a server (`cargo run --release -- serve`), then this. An argument names another lobby:
//! `webstar://play.example.org/room`.

use futures_lite::future::block_on;
use serde::{Deserialize, Serialize};
use webstar_core::peer::{Channel, Destination};
use webstar_smol::client::{Client, Options};

#[derive(Serialize, Deserialize, Debug)]
struct Position {
    x: f32,
    y: f32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).unwrap_or_else(|| "webstar://127.0.0.1:8080/positions".into());
    block_on(async {
        let ann = Client::join_with(Options::to(&target)?.name("ann")?).await?;
        let bob = Client::join_with(Options::to(&target)?.name("bob")?).await?;

        let (heard, positions) = async_channel::bounded(16);
        bob.on("position", move |from, position: Position| {
            let _ = heard.try_send((from, position));
        });
        // The newest position is enough, so older ones need not arrive.
        ann.send_value(&Destination::Others, Channel::Latest, "position", &Position { x: 1.0, y: 2.0 })?;
        let (from, position) = positions.recv().await?;
        println!("player {} is at {position:?}", from.0);

        ann.leave().await;
        bob.leave().await;
        Ok(())
    })
}
