//! WebStar on smol: sockets, TLS, clocks and entropy around the pure machines of `webstar-core`. Nothing is decided here.
//!
//! Each piece below runs as it stands, on real sockets of this machine; the whole machines without any runtime are
//! embedded as the front page of `webstar_core` shows.
//!
//! # A server, and players that talk
//! ```
//! use webstar_core::peer::{Channel, Destination, PeerEvent};
//! use webstar_smol::client::{Client, Options};
//! use webstar_smol::server::{Server, ServerOptions};
//!
//! # futures_lite::future::block_on(async {
//! let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
//! let room = format!("webstar://{}/room", server.local_addr());
//! let ann = Client::join_with(Options::to(&room)?.name("ann")?).await?;
//! let bob = Client::join_with(Options::to(&room)?.name("bob")?).await?;
//!
//! bob.send(&Destination::Others, Channel::Reliable, "chat", "hello")?;
//! while let Some(event) = ann.next_event().await {
//!     if let PeerEvent::Message(message) = event {
//!         assert_eq!((message.kind.as_str(), &message.payload[..]), ("chat", &b"hello"[..]));
//!         break;
//!     }
//! }
//!
//! // Typed values by serde: handlers take the messages of a kind instead of the events.
//! let (heard, places) = async_channel::unbounded();
//! ann.on("place", move |from, place: (f32, f32)| drop(heard.try_send((from, place))));
//! bob.send_as("place", &(1.0_f32, 2.0_f32))?;
//! assert_eq!(places.recv().await?.1, (1.0, 2.0));
//! bob.leave().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The host goes, the game goes on
//! The first in a lobby hosts it. While others keep copies, nothing that was acknowledged is lost with it. How a game with
//! a state gives it out to who comes, and goes on from there when its host is gone, the example `pong` shows.
//! ```
//! use webstar_core::peer::{Channel, Destination, PeerEvent};
//! use webstar_smol::client::{Client, Options};
//! # use webstar_smol::server::{Server, ServerOptions};
//!
//! # futures_lite::future::block_on(async {
//! # let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
//! # let room = format!("webstar://{}/room", server.local_addr());
//! let ann = Client::join_with(Options::to(&room)?.name("ann")?).await?;
//! let bob = Client::join_with(Options::to(&room)?.name("bob")?).await?;
//! loop {
//!     match bob.next_event().await.ok_or("bob has ended")? {
//!         PeerEvent::ViewChanged { backups, .. } if !backups.is_empty() => break, // from now on a crash costs nothing
//!         _ => {}
//!     }
//! }
//! ann.cut().await; // as if its process were killed
//! bob.send(&Destination::All, Channel::Ordered, "chat", "still here")?;
//! loop {
//!     match bob.next_event().await.ok_or("bob has ended")? {
//!         PeerEvent::HostChanged { host, gap, .. } => println!("player {} is host after {gap:?}", host.0),
//!         PeerEvent::Message(message) if &message.payload[..] == b"still here" => break,
//!         _ => {}
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A session is recorded and lived through again
//! ```
//! use webstar_core::recording::{Replay, Step};
//! use webstar_smol::client::{Client, Options};
//! # use webstar_smol::server::{Server, ServerOptions};
//!
//! # futures_lite::future::block_on(async {
//! # let server = Server::bind(ServerOptions { listen: ([127, 0, 0, 1], 0).into(), ..ServerOptions::default() })?;
//! # let room = format!("webstar://{}/room", server.local_addr());
//! # let file = std::env::temp_dir().join(format!("webstar-doc-{}.rec", std::process::id()));
//! let mut options = Options::to(&room)?.name("ann")?;
//! options.record = Some(file.clone());
//! Client::join_with(options).await?.leave().await;
//!
//! let recording = std::fs::read(&file)?;
//! let mut replay = Replay::open(&recording)?;
//! while let Some((at, step)) = replay.next()? {
//!     if let Step::Event(event) = step {
//!         println!("{at}: {event:?}");
//!     }
//! }
//! assert!(replay.tally().is_whole);
//! # std::fs::remove_file(file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(hidden)]
pub mod bodies;
pub mod client;
pub mod lan;
pub mod network;
pub mod server;
pub mod settings;
pub mod uri;
