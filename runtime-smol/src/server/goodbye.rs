//! How a connection ends: what is held is sent, with a close frame if there is something to say; then the other side
//! has a moment to read it. Whatever it does, the socket is closed after that.

use super::wire::Wire;
use async_io::Timer;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use futures_lite::future::{or, poll_fn};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::time::Duration;
use webstar_core::wire::signal::CloseReason;

/// A socket is closed this long after its end was decided.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that may have been under way when the end was decided. Who goes on beyond that is cut off.
const MAX_IGNORED: usize = 256 * 1024;

/// What a close frame says: the number by RFC 6455, the reason in snake case.
pub(super) fn farewell(reason: CloseReason) -> CloseFrame {
    use CloseReason as R;
    let code = match reason {
        R::Left | R::LobbyClosed | R::Replaced => CloseCode::Normal,
        R::ShuttingDown | R::HostLost | R::TimedOut | R::Idle => CloseCode::Away,
        R::BadMessages | R::UnsupportedVersion => CloseCode::Protocol,
        R::TooLarge => CloseCode::Size,
        R::Busy => CloseCode::Again,
        R::Kicked | R::Banned | R::HandshakeTimeout | R::TooSlow | R::RateLimited | R::FellBehind | R::TokenReused => {
            CloseCode::Policy
        }
    };
    CloseFrame { code, reason: reason_name(reason).into() }
}

fn reason_name(reason: CloseReason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(name)) => name,
        other => unreachable!("a unit variant is a JSON string, not {other:?}"),
    }
}

/// Ends a WebSocket.
pub(super) async fn end(mut socket: WebSocketStream<Wire>, farewell: Option<CloseFrame>) {
    let wire = socket.get_mut();
    if let Some(farewell) = farewell {
        wire.push_close(&farewell);
    }
    linger(wire).await;
}

/// Sends what is held, says that no more follows, and waits for the other side to close: closing over bytes that were
/// not read would destroy what was sent.
pub(super) async fn linger(wire: &mut Wire) {
    let ending = async {
        let sent = poll_fn(|cx| wire.poll_send(cx, &mut 0)).await;
        if sent.is_err() || wire.close().await.is_err() {
            return;
        }
        let (mut ignored, mut total) = ([0; 1024], 0);
        while total < MAX_IGNORED {
            // Nobody reads this as messages.
            wire.on_message();
            match wire.read(&mut ignored).await {
                Ok(0) | Err(_) => return,
                Ok(read) => total += read,
            }
        }
    };
    or(Box::pin(ending), async {
        Timer::after(PATIENCE).await;
    })
    .await;
}
