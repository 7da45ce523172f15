//! Direct paths by WebRTC: all connections of one player over its UDP sockets, as one machine without sockets.
//!
//! Between two players lies one connection (ICE finds the way, DTLS agrees on keys), and in it up to two pipes of
//! datagrams, each a [`PathKind`] of its own:
//!
//! - [`PathKind::Srtp`]: every packet is the payload of an RTP packet, in an audio section that carries no audio. Below
//!   it there is no congestion control and nothing is repeated, so latency stays flat under loss. Native players have
//!   it; whoever rejects the section has not, which the answer tells.
//! - [`PathKind::Sctp`]: every packet is a message of a data channel, unordered and never repeated. Browsers have it.
//!   Its congestion control collapses under loss, so it is taken where the other is missing.
//!
//! # Between the player and the wire
//! The machine stands between a [`Peer`] and what carries bytes. Orders go in as they come out of the peer
//! ([`Input::Order`]), and what becomes of them is told back ([`Output::Fact`]): this is the seam of
//! [`external`](super::external), so ladders, watches and the choice of a path know nothing of WebRTC. Descriptions and
//! candidates travel as [`RtcSignal`]s through the lobby server. Datagrams come from and go to the embedder's sockets,
//! whose addresses it names with [`Input::Addresses`].
//!
//! The law is that of every machine here: tell it one thing, then [`Webrtc::poll`] until [`Output::Timeout`]. Packets
//! may be told many in a row before that, and should be: they share the work of a drain.
//!
//! # Two orders, one connection
//! Each pipe has its own ladder, and both stand on the same connection. An order is for a *turn* of the connection: a
//! new one, or a restart of ICE. The first order begins the turn, that of the other pipe joins it. The data channel is
//! second to the section: while that one is open, an order for the channel changes nothing below it.
//!
//! # Who offers
//! The player with the higher number offers, as members came after their host; the other waits a second, and offers
//! itself if nothing has come. Should both offer at once, the one with the lower number gives way: it forgets its offer
//! and answers. An offer of a session that is not known begins a new connection in place of the old; an offer of the
//! known session restarts ICE in it. An offer that nobody here wants yet is kept for ten seconds.
//!
//! # Whose datagram
//! All connections share the sockets. A datagram from an address that has proved itself belongs to the connection that
//! it proved itself to; only STUN, which is signed, is offered to each in turn, and teaches the address. Asking every
//! connection about every datagram would refuse the first packet of DTLS while ICE is finishing, which costs a second.
//! A datagram of nobody goes nowhere and is counted. What is signed can be recorded and sent again in the name of any
//! address: a connection listens to a few that were not told, and who was found at an address by ICE keeps it.
//!
//! # Ways through routers
//! The embedder names servers ([`Input::Servers`]), their names resolved; [`IceUrl`] reads how they are usually told.
//! Each STUN server is asked from each of our addresses under which one the outside sees it, by the times of the RFC,
//! and again every 20 seconds, so that the mapping lives, and with every turn of a connection, as routers that begin anew
//! break connections by forgetting mappings. What is found goes into descriptions, or is told by itself
//! when the description has gone; while ICE restarts it waits for the answer, as the candidate would bear a name that is
//! no longer valid. How a server does is told when it changes ([`Output::Server`]); one that fails is asked again, ever
//! more rarely.
//!
//! A TURN server lends an address at which it takes datagrams for us and hands them on, and from which it sends ours;
//! candidates, connections and packets know such an address like any other. It is asked for as soon as the server is
//! named, and kept: by refreshing it, who may send to it, and the channels that make frames small; each address of a
//! candidate that comes is let in before it is tried. By streams (`?transport=tcp`, `turns:`) the embedder opens and
//! secures them ([`Output::Stream`]); their frames are filled up and cut out here. An order to open with relayed ways
//! only, or [`Policy::RelayOnly`], makes connections that use no other address and show none.
//!
//! # What is shown and taken
//! [`Rules`] say what others may learn of our addresses, and where others may make us send: not to ourselves, not to
//! groups, not to what only this machine or this wire knows, unless we have such an address, and never to more than so
//! many addresses for one description.
//!
//! # Chance and time
//! [`Stack`] is what connections are built with: cryptography, a certificate, and the moment that is zero. Names and
//! passwords of ICE come from the seed. What the libraries below draw themselves (tags, transaction ids, nonces) does
//! not: whoever needs the same bytes again brings other cryptography and seeds their generators.
//!
//! # Two neighbours
//! ```
#![doc = include_str!("../../../examples/webrtc.rs")]
//! ```
//!
//! [`Peer`]: ../../peer/struct.Peer.html
//! [`RtcSignal`]: crate::wire::signal::RtcSignal

mod channels;
mod connection;
mod description;
pub mod dtls;
mod frames;
mod gather;
mod ground;
mod help;
mod inquiry;
mod machine;
mod partner;
mod reach;
mod refusals;
mod rules;
mod seam;
mod server;
mod signing;
mod stack;
mod stun;
mod turn;
mod url;

pub use super::choose::PathKind;
pub use crate::wire::signal::Credentials;
pub use help::{HelpServer, HelpServerError};
pub use machine::Webrtc;
pub use rules::{Network, Policy, Rules, worth_telling};
pub use seam::{Input, InputError, Output, WebrtcConfig, WebrtcDropped};
pub use server::{AllocationStats, IceServer, ServerState, StreamFact, StreamOrder, Transport, TurnServer};
pub use stack::Stack;
pub use url::{IceUrl, IceUrlError};

use crate::session::pipe::{Control, PipeFacts};

/// The largest datagram that is sent: with the headers of UDP and IPv6 it passes every link of 1,280 bytes.
pub const MTU: usize = 1_200;

/// Bytes that may wait in the data channel; what finds no room is refused. What is queued costs more than linearly, and
/// the session above queues better.
pub const MAX_BUFFERED: usize = 32 * 1_024;

/// The fill of the data channel is told when it differs by so many bytes from what the peer takes it for.
pub const FILL_STEP: usize = 1_024;

/// The largest payload of the RTP section: header and seal take 28 bytes of a datagram. Far below what the stack can
/// hold, which panics beyond about 1,980.
const MAX_SRTP: usize = 1_150;

/// The largest message of the data channel that is one datagram: sessions make none larger.
const MAX_SCTP: usize = 1_100;

/// The largest message of the data channel that is sent at all and that others are told to send. It leaves in several
/// datagrams, and if one of them is lost, all of it is.
const MAX_MESSAGE: usize = 16 * 1_024;

/// What a pipe says of itself when it opens; nothing of kinds that are not made here.
pub const fn facts(kind: PathKind) -> Option<PipeFacts> {
    match kind {
        PathKind::Srtp => Some(PipeFacts { max_packet: MAX_SRTP, control: Control::Own }),
        PathKind::Sctp => Some(PipeFacts { max_packet: MAX_SCTP, control: Control::Below }),
        PathKind::Relay | PathKind::External => None,
    }
}
