//! The tokens that the server gives out and knows again, without keeping them: fields and a MAC over these and the
//! lobby's name. A name is used again when its lobby has ended, so the fields say which lobby of that name is meant.
//! Whether a token was used is not seen here.

use crate::id::{Incarnation, PlayerId};
use crate::time::Duration;
use crate::wire::signal::{LobbyName, Secret};
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Player, incarnation, generation, expiry, edition.
const FIELDS: usize = 4 + 4 + 4 + 8 + 8;
/// Half of what SHA-256 gives: 128 bits cannot be guessed.
const MAC: usize = 16;

/// What a token is good for. One kind never passes for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// To come back.
    Resume,
    /// To enter the relay endpoint. Good as long as it lasts; its generation is 0.
    Relay,
}

/// Tells a lobby from all that had its name before: drawn at random.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Edition(pub(super) u64);

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claims {
    pub(super) player: PlayerId,
    pub(super) incarnation: Incarnation,
    /// Rises with every token of a player.
    pub(super) generation: u32,
    /// Unix time in milliseconds.
    pub(super) expiry_ms: u64,
    /// Which lobby of its name.
    pub(super) edition: Edition,
}

/// Makes tokens and reads them. Its keys are derived from the server's and are never shown.
pub(super) struct Mint {
    resume: [u8; 32],
    relay: [u8; 32],
}

impl fmt::Debug for Mint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mint")
    }
}

impl Mint {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Mint { resume: mac(key, &[b"webstar resume token"]), relay: mac(key, &[b"webstar relay token"]) }
    }

    pub(super) fn make(&self, purpose: Purpose, lobby: &LobbyName, claims: &Claims) -> Secret {
        let fields = claims.to_bytes();
        let mac = self.mac(purpose, lobby, &fields);
        let text: String = fields.iter().chain(&mac).map(|byte| format!("{byte:02x}")).collect();
        Secret::new(text).expect("88 bytes are less than a secret may have")
    }

    /// What a token of this server says, if it has not expired.
    pub(super) fn read(&self, purpose: Purpose, lobby: &LobbyName, token: &Secret, unix: Duration) -> Option<Claims> {
        let bytes = unhex(token.as_str().as_bytes())?;
        let (fields, mac) = bytes.split_first_chunk::<FIELDS>().expect("the array is longer than the fields");
        let is_ours: bool = self.mac(purpose, lobby, fields)[..].ct_eq(mac).into();
        let claims = Claims::of_bytes(fields);
        (is_ours && unix.as_millis() < u128::from(claims.expiry_ms)).then_some(claims)
    }

    fn mac(&self, purpose: Purpose, lobby: &LobbyName, fields: &[u8; FIELDS]) -> [u8; MAC] {
        let key = match purpose {
            Purpose::Resume => &self.resume,
            Purpose::Relay => &self.relay,
        };
        // The fields have one length, so nothing can be moved from them into the name.
        let whole = mac(key, &[fields, lobby.as_str().as_bytes()]);
        *whole.first_chunk().expect("the MAC is a part of the hash")
    }
}

impl Claims {
    fn to_bytes(self) -> [u8; FIELDS] {
        let mut bytes = [0; FIELDS];
        bytes[..4].copy_from_slice(&self.player.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.incarnation.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.generation.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.expiry_ms.to_be_bytes());
        bytes[20..].copy_from_slice(&self.edition.0.to_be_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; FIELDS]) -> Self {
        let word = |at: usize| bytes[at..at + 4].iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        Claims {
            player: PlayerId(word(0)),
            incarnation: Incarnation(word(4)),
            generation: word(8),
            expiry_ms: long(12),
            edition: Edition(long(20)),
        }
    }
}

/// The MAC of some bytes; of a label it is a key derived from another.
pub(super) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("an HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn unhex(text: &[u8]) -> Option<[u8; FIELDS + MAC]> {
    let mut bytes = [0; FIELDS + MAC];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |&byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(&pair[0])? << 4 | digit(&pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: Claims = Claims {
        player: PlayerId(7),
        incarnation: Incarnation(2),
        generation: 900,
        expiry_ms: 1_700_000_000_123,
        edition: Edition(0x0123_4567_89ab_cdef),
    };
    const BEFORE: Duration = Duration::from_millis(1_700_000_000_122);

    fn lobby(name: &str) -> LobbyName {
        LobbyName::new(name).unwrap()
    }

    #[test]
    fn a_token_says_what_was_put_into_it_until_it_expires() {
        let mint = Mint::new(&[1; 32]);
        let token = mint.make(Purpose::Resume, &lobby("den"), &CLAIMS);
        assert_eq!(token.as_str().len(), 88);
        assert_eq!(mint.read(Purpose::Resume, &lobby("den"), &token, BEFORE), Some(CLAIMS));
        assert_eq!(mint.read(Purpose::Resume, &lobby("den"), &token, BEFORE + Duration::from_millis(1)), None);
        assert_eq!(Mint::new(&[1; 32]).read(Purpose::Resume, &lobby("den"), &token, BEFORE), Some(CLAIMS));
    }

    #[test]
    fn a_token_is_good_for_one_thing_only() {
        let mint = Mint::new(&[1; 32]);
        let token = mint.make(Purpose::Resume, &lobby("den"), &CLAIMS);
        assert_eq!(mint.read(Purpose::Relay, &lobby("den"), &token, BEFORE), None);
        assert_eq!(mint.read(Purpose::Resume, &lobby("dens"), &token, BEFORE), None);
        assert_eq!(Mint::new(&[2; 32]).read(Purpose::Resume, &lobby("den"), &token, BEFORE), None);
        for at in 0..token.as_str().len() {
            let mut text = token.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'0' { b'1' } else { b'0' };
            let forged = Secret::new(String::from_utf8(text).unwrap()).unwrap();
            assert_eq!(mint.read(Purpose::Resume, &lobby("den"), &forged, BEFORE), None, "{at}");
        }
        for text in ["", "zz", &"é".repeat(44), &"0".repeat(90)] {
            let garbage = Secret::new(text).unwrap();
            assert_eq!(mint.read(Purpose::Resume, &lobby("den"), &garbage, BEFORE), None, "{text}");
        }
    }
}
