//! From frames to messages and back.

use super::{ClientMessage, Encoding, Frame, ServerMessage, SignalError};

/// Reads what a client says.
pub fn decode_client(encoding: Encoding, frame: &Frame) -> Result<ClientMessage, SignalError> {
    let _ = (encoding, frame);
    Err(SignalError::Postcard)
}

/// Reads what the server says.
pub fn decode_server(encoding: Encoding, frame: &Frame) -> Result<ServerMessage, SignalError> {
    let _ = (encoding, frame);
    Err(SignalError::Postcard)
}

/// Writes what a client says.
pub fn encode_client(encoding: Encoding, message: &ClientMessage) -> Frame {
    let _ = (encoding, message);
    Frame::Text(bytes::Bytes::new())
}

/// Writes what the server says.
pub fn encode_server(encoding: Encoding, message: &ServerMessage) -> Frame {
    let _ = (encoding, message);
    Frame::Text(bytes::Bytes::new())
}
