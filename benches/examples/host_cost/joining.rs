//! How long it takes from the call to join until the host hears something over the `srtp` pipe.

use crate::member::stamped;
use crate::ours::{options, server};
use async_io::Timer;
use futures_lite::future::{block_on, race};
use std::time::{Duration, Instant};
use webstar_core::path::webrtc::PathKind;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_smol::client::Client;

const TIMES: usize = 21;
/// What nobody keeps is said again and again until it is heard.
const AGAIN: Duration = Duration::from_millis(1);

/// Prints it, from the call and from when the member is told that it is in.
pub(crate) fn measure() {
    let server = server();
    let target = format!("webstar://{}/door", server.local_addr());
    let mut times = block_on(async {
        let host = Client::join_with(options(&target, "host")).await.expect("the lobby is open");
        // The first connection of a process pays for all.
        come(&host, &target).await;
        let mut times = Vec::new();
        for _ in 0..TIMES {
            times.push(come(&host, &target).await);
        }
        host.leave().await;
        times
    });
    block_on(server.close());
    let mut middle = |of: fn(&(Duration, Duration)) -> Duration| {
        times.sort_by_key(of);
        of(&times[TIMES / 2]).as_secs_f64() * 1e3
    };
    let (called, told) = (middle(|times| times.0), middle(|times| times.1));
    println!("from the call to join until the host hears it over srtp: {called:.1} ms (aim 20), of which {told:.1} ms");
    println!("after the member was told that it is in; in the middle of {TIMES}");
}

/// One member comes, speaks, is heard, and leaves. Nothing but `srtp` may carry what it says.
async fn come(host: &Client, target: &str) -> (Duration, Duration) {
    let mut options = options(target, "guest");
    options.config.direct_paths = vec![PathKind::Srtp];
    options.config.allow_relay = false;
    let called = Instant::now();
    let client = Client::join_with(options).await.expect("the lobby is open");
    let told = Instant::now();
    let speak = async {
        loop {
            // There may be no way yet.
            let _ = client.send(&Destination::Host, Channel::Unreliable, "here", stamped().to_vec());
            Timer::after(AGAIN).await;
        }
    };
    let hear = async { while !matches!(host.next_event().await, Some(PeerEvent::Message(_))) {} };
    race(speak, hear).await;
    let times = (called.elapsed(), told.elapsed());
    client.leave().await;
    while !matches!(host.next_event().await, Some(PeerEvent::PlayerLeft { .. })) {}
    times
}
