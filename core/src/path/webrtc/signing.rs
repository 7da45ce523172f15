//! The signing key of a certificate is taken apart once and kept, not anew for each connection: two players who meet ask
//! for keys three times.

use dimpl::CryptoError;
use dimpl::crypto::{
    Buf, CryptoProvider, HashAlgorithm, KeyProvider, SignatureAlgorithm, SigningKey, aws_lc_rs::default_provider,
};
use std::sync::{Arc, Mutex, PoisonError};

/// The cryptography of aws-lc, with keys that are kept.
pub(super) fn provider() -> CryptoProvider {
    static KEYS: Keys = Keys { newest: Mutex::new(None) };
    CryptoProvider { key_provider: &KEYS, ..default_provider() }
}

/// Keeps the key that was asked for last: a process has one certificate as a rule.
struct Keys {
    newest: Mutex<Option<(Box<[u8]>, Key)>>,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl KeyProvider for Keys {
    fn load_private_key(&self, der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        // Whoever panicked with the lock in hand has replaced the whole of it, or nothing.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = newest.as_ref().filter(|(known, _)| **known == *der) {
            return Ok(Box::new(key.clone()));
        }
        let key = Key::new(default_provider().key_provider.load_private_key(der)?);
        *newest = Some((der.into(), key.clone()));
        Ok(Box::new(key))
    }
}

/// A key that several connections sign with.
#[derive(Clone, Debug)]
struct Key {
    signing: Arc<Mutex<Box<dyn SigningKey>>>,
    algorithm: SignatureAlgorithm,
    hash: HashAlgorithm,
    hashes: Arc<[HashAlgorithm]>,
}

impl Key {
    fn new(signing: Box<dyn SigningKey>) -> Self {
        let (algorithm, hash) = (signing.algorithm(), signing.hash_algorithm());
        let hashes = signing.supported_hash_algorithms().into();
        Key { signing: Arc::new(Mutex::new(signing)), algorithm, hash, hashes }
    }
}

impl SigningKey for Key {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        // A key does not change by signing.
        self.signing.lock().unwrap_or_else(PoisonError::into_inner).sign(data, hash, out)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &self.hashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(keys: &Keys, der: &[u8]) -> Key {
        keys.load_private_key(der).expect("a key");
        keys.newest.lock().expect("nobody panicked").as_ref().expect("it is kept").1.clone()
    }

    #[test]
    fn a_key_is_taken_apart_once_and_another_one_is_not_taken_for_it() {
        let keys = Keys { newest: Mutex::new(None) };
        let certificate = || str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().expect("one");
        let [ours, another] = [certificate(), certificate()];
        let first = key_of(&keys, &ours.private_key);
        assert!(Arc::ptr_eq(&first.signing, &key_of(&keys, &ours.private_key).signing));
        assert!(!Arc::ptr_eq(&first.signing, &key_of(&keys, &another.private_key).signing));
        assert!(keys.load_private_key(b"no key").is_err());
        let mut signed = Buf::new();
        let mut signing = keys.load_private_key(&ours.private_key).expect("a key");
        let hash = signing.hash_algorithm();
        assert_eq!(
            (signing.algorithm(), signing.supported_hash_algorithms()),
            (SignatureAlgorithm::ECDSA, &[hash][..])
        );
        signing.sign(b"what is said", hash, &mut signed).expect("it can sign");
        let verifier = default_provider().signature_verification;
        let verify =
            |said| verifier.verify_signature(&ours.certificate, said, &signed, hash, SignatureAlgorithm::ECDSA);
        assert!(verify(b"what is said").is_ok() && verify(b"what is not").is_err());
        assert_eq!(format!("{keys:?}"), "Keys { .. }");
    }
}
