//! A client comes back to its place with the ticket that an earlier one kept, over real sockets.

use futures_lite::future::block_on;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Ended, PeerEvent, Ticket};
use webstar_core::wire::signal::CloseReason;
use webstar_smol::client::{Client, Options};
use webstar_smol::server::{Server, ServerOptions};

fn options(address: &str, ticket: Option<Ticket>) -> Options {
    let mut options = Options::to(&format!("webstar://{address}/den")).expect("it is a target");
    options.request.ticket = ticket;
    options
}

async fn joined(client: &Client) -> PlayerId {
    loop {
        match client.next_event().await.expect("it goes on") {
            PeerEvent::Joined { player, .. } => return player,
            PeerEvent::Closed(why) => panic!("{why}"),
            _ => {}
        }
    }
}

#[test]
fn who_shows_the_ticket_of_an_earlier_client_is_who_that_was() {
    let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })
        .expect("a port is free");
    let address = server.local_addr().to_string();
    block_on(async {
        let ann = Client::join_with(options(&address, None)).await.expect("the server is there");
        assert_eq!((joined(&ann).await, ann.ticket().is_some()), (PlayerId(1), true));
        let bob = Client::join_with(options(&address, None)).await.expect("the server is there");
        assert_eq!(joined(&bob).await, PlayerId(2));
        let again = Client::join_with(options(&address, bob.ticket())).await.expect("the place is there");
        assert_eq!(joined(&again).await, PlayerId(2));
        let replaced = loop {
            if let Some(PeerEvent::Closed(why)) = bob.next_event().await {
                break why;
            }
        };
        assert_eq!(replaced, Ended::PutOut(CloseReason::Replaced));
        assert_eq!(again.leave().await, Ended::Left);
    });
}
