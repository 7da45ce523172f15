//! A WebSocket to a server. What is sent is held here until it is flushed, so that the frames of one drain leave in one
//! write, and so that it is known how much has not left yet.

use super::connect::{Transport, connect, tls};
use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use async_tungstenite::tungstenite::http::{HeaderValue, Uri};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketStream, client_async_with_config};
use bytes::{Buf, Bytes, BytesMut};
use futures_lite::{AsyncRead, AsyncWrite, Stream, future};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use webstar_core::peer::Payload;
use webstar_core::wire::signal::{Frame, MAX_FRAME};

/// The library's own default of 128 KiB would cost 147 kB a connection.
const READ_BUFFER: usize = 4 * 1024;
/// While so much has not left, nothing is read: answers to control frames would else grow without bound.
const MAX_HELD: usize = 256 * 1024;

/// An open WebSocket.
#[derive(Debug)]
pub(super) struct Socket {
    web_socket: WebSocketStream<Corked>,
}

/// A stream of which nothing leaves before it is uncorked.
#[derive(Debug)]
struct Corked {
    stream: Transport,
    held: BytesMut,
    is_corked: bool,
}

impl Socket {
    /// Opens a WebSocket. The error is a sentence.
    pub(super) async fn open(
        url: &str,
        subprotocol: &'static str,
        certificates: Option<Arc<PathBuf>>,
    ) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}` is no address of a server: {error}"))?;
        let is_tls = uri.scheme_str() == Some("wss");
        let host = uri.host().ok_or_else(|| format!("`{url}` names no host"))?;
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let checks = match is_tls {
            true => {
                let checks = blocking::unblock(move || tls(certificates.as_deref().map(PathBuf::as_path)));
                Some(checks.await.map_err(|error| error.to_string())?)
            }
            false => None,
        };
        let stream = connect(host, port, checks).await.map_err(|error| error.to_string())?;
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(subprotocol));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_HELD)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let stream = Corked { stream, held: BytesMut::new(), is_corked: false };
        let opened = client_async_with_config(request, stream, Some(config)).await;
        let (mut web_socket, _) = opened.map_err(|error| no_handshake(&error))?;
        web_socket.get_mut().is_corked = true;
        Ok(Socket { web_socket })
    }

    /// Where the server is.
    pub(super) fn server(&self) -> Option<IpAddr> {
        self.web_socket.get_ref().stream.server()
    }

    /// Which of our addresses it is open from.
    pub(super) fn local(&self) -> Option<IpAddr> {
        self.web_socket.get_ref().stream.local()
    }

    /// Takes a message for sending. It leaves with the next flush.
    pub(super) fn push(&mut self, payload: Payload<'_>) -> Result<(), String> {
        let message = match payload {
            Payload::Text(text) => Message::Text(text.into()),
            Payload::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(bytes)),
        };
        self.push_message(message)
    }

    fn push_message(&mut self, message: Message) -> Result<(), String> {
        let mut sending = pin!(self.web_socket.send(message));
        match sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(error)) => Err(closed_by(&error)),
            Poll::Pending => unreachable!("a corked stream takes everything at once"),
        }
    }

    /// How many bytes have not left.
    pub(super) fn held(&self) -> usize {
        self.web_socket.get_ref().held.len()
    }

    /// Sends what is held.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let stream = self.web_socket.get_mut();
        stream.poll_uncorked(cx).map_err(|error| error.to_string())
    }

    /// The next message; an error tells why there will be none: what the other side said in its close frame, if it did.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, String>> {
        while self.held() < MAX_HELD {
            let message = match ready!(Pin::new(&mut self.web_socket).poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(Err(closed_by(&error))),
                None => return Poll::Ready(Err(String::new())),
            };
            match message {
                Message::Text(text) => return Poll::Ready(Ok(Frame::Text(text.into()))),
                Message::Binary(bytes) => return Poll::Ready(Ok(Frame::Binary(bytes))),
                Message::Close(Some(told)) => {
                    return Poll::Ready(Err(told.reason.trim_end_matches('\0').into()));
                }
                Message::Close(None) => return Poll::Ready(Err(String::new())),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Poll::Pending
    }

    /// Sends what is held, says goodbye and waits until the other side has closed too.
    pub(super) async fn close(mut self) {
        if self.push_message(Message::Close(None)).is_err() {
            return;
        }
        let flushed = future::poll_fn(|cx| self.poll_flush(cx)).await;
        if flushed.is_ok() {
            while future::poll_fn(|cx| self.poll_frame(cx)).await.is_ok() {}
        }
    }
}

fn closed_by(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => String::new(),
        Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn no_handshake(error: &Error) -> String {
    match error {
        Error::Http(response) => {
            format!(
                "the other side answered {} instead of opening a WebSocket; is it a WebStar server?",
                response.status()
            )
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(SubProtocolError::NoSubProtocol)) => {
            "the other side speaks WebSocket but not WebStar's protocol; is it a WebStar server?".into()
        }
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the other side closed the connection before the WebSocket was open".into()
        }
        error => format!("no WebSocket: {error}"),
    }
}

impl Corked {
    fn poll_uncorked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        // An idle connection keeps no buffer.
        self.held = BytesMut::new();
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl AsyncRead for Corked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        if me.is_corked { Poll::Ready(Ok(())) } else { me.poll_uncorked(cx) }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        ready!(me.poll_uncorked(cx))?;
        Pin::new(&mut me.stream).poll_close(cx)
    }
}
