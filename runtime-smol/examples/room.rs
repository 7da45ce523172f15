//! A lobby server and three players in one process, over real sockets of this machine: they meet, talk on every channel,
//! and leave. Prints who hears what, and ends.

use futures_lite::future::block_on;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_smol::client::{Client, Options};
use webstar_smol::server::{Server, ServerOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(async {
        let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
        println!("a lobby server listens on {}", server.url());

        let names = ["ann", "ben", "cleo"];
        let mut players = Vec::new();
        for name in names {
            let den = format!("webstar://{}/den", server.local_addr());
            players.push(Client::join_with(Options::to(&den)?.name(name)?).await?);
            println!("{name} is in");
        }

        for (player, name) in players.iter().zip(names) {
            for channel in Channel::ALL {
                let words = format!("{name} says hello");
                player.send(&Destination::All, channel, "chat", words)?;
            }
        }
        // Nothing is lost on this machine: three players hear three players on four channels.
        for (player, name) in players.iter().zip(names) {
            let mut heard = 0;
            while heard < names.len() * Channel::ALL.len() {
                if let PeerEvent::Message(message) = player.next_event().await.ok_or("the player has ended")? {
                    heard += 1;
                    let words = String::from_utf8_lossy(&message.payload);
                    println!("{name} hears on {:?}: {words}", message.channel);
                }
            }
        }

        for player in &players {
            player.leave().await;
        }
        server.close().await;
        println!("{} messages were heard, none was lost", names.len() * names.len() * Channel::ALL.len());
        Ok(())
    })
}
