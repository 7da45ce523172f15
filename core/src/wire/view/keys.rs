//! Keys and signatures (Ed25519). In JSON they are hexadecimal digits, in postcard bytes.

use core::fmt;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, VerifyingKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What signs. It is drawn from a secret and never shown.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// What a signature is checked with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl SigningKey {
    /// The key that grows from a secret seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).to_bytes())
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
