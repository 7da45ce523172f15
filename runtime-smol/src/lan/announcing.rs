//! A server announces itself: the sockets and interfaces of it.

use super::socket;
use crate::client::clock;
use async_channel::{Receiver, Sender};
use async_io::{Async, Timer};
use futures_lite::future::{block_on, or};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webstar_core::lan::{AnnounceConfig, Announcer, Call, Interface, PORTS};

/// What the application wants at once.
enum Wish {
    Announce,
}

/// A server that announces itself until this is dropped.
#[derive(Debug)]
pub struct Announcing {
    wishes: Sender<Wish>,
    port: u16,
}

impl Announcing {
    /// Announces a server that listens there. `clients` tells how many are connected, and nothing when it has ended.
    pub fn start(
        config: AnnounceConfig,
        listens: SocketAddr,
        tls: bool,
        clients: impl Fn() -> Option<u64> + Send + 'static,
    ) -> io::Result<Self> {
        config.check().map_err(io::Error::other)?;
        let (socket, port) = open()?;
        let (wishes, wanted) = async_channel::bounded(1);
        let announcer = Announcer::new(config, listens, tls, clock::now());
        let work = move || block_on(announce(announcer, &socket, port, &wanted, clients));
        thread::Builder::new().name("webstar-lan".into()).spawn(work)?;
        Ok(Announcing { wishes, port })
    }

    /// The port on which it is announced.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Announces it now, whether clients are connected or not.
    pub fn announce_now(&self) {
        // If it is wanted already, it is about to be done.
        let _ = self.wishes.try_send(Wish::Announce);
    }
}

/// The first port that is free for announcements.
fn open() -> io::Result<(Async<UdpSocket>, u16)> {
    let mut last = None;
    for port in PORTS {
        match socket(port) {
            Ok(socket) => return Ok((socket, port)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("there are ports"))
}

async fn announce(
    mut announcer: Announcer,
    socket: &Async<UdpSocket>,
    port: u16,
    wanted: &Receiver<Wish>,
    clients: impl Fn() -> Option<u64>,
) {
    while let Some(count) = clients() {
        announcer.on_clients(count);
        for call in announcer.poll(clock::now(), &interfaces()) {
            say(socket, port, &call).await;
        }
        let pause = announcer.due().since(clock::now());
        let wish = or(async { wanted.recv().await.map(Some) }, async {
            Timer::after(pause).await;
            Ok(None)
        });
        match wish.await {
            Ok(Some(Wish::Announce)) => announcer.announce_now(),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

async fn say(socket: &Async<UdpSocket>, port: u16, call: &Call) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let json = call.announcement.to_json(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    if let Err(error) = socket.send_to(&json, (call.to, port)).await {
        // A machine without that network, or without any: the next time it may have one.
        tracing::debug!(%error, to = %call.to, "not announced");
    }
}

/// The addresses of this machine. Those that cannot be read are none.
fn interfaces() -> Vec<Interface> {
    let read = if_addrs::get_if_addrs().unwrap_or_default();
    let interface = |read: if_addrs::Interface| {
        let broadcast = match &read.addr {
            if_addrs::IfAddr::V4(v4) => v4.broadcast,
            if_addrs::IfAddr::V6(_) => None,
        };
        Interface { ip: read.ip(), broadcast }
    };
    read.into_iter().map(interface).collect()
}
