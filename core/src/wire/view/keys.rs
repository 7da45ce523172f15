//! Keys and signatures (Ed25519). In JSON they are hexadecimal digits, in postcard bytes.
//!
//! What a player signs is shown to everybody anyway, so a recording of it keeps the signatures and not the key: a key that
//! was [told](SigningKey::told) them gives them out again, and can sign nothing else.

use core::fmt;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, VerifyingKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// What signs. It is drawn from a secret and never shown.
#[derive(Clone)]
pub struct SigningKey(Hand);

#[derive(Clone)]
enum Hand {
    Secret(ed25519_dalek::SigningKey),
    /// The same, and what it signs is noted.
    Noting(ed25519_dalek::SigningKey, Signatures),
    /// Of a key that is not here: what it has signed.
    Told(PublicKey, Signatures),
}

/// Signatures in the order in which a key makes them, shared by those who hold it.
#[derive(Clone, Default)]
pub struct Signatures(Arc<Mutex<VecDeque<Signature>>>);

/// What a signature is checked with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl SigningKey {
    /// The key that grows from a secret seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        SigningKey(Hand::Secret(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// The same key, which notes from now on what it signs.
    #[must_use]
    pub fn noting(self, signatures: &Signatures) -> Self {
        match self.0 {
            Hand::Secret(key) | Hand::Noting(key, _) => SigningKey(Hand::Noting(key, signatures.clone())),
            told @ Hand::Told(..) => SigningKey(told),
        }
    }

    /// In place of a key that is not here: it gives out what that key has signed, in its order, whatever it is asked to
    /// sign. When there is no more, what it gives is worth nothing.
    pub fn told(public: PublicKey, signatures: &Signatures) -> Self {
        SigningKey(Hand::Told(public, signatures.clone()))
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        match &self.0 {
            Hand::Secret(key) | Hand::Noting(key, _) => PublicKey(key.verifying_key().to_bytes()),
            Hand::Told(public, _) => *public,
        }
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Signature {
        match &self.0 {
            Hand::Secret(key) => Signature(key.sign(bytes).to_bytes()),
            Hand::Noting(key, signatures) => {
                let signature = Signature(key.sign(bytes).to_bytes());
                signatures.add(signature);
                signature
            }
            Hand::Told(_, signatures) => signatures.take().unwrap_or(Signature([0; 64])),
        }
    }
}

impl Signatures {
    /// One more.
    pub fn add(&self, signature: Signature) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(signature);
    }

    /// The oldest, which is not kept any longer.
    pub fn take(&self) -> Option<Signature> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl PublicKey {
    pub(super) fn verify(&self, bytes: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signatures")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", HEXLOWER.encode(&self.0[..4]))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", HEXLOWER.encode(&self.0[..4]))
    }
}

macro_rules! bytes {
    ($name:ident, $len:literal, $what:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(&HEXLOWER.encode(&self.0))
                } else {
                    let (head, tail) = self.0.as_chunks::<32>();
                    debug_assert!(tail.is_empty(), "keys and signatures are whole blocks of 32 bytes");
                    <[[u8; 32]; $len / 32]>::try_from(head).expect("the length is a constant").serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
                    bytes.map($name).ok_or_else(|| D::Error::custom($what))
                } else {
                    let blocks = <[[u8; 32]; $len / 32]>::deserialize(deserializer)?;
                    Ok($name(blocks.as_flattened().try_into().expect("the length is a constant")))
                }
            }
        }
    };
}

bytes!(PublicKey, 32, "a key is 64 hexadecimal digits");
bytes!(Signature, 64, "a signature is 128 hexadecimal digits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_told_gives_out_what_was_signed_and_nothing_else() {
        let (noted, told) = (Signatures::default(), Signatures::default());
        let key = SigningKey::from_seed(&[1; 32]).noting(&noted);
        let made = [key.sign(b"one"), key.sign(b"two")];
        assert!(key.public().verify(b"one", &made[0]));
        std::iter::from_fn(|| noted.take()).for_each(|signature| told.add(signature));
        let again = SigningKey::told(key.public(), &told);
        assert_eq!((again.public(), [again.sign(b"one"), again.sign(b"two")]), (key.public(), made));
        let forged = again.sign(b"one");
        assert!(!key.public().verify(b"one", &forged));
    }
}
