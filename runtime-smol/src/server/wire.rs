//! The bytes of one connection: a plain or a TLS stream below the WebSocket. What is written is held here until it is
//! flushed, so that all frames of a turn leave in one write; what is read is counted, so that bytes without messages
//! have an end. Frames are read elsewhere.

use async_io::Async;
use async_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use async_tungstenite::tungstenite::protocol::frame::{CloseFrame, FrameHeader};
use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::server::TlsStream;
use std::io::{self, Error, ErrorKind, Read, Result};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use thiserror::Error as Complaint;
use webstar_core::wire::signal::Frame;

/// Bytes that may come without a message in them: twice the longest message. Floods of tiny fragments end here.
const MAX_UNREAD: usize = 128 * 1024;
/// Bytes that may wait for the socket. The machine's window keeps its frames far below; answers to pings come on top.
pub(super) const MAX_HELD: usize = 256 * 1024;

/// Why a stream is given up though it works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Complaint)]
pub(super) enum Excess {
    #[error("too many bytes without a message")]
    Unread,
    #[error("too many bytes wait for the client")]
    Held,
}

impl Excess {
    /// If that is what the error is.
    pub(super) fn of(error: &io::Error) -> Option<Excess> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// Bytes that have left are taken out of the buffer when they are so many.
const MAX_GONE: usize = 32 * 1024;

/// A stream of bytes to a client.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Async<TcpStream>),
    Tls(Box<TlsStream<Async<TcpStream>>>),
}

impl Transport {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match self {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
}

/// A stream of which nothing leaves before it is flushed by [`Wire::poll_send`].
#[derive(Debug)]
pub(super) struct Wire {
    transport: Transport,
    /// Written; the first `gone` bytes of it have left.
    held: Vec<u8>,
    gone: usize,
    /// The payload bytes of the frames among them, as far as they were not told to have left.
    frames: usize,
    /// Bytes read since the last message.
    unread: usize,
    /// The last read left nothing behind: asking the system again before it tells of more is a call in vain.
    is_drained: bool,
}

impl Wire {
    pub(super) fn new(transport: Transport) -> Self {
        Wire { transport, held: Vec::new(), gone: 0, frames: 0, unread: 0, is_drained: false }
    }

    /// Takes a frame for sending. The first one asks for a buffer to be held in.
    pub(super) fn push(&mut self, frame: &Frame, spare: impl FnOnce() -> Vec<u8>) {
        if self.held.capacity() == 0 {
            self.held = spare();
        }
        if self.gone > MAX_GONE {
            self.held.drain(..self.gone);
            self.gone = 0;
        }
        let opcode = match frame {
            Frame::Text(_) => OpCode::Data(Data::Text),
            Frame::Binary(_) => OpCode::Data(Data::Binary),
        };
        let payload = frame.bytes();
        self.begin(opcode, payload.len());
        self.held.extend_from_slice(payload);
        self.frames += payload.len();
    }

    /// Takes a close frame for sending. Not by the WebSocket, which would put a late pong behind it.
    pub(super) fn push_close(&mut self, farewell: &CloseFrame) {
        self.begin(OpCode::Control(Control::Close), 2 + farewell.reason.len());
        self.held.extend_from_slice(&u16::from(farewell.code).to_be_bytes());
        self.held.extend_from_slice(farewell.reason.as_bytes());
    }

    fn begin(&mut self, opcode: OpCode, len: usize) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(len as u64, &mut self.held).expect("a vector takes all");
    }

    /// Takes bytes that are no frame for sending.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Whether something waits to be sent.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// The buffer of what was sent: an idle connection keeps none.
    pub(super) fn emptied(&mut self) -> Option<Vec<u8>> {
        (self.held.is_empty() && self.held.capacity() > 0).then(|| std::mem::take(&mut self.held))
    }

    /// Sends what is held. `sent` becomes the sum of the lengths of the frames that have left with it.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, sent: &mut usize) -> Poll<Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(self.transport.poll_write(cx, &self.held[self.gone..]))?;
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.gone += written;
            if self.gone == self.held.len() {
                self.held.clear();
                self.gone = 0;
            }
            // A frame's header counts as if it were payload until all is sent: it is a few bytes.
            let left = if self.held.is_empty() { self.frames } else { self.frames.min(written) };
            self.frames -= left;
            *sent += left;
        }
        match &mut self.transport {
            Transport::Plain(_) => Poll::Ready(Ok(())),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// A message of so many bytes has come out of what was read.
    pub(super) fn on_message(&mut self) {
        self.unread = 0;
    }

    /// A control frame has: it takes off what it has put on, so that control frames make no room for empty fragments.
    pub(super) fn on_control(&mut self, len: usize) {
        /// Flags, length and mask.
        const HEADER: usize = 6;
        self.unread = self.unread.saturating_sub(HEADER + len);
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let wire = self.get_mut();
        if wire.unread > MAX_UNREAD {
            return Poll::Ready(Err(Error::other(Excess::Unread)));
        }
        let read = match &mut wire.transport {
            Transport::Plain(stream) => {
                if wire.is_drained {
                    ready!(stream.poll_readable(cx))?;
                    wire.is_drained = false;
                }
                let read = loop {
                    match stream.get_ref().read(buffer) {
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(stream.poll_readable(cx))?,
                        read => break read?,
                    }
                };
                wire.is_drained = read < buffer.len();
                read
            }
            Transport::Tls(stream) => ready!(Pin::new(stream).poll_read(cx, buffer))?,
        };
        wire.unread += read;
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let wire = self.get_mut();
        if wire.held.len() - wire.gone + bytes.len() > MAX_HELD {
            return Poll::Ready(Err(Error::other(Excess::Held)));
        }
        wire.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends what is held and says that no more will follow.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_send(cx, &mut 0))?;
        let socket = match &mut wire.transport {
            Transport::Plain(stream) => stream.get_ref(),
            Transport::Tls(stream) => {
                ready!(Pin::new(&mut **stream).poll_close(cx))?;
                stream.get_ref().0.get_ref()
            }
        };
        Poll::Ready(socket.shutdown(Shutdown::Write))
    }
}
