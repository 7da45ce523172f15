//! Real DTLS and SRTP. Of their chance the simulator governs what decides over times and sizes: the pauses of repeated
//! flights, and how long a signature is. The keys themselves come from the system; what is sealed with them reads
//! differently in every run, and nobody looks at it.

use dimpl::CryptoError as Refused;
use dimpl::crypto::{Buf, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey};
use std::sync::Arc;
use std::time::Instant;
use str0m::config::DtlsCert;
use str0m::crypto::dtls::{DtlsInstance, DtlsProvider, DtlsVersion};
use str0m::crypto::{CryptoError, CryptoProvider};
use webstar_core::path::webrtc::dtls;

/// Most signatures are so long; a few are a byte or two shorter or longer.
const SIGNATURE: usize = 71;

/// Everything real.
pub(super) fn provider() -> CryptoProvider {
    static SEEDED: Seeded = Seeded;
    CryptoProvider { dtls_provider: &SEEDED, ..str0m::crypto::from_feature_flags() }
}

/// Everybody's certificate: whether two have the same matters to nobody.
pub(super) fn certificate() -> DtlsCert {
    let (certificate, private_key) = (include_bytes!("certificate.der"), include_bytes!("key.der"));
    DtlsCert { certificate: certificate.to_vec(), private_key: private_key.to_vec() }
}

/// Signs again until the signature is as long as most.
#[derive(Debug)]
struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: &[u8]) -> Result<Box<dyn SigningKey>, Refused> {
        let real = dimpl::crypto::aws_lc_rs::default_provider().key_provider.load_private_key(key)?;
        Ok(Box::new(Key(real)))
    }
}

#[derive(Debug)]
struct Key(Box<dyn SigningKey>);

impl SigningKey for Key {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), Refused> {
        loop {
            self.0.sign(data, hash, out)?;
            if out.len() == SIGNATURE {
                return Ok(());
            }
        }
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.0.hash_algorithm()
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        self.0.supported_hash_algorithms()
    }
}

#[derive(Debug)]
struct Seeded;

impl DtlsProvider for Seeded {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        None
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        static KEYS: Keys = Keys;
        let provider =
            dimpl::crypto::CryptoProvider { key_provider: &KEYS, ..dimpl::crypto::aws_lc_rs::default_provider() };
        let mtu = mtu.unwrap_or(1_200);
        let builder = dtls::settings(mtu).with_crypto_provider(provider).dangerously_set_rng_seed(fastrand::u64(..));
        let config = builder.build().map_err(|error| CryptoError::Other(error.to_string()))?;
        Ok(dtls::instance(Arc::new(config), certificate, now, version))
    }
}
