//! DTLS below the connections: what every instance is told, and, for cryptography that the embedder brings to
//! [`Stack::new`](super::Stack::new), instances of a configuration of its own.

use super::{MTU, signing};
use crate::time::Duration;
use dimpl::{Config, ConfigBuilder, Dtls, Output, ProtocolVersion};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use str0m::crypto::dtls::{DtlsCert, DtlsImplError, DtlsInstance, DtlsProvider, DtlsVersion};
use str0m::crypto::{CryptoError, CryptoProvider};

/// The first wait for an answer to a flight. Doubled with every repetition; the usual second would make the loss of one
/// packet felt.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A handshake that takes longer than any ladder waits is over.
const WHOLE: Duration = Duration::from_secs(20);
/// What is due at once is due again no sooner than this. While a part of the other side's flight is missing the library
/// wants to say so at once, and after it has said so at once again, for ever (dimpl 0.9.0).
const AGAIN: Duration = Duration::from_millis(50);

/// What every instance is told. Other cryptography adds itself to it, and perhaps a seed.
pub fn settings(mtu: usize) -> ConfigBuilder {
    // ICE has proved that the other side receives at its address; a cookie would prove it again.
    let builder = Config::builder().use_server_cookie(false).mtu(mtu);
    builder.flight_start_rto(FIRST_WAIT).flight_retries(6).handshake_timeout(WHOLE)
}

/// An instance for one connection.
pub fn instance(
    config: Arc<Config>,
    certificate: &DtlsCert,
    now: Instant,
    version: DtlsVersion,
) -> Box<dyn DtlsInstance> {
    let certificate = certificate.clone();
    let machine = match version {
        DtlsVersion::Dtls12 => Dtls::new_12(config, certificate, now),
        DtlsVersion::Dtls13 => Dtls::new_13(config, certificate, now),
        _ => Dtls::new_auto(config, certificate, now),
    };
    Box::new(Paced { machine, now, hurried: None })
}

/// The cryptography of aws-lc, with this DTLS.
pub(super) fn aws_lc() -> CryptoProvider {
    static DTLS: Shared = Shared { config: OnceLock::new() };
    CryptoProvider { dtls_provider: &DTLS, ..str0m::crypto::from_feature_flags() }
}

/// Makes DTLS instances that share a configuration: building it checks every algorithm, which costs more than the rest of
/// a connection together.
#[derive(Debug)]
struct Shared {
    config: OnceLock<Arc<Config>>,
}

impl Shared {
    fn config(&self, mtu: usize) -> Result<Arc<Config>, CryptoError> {
        if mtu != MTU {
            return build(mtu);
        }
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = build(mtu)?;
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }
}

fn build(mtu: usize) -> Result<Arc<Config>, CryptoError> {
    settings(mtu)
        .with_crypto_provider(signing::provider())
        .build()
        .map(Arc::new)
        .map_err(|error| CryptoError::Other(error.to_string()))
}

impl DtlsProvider for Shared {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(instance(self.config(mtu.unwrap_or(MTU))?, certificate, now, version))
    }
}

/// A machine that gets a moment of its own for each thing that it wants to do at once.
struct Paced {
    machine: Dtls,
    now: Instant,
    /// When something was due at once last.
    hurried: Option<Instant>,
}

impl Paced {
    fn pace(&mut self, due: Instant) -> Instant {
        if due > self.now {
            return due;
        }
        match self.hurried.map(|at| at + AGAIN).filter(|next| self.now < *next) {
            Some(next) => next,
            None => {
                self.hurried = Some(self.now);
                due
            }
        }
    }
}

impl core::fmt::Debug for Paced {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Paced").finish_non_exhaustive()
    }
}

impl DtlsInstance for Paced {
    fn set_active(&mut self, active: bool) {
        self.machine.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.machine.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> Output<'a> {
        match self.machine.poll_output(buffer) {
            Output::Timeout(due) => Output::Timeout(self.pace(due)),
            other => other,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = self.now.max(now);
        self.machine.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.machine.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.machine.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.machine.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.machine.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.machine.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.machine.close()
    }
}
