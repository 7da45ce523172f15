//! A WebSocket of a shard: frames from the client to the machine, frames of the machine into the socket. It decides
//! nothing.

use super::shard::Shard;
use super::wire::{Excess, Wire};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::error::ProtocolError as P;
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error, Message};
use bytes::Bytes;
use futures_lite::Stream;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use webstar_core::id::ConnectionId;
use webstar_core::server::{Fault, Input};
use webstar_core::wire::signal::{Frame, MAX_FRAME};

/// The library's own default of 128 KiB would cost 147 kB a connection.
const READ_BUFFER: usize = 4 * 1024;
/// Messages taken before others have their turn.
const TURN: usize = 32;

/// A WebSocket, and what the shard knows of it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Gone when the connection has moved or ended.
    socket: RefCell<Option<WebSocketStream<Wire>>>,
    /// It is in the list of those that have something to send.
    pub(super) is_due: Cell<bool>,
    /// The socket takes no more for now, and a task waits for it.
    is_stuck: Cell<bool>,
}

/// A WebSocket on a stream whose head was read, perhaps with more.
pub(super) async fn web_socket(wire: Wire, read: Vec<u8>) -> WebSocketStream<Wire> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(super::wire::MAX_HELD)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    WebSocketStream::from_partially_read(wire, read, Role::Server, Some(config)).await
}

impl Connection {
    pub(super) fn new(id: ConnectionId, socket: WebSocketStream<Wire>) -> Self {
        Connection { id, socket: RefCell::new(Some(socket)), is_due: Cell::new(false), is_stuck: Cell::new(false) }
    }

    /// Takes the socket out: nothing more is read or sent here.
    pub(super) fn take(&self) -> Option<WebSocketStream<Wire>> {
        self.socket.take()
    }

    /// Takes a frame for sending. `spare` is a buffer for the first one.
    pub(super) fn push(&self, frame: &Frame, spare: impl FnOnce() -> Vec<u8>) {
        if let Some(socket) = self.socket.borrow_mut().as_mut() {
            socket.get_mut().push(frame, spare);
        }
    }

    /// Reads until nothing is there; ready when the connection is of no more use here.
    pub(super) fn poll_read(self: &Rc<Self>, cx: &mut Context<'_>, shard: &Rc<Shard>) -> Poll<()> {
        for _ in 0..TURN {
            let next = match self.socket.borrow_mut().as_mut() {
                Some(socket) => Pin::new(socket).poll_next(cx),
                None => return Poll::Ready(()),
            };
            // Answers to pings and to a close frame.
            self.send_soon(shard);
            match ready!(next) {
                Some(Ok(message)) => self.on_message(message, shard),
                Some(Err(error)) => {
                    match fault(&error) {
                        Some(fault) => shard.on_broken(self, fault),
                        None => shard.on_lost(self),
                    }
                    return Poll::Ready(());
                }
                None => {
                    shard.on_lost(self);
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn on_message(&self, message: Message, shard: &Rc<Shard>) {
        let connection = self.id;
        let told = |is_control: Option<usize>| {
            if let Some(socket) = self.socket.borrow_mut().as_mut() {
                match is_control {
                    Some(len) => socket.get_mut().on_control(len),
                    None => socket.get_mut().on_message(),
                }
            }
        };
        match message {
            Message::Text(text) => {
                told(None);
                shard.tell(Input::Frame { connection, frame: Frame::Text(owned(text.into())) });
            }
            Message::Binary(bytes) => {
                told(None);
                shard.tell(Input::Frame { connection, frame: Frame::Binary(owned(bytes)) });
            }
            Message::Ping(bytes) | Message::Pong(bytes) => {
                told(Some(bytes.len()));
                shard.tell(Input::Control { connection });
            }
            Message::Close(_) | Message::Frame(_) => {}
        }
    }

    fn send_soon(self: &Rc<Self>, shard: &Shard) {
        let is_held = self.socket.borrow().as_ref().is_some_and(|socket| socket.get_ref().is_holding());
        if is_held {
            shard.send_soon(self);
        }
    }

    /// Sends what is held, as far as the socket takes it.
    pub(super) fn send(self: &Rc<Self>, shard: &Rc<Shard>) {
        if self.is_stuck.get() {
            return;
        }
        if self.poll_send(&mut Context::from_waker(Waker::noop()), shard).is_ready() {
            return;
        }
        self.is_stuck.set(true);
        let (connection, at) = (self.clone(), shard.clone());
        let sending = std::future::poll_fn(move |cx| {
            ready!(connection.poll_send(cx, &at));
            connection.is_stuck.set(false);
            // What has come meanwhile.
            connection.send_soon(&at);
            Poll::Ready(())
        });
        shard.spawn(sending).detach();
    }

    fn poll_send(self: &Rc<Self>, cx: &mut Context<'_>, shard: &Rc<Shard>) -> Poll<()> {
        let mut bytes = 0;
        let polled = match self.socket.borrow_mut().as_mut() {
            Some(socket) => socket.get_mut().poll_send(cx, &mut bytes),
            None => return Poll::Ready(()),
        };
        if let Poll::Ready(Err(_)) = polled {
            shard.on_lost(self);
            return Poll::Ready(());
        }
        if polled.is_ready() {
            let emptied = self.socket.borrow_mut().as_mut().and_then(|socket| socket.get_mut().emptied());
            shard.keep(emptied);
        }
        if bytes > 0 {
            shard.tell(Input::Wrote { connection: self.id, bytes });
        }
        polled.map(|_| ())
    }
}

/// A short message gets bytes of its own: it would else keep the whole read buffer for as long as it waits somewhere.
fn owned(bytes: Bytes) -> Bytes {
    if bytes.len() < READ_BUFFER { Bytes::copy_from_slice(&bytes) } else { bytes }
}

/// What is wrong with bytes that are no WebSocket messages; nothing if the connection broke.
fn fault(error: &Error) -> Option<Fault> {
    match error {
        // It has gone without a word, or does not stop after it.
        Error::Protocol(P::ResetWithoutClosingHandshake | P::ReceivedAfterClosing) => None,
        Error::Capacity(_) => Some(Fault::TooLarge),
        Error::Utf8(_) | Error::Protocol(_) => Some(Fault::Malformed),
        Error::WriteBufferFull(_) => Some(Fault::Unread),
        Error::Io(error) => Excess::of(error).map(|excess| match excess {
            Excess::Unread => Fault::Endless,
            Excess::Held => Fault::Unread,
        }),
        _ => None,
    }
}
