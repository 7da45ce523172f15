//! The decoder of the star's messages under arbitrary bytes: it reads or refuses, at a bounded price, and what it reads
//! has one form. Any frame that is written is read again, and refused if its end is missing.

use super::script::Script;
use super::{frames, meter};
use bytes::Bytes;
use webstar_core::wire::WireError;
use webstar_core::wire::star::{self, Content, Entry, Frame, Kind, KindTold, Message};

/// What reading may hold at any moment, for so many bytes.
fn allowance(bytes: usize) -> usize {
    (512 * bytes).min(3 * 1024 * 1024) + 32 * bytes + 4 * 1024
}

/// Kinds with a number are called by it, so that each can be told in one way only.
fn number(kind: &Kind) -> Option<u16> {
    kind.as_str().strip_prefix('#')?.parse().ok()
}

fn told(kind: &Kind) -> KindTold<'_> {
    number(kind).map_or(KindTold::Name(kind.as_str()), KindTold::Number)
}

fn known(told: KindTold<'_>) -> Option<Kind> {
    match told {
        KindTold::Number(number) => Kind::new(&format!("#{number}")),
        KindTold::Name(name) => Kind::new(name).filter(|_| !name.starts_with('#')),
    }
}

/// Reads the bytes as a message; and a frame made up from them, whole, cut off and changed.
pub fn star_decode(data: &[u8]) {
    judge(&Bytes::copy_from_slice(data));
    let mut script = Script::new(data);
    let frame = frames::frame(&mut script);
    let bytes = star::encode(&frame, &mut number);
    assert_eq!(star::decode(&bytes, &mut known), Ok(Message::Frame(frame.clone())));
    let head = bytes.len() - open_end(&frame);
    let step = head / 64 + 1;
    for cut in (0..head).rev().step_by(step) {
        assert!(star::decode(&bytes.slice(..cut), &mut known).is_err(), "{frame:?} is read from {cut} bytes");
    }
    for _ in 0..=script.byte() % 4 {
        let mut changed = bytes.to_vec();
        let at = usize::from(script.word()) % changed.len();
        changed[at] ^= script.byte();
        judge(&Bytes::from(changed));
    }
}

/// Bytes of a payload to which no length belongs.
fn open_end(frame: &Frame) -> usize {
    match frame {
        Frame::Publish { payload, .. } => payload.len(),
        Frame::Entry { entry: Entry { content: Content::Message(message), .. }, .. } => message.payload.len(),
        Frame::Snapshot { piece, .. } => piece.len(),
        _ => 0,
    }
}

/// What is read is written alike.
fn judge(bytes: &Bytes) {
    let read = meter::peak_within(allowance(bytes.len()), || star::decode(bytes, &mut known));
    let again = match read {
        Ok(Message::Define { number, name }) => star::define(number, name),
        Ok(Message::Say { epoch, to, seq, kind, payload }) => star::say(epoch, &to, seq, told(&kind), &payload),
        Ok(Message::Deliver { epoch, from, seq, kind, payload }) => {
            star::deliver(epoch, from, seq, told(&kind), &payload)
        }
        Ok(Message::Frame(frame)) => star::encode(&frame, &mut number),
        Err(error) => {
            assert!(!matches!(error, WireError::Version(_) | WireError::Seal), "{error:?} is about packets");
            return;
        }
    };
    assert_eq!(again, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn arbitrary_frames_come_back() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..20_000_u32 {
            let length = rng.random_range(1..300);
            let mut data: Vec<u8> = (0..length).map(|_| rng.random()).collect();
            data[0] = (round % 16) as u8;
            star_decode(&data);
        }
    }
}
