//! One player of the demo: says something on every channel by the clock, and notes what it hears and what it is told.

use super::payload::Said;
use super::run::Stage;
use async_io::Timer;
use futures_lite::StreamExt;
use futures_lite::future::race;
use std::sync::Arc;
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_smol::client::Client;

/// How often each player speaks.
const BEAT: Duration = Duration::from_millis(50);
const KIND: &str = "demo";

enum Turn {
    Event(Option<PeerEvent>),
    Beat,
}

/// Plays until the client has ended.
pub(super) async fn play(client: Client, me: PlayerId, stage: Arc<Stage>) {
    let mut numbers = [0; Channel::ALL.len()];
    let mut beat = Timer::interval(BEAT);
    loop {
        let event = async { Turn::Event(client.next_event().await) };
        let next = async {
            beat.next().await;
            Turn::Beat
        };
        match race(event, next).await {
            Turn::Event(Some(event)) => on_event(&stage, me, event),
            Turn::Event(None) => return,
            Turn::Beat if stage.is_talking() => speak(&client, &stage, me, &mut numbers),
            Turn::Beat => {}
        }
    }
}

fn on_event(stage: &Stage, me: PlayerId, event: PeerEvent) {
    match event {
        PeerEvent::Message(message) => {
            let now = Instant::now();
            stage.tally().on_heard(now, me, message.channel, message.from, &message.payload);
        }
        PeerEvent::Acked(sent) => stage.tally().on_acked(me, sent.channel),
        PeerEvent::ViewChanged { epoch, host, backups, voters } => {
            stage.on_view(me, epoch, host, !backups.is_empty(), voters.len());
        }
        PeerEvent::HostChanged { epoch, host, cause: Some(cause), .. } => stage.on_host_changed(epoch, host, cause),
        _ => {}
    }
}

/// What is not taken has not been said.
fn speak(client: &Client, stage: &Stage, me: PlayerId, numbers: &mut [u64; Channel::ALL.len()]) {
    for channel in Channel::ALL {
        let number = &mut numbers[channel as usize];
        let said = Said::new(me, channel, *number + 1);
        // Noted first: it may be heard before this goes on.
        let mut tally = stage.tally();
        if client.send(&Destination::All, channel, KIND, said.write()).is_ok() {
            *number += 1;
            tally.on_sent(me, channel);
        }
    }
}
