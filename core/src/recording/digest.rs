//! What is kept of an output: its sort, and a hash of all that is in it.

use super::secrets::Secrets;
use crate::peer::{Output, Payload, PeerEvent, PeerMessage, Target};
use crate::time::Instant;
use crate::wire::signal::{self, Encoding, Frame, SIGNAL_TAG};
use bytes::Bytes;
use core::fmt::{self, Debug, Write as _};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The sort in the first byte, and seven bytes of a hash. A checksum would not do: that of a packet which ends with its
/// own is the same for all packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Digest([u8; 8]);

/// Sorts of what a player says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Transmit = 1,
    Open,
    Close,
    Pipe,
    Packet,
    Signal,
    Event,
    Timeout,
    Answer,
    IceServers,
}

impl Digest {
    fn new(sort: Sort, hash: u64) -> Self {
        let mut bytes = hash.to_le_bytes();
        bytes[0] = sort as u8;
        Digest(bytes)
    }

    /// What sort of thing was said, for people.
    pub(super) fn sort(self) -> &'static str {
        const WORDS: [&str; 11] = [
            "nothing that is known",
            "a frame to send",
            "a stream to open",
            "a stream to close",
            "an order for a direct path",
            "a packet to send",
            "a signal for a direct path",
            "an event",
            "when it wants to be called",
            "an answer",
            "servers for direct paths",
        ];
        WORDS.get(usize::from(self.0[0])).copied().unwrap_or(WORDS[0])
    }
}

/// Makes digests. In a replay there are no secrets to hide: the machine was told placeholders.
#[derive(Debug, Default)]
pub(super) struct Digester {
    pub(super) secrets: Option<Secrets>,
    words: String,
}

impl Digester {
    pub(super) fn new(secrets: Option<Secrets>) -> Self {
        Digester { secrets, words: String::new() }
    }

    /// Of what a door has answered.
    pub(super) fn of_answer(&mut self, answer: &impl Debug) -> Digest {
        Digest::new(Sort::Answer, self.of_words(answer))
    }

    pub(super) fn of_output(&mut self, output: &Output<'_>) -> Digest {
        match output {
            Output::Transmit { stream, payload } => Digest::new(Sort::Transmit, self.of_frame(stream.0, *payload)),
            Output::Open { stream, target: Target::WebSocket { url, subprotocol } } => {
                Digest::new(Sort::Open, texts(u64::from(stream.0), &[url, subprotocol]))
            }
            Output::Close { stream } => Digest::new(Sort::Close, numbers(&[u64::from(stream.0)])),
            Output::Pipe { player, path, order } => Digest::new(Sort::Pipe, self.of_words(&(player, path, order))),
            Output::Packet { player, path, payload } => {
                let head = numbers(&[u64::from(player.0), u64::from(path.0)]);
                Digest::new(Sort::Packet, xxh3_64_with_seed(payload, head))
            }
            Output::Signal { player, signal } => {
                let mut signal = signal.clone();
                if let Some(secrets) = &mut self.secrets {
                    secrets.hide_signal(&mut signal);
                }
                Digest::new(Sort::Signal, self.of_words(&(player, signal)))
            }
            Output::IceServers { servers } => {
                let mut servers = servers.clone();
                if let Some(secrets) = &mut self.secrets {
                    secrets.hide_credentials(&mut servers);
                }
                Digest::new(Sort::IceServers, self.of_words(&servers))
            }
            Output::Event(event) => Digest::new(Sort::Event, self.of_event(event)),
            Output::Timeout(next) => {
                let at = next.map_or(i64::MIN, |(at, _)| Instant::as_nanos(at));
                let who = next.map(|(_, who)| who);
                let seed = self.of_words(&who);
                Digest::new(Sort::Timeout, xxh3_64_with_seed(&at.to_le_bytes(), seed))
            }
        }
    }

    fn of_frame(&mut self, stream: u32, payload: Payload<'_>) -> u64 {
        let bytes = match payload {
            Payload::Binary(bytes) => bytes,
            Payload::Text(text) => text.as_bytes(),
        };
        let hidden = self.hidden(bytes);
        xxh3_64_with_seed(hidden.as_deref().unwrap_or(bytes), u64::from(stream))
    }

    /// What is said to the server, if there are secrets in it.
    fn hidden(&mut self, bytes: &[u8]) -> Option<Bytes> {
        let secrets = self.secrets.as_mut()?;
        if bytes.first() != Some(&SIGNAL_TAG) {
            return None;
        }
        let frame = Frame::Binary(Bytes::copy_from_slice(bytes));
        let mut message = signal::decode_client(Encoding::Postcard, &frame).ok()?;
        let is_changed = secrets.hide_in_client(&mut message);
        is_changed.then(|| signal::encode_client(Encoding::Postcard, &message).bytes().clone())
    }

    fn of_event(&mut self, event: &PeerEvent) -> u64 {
        // Messages are many and may be long: their bytes are not written as words.
        let PeerEvent::Message(PeerMessage { from, channel, seq, kind, payload, position, is_rewritten }) = event
        else {
            return self.of_words(event);
        };
        let place = position.map_or(u64::MAX, |position| position.0);
        let mut head = numbers(&[u64::from(from.0), *channel as u64, *seq, place]);
        if *is_rewritten {
            head = numbers(&[head]);
        }
        xxh3_64_with_seed(payload, texts(head, &[kind.as_str()]))
    }

    fn of_words(&mut self, what: &impl Debug) -> u64 {
        self.words.clear();
        // Writing into text does not fail.
        let _ = write!(self.words, "{what:?}");
        xxh3_64_with_seed(self.words.as_bytes(), 0)
    }
}

fn numbers(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |seed, number| xxh3_64_with_seed(&number.to_le_bytes(), seed))
}

fn texts(seed: u64, texts: &[&str]) -> u64 {
    texts.iter().fold(seed, |seed, text| xxh3_64_with_seed(text.as_bytes(), seed))
}

/// The most of an output that is told when it differs.
const MOST_WORDS: usize = 400;

/// An output in words for people.
pub(super) fn in_words(output: &Output<'_>) -> String {
    let mut words = String::new();
    let _ = match output {
        Output::Transmit { stream, payload } => describe_frame(&mut words, stream.0, *payload),
        Output::Packet { player, path, payload } => {
            write!(words, "a packet of {} bytes to player {} on path {}", payload.len(), player.0, path.0)
        }
        Output::Event(event) => write!(words, "an event: {event:?}"),
        Output::Timeout(None) => write!(words, "that it never wants to be called"),
        Output::Timeout(Some((at, who))) => write!(words, "that it wants to be called at {at} for {who:?}"),
        other => write!(words, "{other:?}"),
    };
    shortened(words)
}

pub(super) fn shortened(mut words: String) -> String {
    if words.len() > MOST_WORDS {
        words.truncate(words.floor_char_boundary(MOST_WORDS));
        words.push_str(" ..");
    }
    words
}

fn describe_frame(words: &mut String, stream: u32, payload: Payload<'_>) -> fmt::Result {
    let bytes = match payload {
        Payload::Binary(bytes) => bytes,
        Payload::Text(text) => text.as_bytes(),
    };
    write!(words, "a frame of {} bytes on stream {stream}", bytes.len())?;
    if bytes.first() == Some(&SIGNAL_TAG) {
        let frame = Frame::Binary(Bytes::copy_from_slice(bytes));
        if let Ok(message) = signal::decode_client(Encoding::Postcard, &frame) {
            write!(words, ": {message:?}")?;
        }
    }
    Ok(())
}
