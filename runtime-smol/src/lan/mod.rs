//! Servers on the local network: announcing one, and finding those that announce themselves. What is said and believed is
//! decided in [`webstar_core::lan`].
//!
//! ```no_run
//! use std::time::Duration;
//! use webstar_smol::lan::Discovery;
//!
//! let discovery = Discovery::start("webstar")?;
//! let found = futures_lite::future::block_on(discovery.next());
//! println!("a server: {}", found.url());
//! # Ok::<(), std::io::Error>(())
//! ```

mod announcing;
mod discovery;

pub use announcing::Announcing;
pub use discovery::Discovery;

use async_io::Async;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// A socket for announcements on this port. Programs on one machine share the ports.
fn socket(port: u16) -> io::Result<Async<UdpSocket>> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_reuse_address(true)?;
    #[cfg(all(unix, not(target_os = "linux")))]
    socket.set_reuse_port(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Async::new(UdpSocket::from(socket))
}
