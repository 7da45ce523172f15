//! The decoders of signalling under arbitrary bytes: they read or refuse, at a bounded price, and what they read says
//! the same in either encoding.

use super::meter;
use bytes::Bytes;
use core::fmt::Debug;
use webstar_core::wire::signal::{
    Data, Encoding, Frame, MAX_FRAME, SignalError, decode_client, decode_server, encode_client, encode_server,
};

const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Postcard];

/// What reading a frame may hold at any moment.
const MOST_MEMORY: usize = 1024 * 1024;

/// The longest sentence about a frame that cannot be read.
const LONGEST_COMPLAINT: usize = 600;

/// Reads the bytes as frames of either kind, from either side, and as data.
pub fn signal_decode(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    for frame in [Frame::Text(bytes.clone()), Frame::Binary(bytes)] {
        judge(&frame, decode_client, encode_client, true);
        judge(&frame, decode_server, encode_server, false);
    }
    assert_eq!(Data::of_bytes(data).to_bytes(), data, "players get back what players gave");
    if let Some(data) = core::str::from_utf8(data).ok().and_then(|text| Data::of_json(text).ok()) {
        assert!(data.is_sendable());
        let _ = meter::peak_within(MOST_MEMORY, || data.to_bytes());
    }
}

type Decode<M> = fn(Encoding, &Frame) -> Result<M, SignalError>;
type Encode<M> = fn(Encoding, &M) -> Frame;

/// Reads a frame of one side in both encodings. What a client says fits into a frame of either.
fn judge<M: PartialEq + Debug>(frame: &Frame, decode: Decode<M>, encode: Encode<M>, always_fits: bool) {
    for encoding in ENCODINGS {
        let message = match meter::peak_within(MOST_MEMORY, || decode(encoding, frame)) {
            Ok(message) => message,
            Err(error) => {
                assert!(error.to_string().len() <= LONGEST_COMPLAINT, "{error}");
                continue;
            }
        };
        for other in ENCODINGS {
            let again = encode(other, &message);
            let fits = again.bytes().len() <= MAX_FRAME;
            assert!(fits || !always_fits, "{} bytes", again.bytes().len());
            if fits {
                assert_eq!(decode(other, &again).as_ref(), Ok(&message), "{other:?}");
            }
        }
    }
}
