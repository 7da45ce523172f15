//! A wire that can be cut, and that keeps what went through it: a TCP proxy between players and their server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct Wires {
    is_cut: bool,
    /// Towards the players.
    near: Vec<TcpStream>,
    /// Towards the server.
    far: Vec<TcpStream>,
    talks: Vec<Talk>,
}

/// What went through a connection.
#[derive(Clone, Default)]
pub(crate) struct Talk {
    to_server: Arc<Mutex<Vec<u8>>>,
    to_player: Arc<Mutex<Vec<u8>>>,
}

impl Talk {
    /// The head of the request with which it was opened, with its URL.
    pub(crate) fn head(&self) -> Vec<u8> {
        let bytes = self.to_server.lock().unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        bytes[..end.unwrap_or(bytes.len())].to_vec()
    }

    /// What the server said.
    pub(crate) fn answer(&self) -> Vec<u8> {
        self.to_player.lock().unwrap().clone()
    }
}

pub(crate) struct Proxy {
    address: SocketAddr,
    wires: Arc<Mutex<Wires>>,
}

impl Proxy {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let wires = Arc::new(Mutex::new(Wires::default()));
        let (shared, server) = (wires.clone(), server.to_owned());
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { break };
                let mut wires = shared.lock().unwrap();
                if wires.is_cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&server) else { continue };
                wires.near.push(near.try_clone().unwrap());
                wires.far.push(far.try_clone().unwrap());
                let talk = Talk::default();
                carry(near.try_clone().unwrap(), far.try_clone().unwrap(), talk.to_server.clone());
                carry(far, near, talk.to_player.clone());
                wires.talks.push(talk);
            }
        });
        Proxy { address, wires }
    }

    pub(crate) fn target(&self, lobby: &str) -> String {
        format!("webstar://{}/{lobby}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All connections so far.
    pub(crate) fn talks(&self) -> Vec<Talk> {
        self.wires.lock().unwrap().talks.clone()
    }

    /// Players lose their connections, and get no new ones. The server does not notice.
    pub(crate) fn cut(&self) {
        let mut wires = self.wires.lock().unwrap();
        wires.is_cut = true;
        for near in wires.near.drain(..) {
            let _ = near.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn mend(&self) {
        self.wires.lock().unwrap().is_cut = false;
    }

    /// Takes out the server's ends of all that was connected so far; the server notices when they are dropped.
    pub(crate) fn old_ends(&self) -> OldEnds {
        OldEnds(std::mem::take(&mut self.wires.lock().unwrap().far))
    }
}

/// The server's ends of connections that players have lost.
pub(crate) struct OldEnds(Vec<TcpStream>);

impl OldEnds {
    pub(crate) fn close(self) {
        for far in self.0 {
            let _ = far.shutdown(Shutdown::Both);
        }
    }
}

/// Carries bytes one way until the sender is gone. The receiver is not told.
fn carry(mut from: TcpStream, mut to: TcpStream, kept: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
    });
}
