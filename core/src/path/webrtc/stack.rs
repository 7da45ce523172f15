//! What connections are built with: cryptography, the certificate of this player, and the moment that is zero.

use super::dtls;
use super::{MAX_BUFFERED, MAX_MESSAGE, MTU};
use crate::time::{Duration, Instant};
use core::fmt;
use std::sync::Arc;
use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::DtlsVersion;
use str0m::ice::IceCreds;
use str0m::{Rtc, RtcConfig};

/// Never, as far as a game is concerned.
const NEVER: Duration = Duration::from_secs(24 * 3_600);

/// What connections are built with. Copies are cheap and share everything.
#[derive(Clone)]
pub struct Stack {
    crypto: Arc<CryptoProvider>,
    certificate: Arc<DtlsCert>,
    zero: std::time::Instant,
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

impl Stack {
    /// The real thing. `zero` is the moment that the embedder calls [`Instant::ZERO`]. The certificate and the keys of
    /// connections come from the library's own generator, which asks the system. It takes some 30 ms, which is why it
    /// is done before the first connection and not in it. `None`: the library refuses to work on this machine.
    pub fn aws_lc(zero: std::time::Instant) -> Option<Self> {
        let crypto = dtls::aws_lc();
        let certificate = crypto.dtls_provider.generate_certificate()?;
        let stack = Stack::new(crypto, certificate, zero);
        stack.warm_up();
        Some(stack)
    }

    /// Of cryptography and a certificate that the embedder brings.
    pub fn new(crypto: CryptoProvider, certificate: DtlsCert, zero: std::time::Instant) -> Self {
        Stack { crypto: Arc::new(crypto), certificate: Arc::new(certificate), zero }
    }

    /// The first connection of a process pays for tables and self-tests; this one is thrown away.
    fn warm_up(&self) {
        let credentials = IceCreds { ufrag: "warm".into(), pass: "up".repeat(11) };
        drop(self.build(Instant::ZERO, credentials));
    }

    /// A connection that knows nobody yet.
    pub(super) fn build(&self, now: Instant, credentials: IceCreds) -> Rtc {
        RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.crypto))
            .set_dtls_cert(DtlsCert::clone(&self.certificate))
            .set_local_ice_credentials(credentials)
            .set_dtls_version(DtlsVersion::Auto)
            .set_snap_enabled(true)
            .set_mtu(MTU..=usize::MAX)
            .set_sctp_max_buffered_amount(MAX_BUFFERED)
            .set_sctp_max_message_size(MAX_MESSAGE as u32)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_amr_wb(true)
            .clear_extension_map()
            .set_rtcp_report_interval_audio(NEVER)
            .set_pause_threshold(NEVER)
            .build(self.moment(now))
    }

    /// A moment as the stack counts it.
    pub(super) fn moment(&self, now: Instant) -> std::time::Instant {
        self.zero + now.since(Instant::ZERO)
    }

    /// A moment of the stack as we count it.
    pub(super) fn instant(&self, moment: std::time::Instant) -> Instant {
        Instant::ZERO + moment.saturating_duration_since(self.zero)
    }
}
