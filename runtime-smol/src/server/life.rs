//! The life of a shard's thread: taking connections, doing what the mailbox says, and the end. The first shard listens
//! and deals the connections out in turn.

use super::greet::greet;
use super::house::{House, Message};
use super::shard::Shard;
use crate::client::clock;
use async_channel::Receiver;
use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::future::or;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use webstar_core::id::ShardId;
use webstar_core::server::{Input, SAMPLE_EVERY, Server as Machine};

/// When the system gives no more sockets, some have to be closed first.
const NO_SOCKETS: Duration = Duration::from_millis(100);
/// Sockets that are not closed by then are cut.
const LAST_MOMENT: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Serves until it is told to shut down.
pub(super) fn live(
    house: &Arc<House>,
    number: ShardId,
    machine: Machine,
    mailbox: &Receiver<Message>,
    listener: Option<Async<TcpListener>>,
) {
    let executor = Rc::new(LocalExecutor::new());
    let shard = Shard::new(house.clone(), number, machine, Rc::downgrade(&executor));
    async_io::block_on(executor.run(async {
        shard.start();
        let listening = listener
            .map(|listener| [executor.spawn(listen(house.clone(), listener)), executor.spawn(watch(house.clone()))]);
        let grace = obey(&shard, mailbox).await;
        drop(listening);
        shard.tell(Input::ShutDown { within: grace });
        or(empty(&shard, mailbox), async {
            Timer::after(grace + LAST_MOMENT).await;
        })
        .await;
    }));
    // A question that came too late is dropped, so that whoever asked waits no longer.
    mailbox.close();
    while mailbox.try_recv().is_ok() {}
    house.events.0.close();
    house.messages.0.close();
}

async fn listen(house: Arc<House>, listener: Async<TcpListener>) {
    for number in (0..house.shards.len()).cycle() {
        let (stream, peer) = loop {
            match listener.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => {
                    // One that has gone again needs no pause.
                    if error.kind() != std::io::ErrorKind::ConnectionAborted {
                        tracing::warn!(%error, "no connection can be taken for now");
                        Timer::after(NO_SOCKETS).await;
                    }
                }
            }
        };
        let newcomer = house.enter(peer.ip());
        let shard = ShardId(u16::try_from(number).expect("there are at most 256 shards"));
        house.tell(shard, Message::Accepted(stream, peer, newcomer));
    }
}

/// Draws the lines of the last minutes, for whoever looks at them.
async fn watch(house: Arc<House>) {
    loop {
        let (stats, relaying) = (house.stats().await, house.relaying().await);
        house.trend().on_sample(clock::now(), &stats, relaying as u64);
        Timer::after(SAMPLE_EVERY).await;
    }
}

/// Until it has to go; returns how long clients have to go too.
async fn obey(shard: &Rc<Shard>, mailbox: &Receiver<Message>) -> Duration {
    loop {
        match mailbox.recv().await {
            Ok(Message::ShutDown(grace)) => return grace,
            Ok(message) => on_message(shard, message),
            // The house is gone, and it holds the other end: there is nobody to serve for.
            Err(_) => return Duration::ZERO,
        }
    }
}

fn on_message(shard: &Rc<Shard>, message: Message) {
    match message {
        // The future is large while the handshake lasts; nothing of it stays.
        Message::Accepted(stream, peer, newcomer) => {
            shard.spawn(Box::pin(greet(shard.clone(), stream, peer, newcomer))).detach();
        }
        Message::Moved(mover) => shard.take_over(*mover),
        Message::SendToAll(data, done) => {
            shard.tell(Input::SendToAll { data });
            let _ = done.try_send(());
        }
        Message::Stats(answer) => {
            let _ = answer.try_send(shard.stats());
        }
        Message::Ending(answer) => {
            let _ = answer.try_send(shard.ending());
        }
        Message::Relaying(answer) => {
            let _ = answer.try_send(shard.relaying());
        }
        Message::ShutDown(_) => {}
    }
}

/// Until the last client has gone. Questions are still answered.
async fn empty(shard: &Rc<Shard>, mailbox: &Receiver<Message>) {
    loop {
        while let Ok(message) = mailbox.try_recv() {
            on_message(shard, message);
        }
        if shard.is_empty() {
            return;
        }
        Timer::after(LOOK_AGAIN).await;
    }
}
