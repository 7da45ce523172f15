//! What is asked of a server without being in a lobby: which lobbies there are.

use super::socket::Socket;
use async_io::Timer;
use futures_lite::{FutureExt, future};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use webstar_core::peer::{Payload, Refusal};
use webstar_core::wire::signal::{
    ClientMessage, Encoding, Filter, Frame, ListLobbies, Listing, ServerMessage, decode_server, encode_client,
};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no list.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ListError {
    /// Nobody is there.
    #[error("the server cannot be reached: {0}; check the address and that it runs")]
    Unreachable(String),
    /// The server refuses.
    #[error(transparent)]
    Refused(Refusal),
}

/// The public lobbies of a server, by its WebSocket's address; at most 256, the fullest that have room first.
pub async fn list_lobbies(
    server: &str,
    filter: Filter,
    certificates: Option<PathBuf>,
) -> Result<Vec<Listing>, ListError> {
    let too_long = async {
        Timer::after(PATIENCE).await;
        Err(ListError::Unreachable("it did not answer within 10 s".into()))
    };
    ask(server, filter, certificates).or(too_long).await
}

async fn ask(server: &str, filter: Filter, certificates: Option<PathBuf>) -> Result<Vec<Listing>, ListError> {
    let encoding = Encoding::Json;
    let mut socket = Socket::open(server, encoding.subprotocol(), certificates.map(Arc::new))
        .await
        .map_err(ListError::Unreachable)?;
    let question = encode_client(encoding, &ClientMessage::ListLobbies(ListLobbies { filter }));
    let payload = match &question {
        Frame::Text(bytes) => Payload::Text(std::str::from_utf8(bytes).expect("JSON is UTF-8")),
        Frame::Binary(bytes) => Payload::Binary(bytes),
    };
    socket.push(payload).map_err(ListError::Unreachable)?;
    future::poll_fn(|cx| socket.poll_flush(cx)).await.map_err(ListError::Unreachable)?;
    loop {
        let frame = future::poll_fn(|cx| socket.poll_frame(cx)).await.map_err(|reason| {
            let reason = if reason.is_empty() { "it closed the connection".into() } else { reason };
            ListError::Unreachable(reason)
        })?;
        match decode_server(encoding, &frame) {
            Ok(ServerMessage::LobbyList(list)) => return Ok(list.lobbies),
            Ok(ServerMessage::Error(error)) => {
                return Err(ListError::Refused(Refusal { code: error.code, message: error.message }));
            }
            Ok(_) | Err(_) => {}
        }
    }
}
