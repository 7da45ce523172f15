//! Listening for servers that announce themselves.

use super::socket;
use async_channel::Receiver;
use async_executor::LocalExecutor;
use async_io::Async;
use futures_lite::future::block_on;
use std::cell::RefCell;
use std::io;
use std::net::UdpSocket;
use std::rc::Rc;
use std::thread;
use webstar_core::lan::{Announcement, Finder, MAX_ANNOUNCEMENT, PORTS};

/// Listens for servers until it is dropped.
#[derive(Debug)]
pub struct Discovery {
    found: Receiver<Announcement>,
}

impl Discovery {
    /// Listens for servers of this service, on all ports of announcements that this machine gives.
    pub fn start(service: &str) -> io::Result<Self> {
        let (mut sockets, mut last) = (Vec::new(), None);
        for port in PORTS {
            match socket(port) {
                Ok(socket) => sockets.push(socket),
                Err(error) => {
                    tracing::debug!(%error, port, "not listened on");
                    last = Some(error);
                }
            }
        }
        if let Some(error) = last.filter(|_| sockets.is_empty()) {
            return Err(error);
        }
        let (tell, found) = async_channel::unbounded();
        let finder = Finder::new(service);
        thread::Builder::new().name("webstar-discovery".into()).spawn(move || {
            let (executor, finder) = (LocalExecutor::new(), Rc::new(RefCell::new(finder)));
            for socket in sockets {
                let (finder, tell) = (finder.clone(), tell.clone());
                executor.spawn(listen(socket, finder, tell)).detach();
            }
            block_on(executor.run(tell.closed()));
        })?;
        Ok(Discovery { found })
    }

    /// The next server, each once.
    pub async fn next(&self) -> Announcement {
        match self.found.recv().await {
            Ok(found) => found,
            // The thread lives as long as somebody listens to it.
            Err(_) => std::future::pending().await,
        }
    }
}

async fn listen(socket: Async<UdpSocket>, finder: Rc<RefCell<Finder>>, tell: async_channel::Sender<Announcement>) {
    let mut buffer = [0; MAX_ANNOUNCEMENT + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                let found = finder.borrow_mut().on_datagram(from.ip(), &buffer[..length]);
                if let Some(found) = found {
                    // Unbounded, but a finder tells of a bounded number of servers.
                    let _ = tell.try_send(found);
                }
            }
            Err(error) => tracing::debug!(%error, "nothing heard"),
        }
    }
}
