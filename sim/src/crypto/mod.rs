//! What stands below the direct ways of a world where they are real connections: cryptography that is the same for the
//! same seed. Nothing here keeps a secret, and nothing here may be built into a program that people use.
//!
//! - `plain`: DTLS records, SRTP and hashes without cryptography, of the same sizes. ICE, SCTP and RTP stay real.
//! - `seeded`: real DTLS and SRTP, whose chance comes from the seed as far as the time of anything depends on it.
//!
//! What the libraries draw themselves comes from the thread's generators, which [`Carrying::alone`] seeds: so every run has a
//! thread of its own.

mod plain;
mod record;
mod seal;
mod seeded;

use crate::seed::{Seed, mix};
use serde::Serialize;
use std::thread;
use std::time::Instant;
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use webstar_core::path::webrtc::Stack;

/// What carries packets between players.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrying {
    /// Pipes that behave as connections do.
    #[default]
    Model,
    /// Connections: real ICE, SCTP and SRTP, their records in plain.
    Webrtc,
    /// Connections with real DTLS too.
    Dtls,
}

impl Carrying {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Carrying::Model => "model",
            Carrying::Webrtc => "webrtc",
            Carrying::Dtls => "dtls",
        }
    }

    /// Whether there are no connections.
    pub fn is_model(&self) -> bool {
        *self == Carrying::Model
    }

    /// What a player's connections are built with; the seed must be the player's own. Nothing for the model. A moment of
    /// the world lies as long after `zero` as after the world's beginning, and what moment that is matters to nobody.
    pub fn stack(self, seed: Seed, zero: Instant) -> Option<Stack> {
        match self {
            Carrying::Model => None,
            Carrying::Webrtc => Some(Stack::new(plain::provider(), plain::certificate(seed), zero)),
            Carrying::Dtls => Some(Stack::new(seeded::provider(), seeded::certificate(), zero)),
        }
    }

    /// Cryptography and a certificate in plain, for connections of other manners than a player's.
    pub(crate) fn plain(seed: Seed) -> (CryptoProvider, DtlsCert) {
        (plain::provider(), plain::certificate(seed))
    }

    /// Does the work in a thread whose chance comes from the seed, if anything below draws any.
    pub fn alone<R: Send>(self, seed: Seed, work: impl FnOnce() -> R + Send) -> R {
        if self.is_model() {
            return work();
        }
        let seeded = || {
            webstar_entropy::seed_thread(seed.number());
            fastrand::seed(mix(seed.number()));
            work()
        };
        let done = thread::scope(|scope| scope.spawn(seeded).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
