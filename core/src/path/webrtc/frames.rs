//! Cuts the stream of a TURN server into frames, and fills ours up: over a stream every frame takes a multiple of four
//! bytes, which the library below does not see to.

/// Bytes before the payload of channel data.
const CHANNEL_HEADER: usize = 4;
/// Bytes before the attributes of STUN.
const STUN_HEADER: usize = 20;
/// What every STUN message bears at its fifth byte.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The stream is out of step, or was never one of TURN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Broken;

/// What has come of a stream and is no whole frame yet: never more than one frame, which is at most 64 KiB.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// More has come. Every frame that is whole by now is given out, without what it was filled up with.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), Broken> {
        self.bytes.extend_from_slice(bytes);
        let mut start = 0;
        while let Some((length, whole)) = frame(&self.bytes[start..])?
            && let Some(taken) = self.bytes.get(start..start + whole)
        {
            each(&taken[..length]);
            start += whole;
        }
        self.bytes.drain(..start);
        Ok(())
    }
}

/// How long the frame that begins here is, without and with what it is filled up with; none if that is not yet known.
fn frame(bytes: &[u8]) -> Result<Option<(usize, usize)>, Broken> {
    let Some(&[first, _, high, low]) = bytes.first_chunk() else { return Ok(None) };
    let told = usize::from(u16::from_be_bytes([high, low]));
    match first >> 6 {
        0 => match bytes.get(4..8) {
            None => Ok(None),
            Some(cookie) if cookie == COOKIE && told % 4 == 0 => Ok(Some((STUN_HEADER + told, STUN_HEADER + told))),
            Some(_) => Err(Broken),
        },
        1 => Ok(Some((CHANNEL_HEADER + told, CHANNEL_HEADER + told.next_multiple_of(4)))),
        _ => Err(Broken),
    }
}

/// Fills a frame up.
pub(super) fn pad(frame: &mut Vec<u8>) {
    frame.resize(frame.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: usize) -> Vec<u8> {
        let mut message = vec![0, 1, 0, attributes as u8];
        message.extend(COOKIE);
        message.resize(STUN_HEADER + attributes, 7);
        message
    }

    fn channel(payload: &[u8]) -> Vec<u8> {
        let mut data = vec![0x40, 1, 0, payload.len() as u8];
        data.extend(payload);
        data
    }

    /// Channel data over a stream is filled up to four bytes, and the filling is no part of it.
    #[test]
    fn trap_channel_data_padding() {
        let frames = [channel(b"12345"), message(8), channel(b""), channel(b"1"), channel(b"1234"), message(0)];
        let mut stream = Vec::new();
        for frame in &frames {
            let mut frame = frame.clone();
            pad(&mut frame);
            assert_eq!(frame.len() % 4, 0);
            stream.extend(frame);
        }
        for piece in 1..=stream.len() {
            let (mut cut, mut seen) = (Frames::default(), Vec::new());
            for bytes in stream.chunks(piece) {
                cut.push(bytes, |frame| seen.push(frame.to_vec())).unwrap();
            }
            assert_eq!(seen, frames, "in pieces of {piece}");
            assert!(cut.bytes.is_empty());
        }
    }

    #[test]
    fn what_is_no_frame_breaks_the_stream() {
        for bytes in [&[0x80, 0, 0, 0][..], &[0xff; 9], &[0, 1, 0, 0, 1, 2, 3, 4]] {
            assert_eq!(Frames::default().push(bytes, |_| panic!("a frame")), Err(Broken), "{bytes:?}");
        }
        let mut odd = message(4);
        odd[3] = 3;
        assert_eq!(Frames::default().push(&odd, |_| panic!("a frame")), Err(Broken));
    }

    #[test]
    fn what_waits_is_at_most_one_frame() {
        let mut frames = Frames::default();
        let mut largest = vec![0x40, 0, 0xff, 0xff];
        largest.resize(4 + 65_535, 1);
        for _ in 0..3 {
            frames.push(&largest, |_| panic!("its filling lacks")).unwrap();
            assert!(frames.bytes.len() <= 4 + 65_536);
            let mut count = 0;
            frames.push(&[0], |_| count += 1).unwrap();
            assert_eq!((count, frames.bytes.len()), (1, 0));
        }
    }
}
