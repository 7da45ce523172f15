//! WebRTC connections over a network in memory.
#![cfg(feature = "webrtc")]

mod foreign;
mod hostile;
mod ladder;
mod net;
mod servers;
mod traps;
mod turn;
mod turn_liar;
mod ways;
