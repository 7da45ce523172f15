//! Streams to TURN servers, over TCP or TLS: opens and closes them, and brings bytes in and out. Decides nothing;
//! patience is the machine's.

use crate::client::connect::{Transport, connect_to, tls};
use crate::client::driver::Boxed;
use async_io::Timer;
use bytes::{Buf, BytesMut};
use futures_lite::{AsyncRead, AsyncWrite, AsyncWriteExt, FutureExt};
use std::collections::BTreeMap;
use std::io::Result;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use webstar_core::path::webrtc::{StreamFact, StreamOrder};

/// Bytes that wait for the system in one stream; a frame beyond is dropped, as a network drops what a link cannot take.
const MAX_WAITING: usize = 256 * 1024;
/// What one read brings at most: a record of TLS.
const MAX_READ: usize = 16 * 1024;
/// Reads from one stream before others get their turn.
const READS_PER_TURN: usize = 8;
/// How long what is said last may take to leave.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// All streams of a player, by the numbers that they were ordered under.
pub(super) struct Streams {
    /// A PEM file with certificates that are trusted besides those of the system.
    certificates: Option<Arc<PathBuf>>,
    streams: BTreeMap<u32, Stream>,
    /// Streams that are wanted no more, with what was said last in them.
    closing: Vec<Boxed<()>>,
    /// Why a server could not be reached the last time: said once.
    failures: BTreeMap<SocketAddr, String>,
    /// Where bytes are read to: none is kept for longer than it is told. It has room once there is a stream.
    room: Vec<u8>,
}

enum Stream {
    Opening(SocketAddr, Boxed<Result<Transport>>),
    Open(Open),
}

struct Open {
    transport: Transport,
    waiting: BytesMut,
    /// Something was written that may be held below.
    is_held: bool,
    is_broken: bool,
}

impl Streams {
    /// None yet.
    pub(super) fn new(certificates: Option<PathBuf>) -> Self {
        Streams {
            certificates: certificates.map(Arc::new),
            streams: BTreeMap::new(),
            closing: Vec::new(),
            failures: BTreeMap::new(),
            room: Vec::new(),
        }
    }

    /// Does what is to be done with a stream.
    pub(super) fn carry_out(&mut self, stream: u32, order: StreamOrder) {
        match order {
            StreamOrder::Open { to, name } => {
                let opening = open(to, name, self.certificates.clone());
                self.streams.insert(stream, Stream::Opening(to, Box::pin(opening)));
                self.room.resize(MAX_READ, 0);
            }
            StreamOrder::Send(bytes) => {
                if let Some(Stream::Open(open)) = self.streams.get_mut(&stream)
                    && open.waiting.len() + bytes.len() <= MAX_WAITING
                {
                    open.waiting.extend_from_slice(&bytes);
                }
            }
            StreamOrder::Close => {
                if let Some(Stream::Open(open)) = self.streams.remove(&stream) {
                    self.closing.push(Box::pin(open.close()));
                }
            }
        }
    }

    /// This machine has these addresses no more: what was opened from them is open no more.
    pub(super) fn on_addresses_gone(&mut self, gone: &[IpAddr]) {
        for stream in self.streams.values_mut() {
            if let Stream::Open(open) = stream {
                open.is_broken |= open.transport.local().is_some_and(|local| gone.contains(&local));
            }
        }
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        for stream in self.streams.values_mut() {
            if let Stream::Open(open) = stream
                && !open.is_broken
                && open.flush(cx).is_err()
            {
                // It is told with what is read.
                open.is_broken = true;
                cx.waker().wake_by_ref();
            }
        }
        self.closing.retain_mut(|closing| closing.poll(cx).is_pending());
    }

    /// Tells what has become of streams and what has come. False: there is nothing now, and the task is woken when
    /// there is.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>, tell: &mut impl FnMut(u32, StreamFact<'_>)) -> bool {
        let mut has_come = false;
        let (room, failures) = (&mut self.room, &mut self.failures);
        self.streams.retain(|number, stream| {
            let (has_moved, is_over) = match stream {
                Stream::Opening(to, opening) => match opening.poll(cx) {
                    Poll::Pending => (false, false),
                    Poll::Ready(Ok(transport)) => {
                        failures.remove(to);
                        *stream = Stream::Open(Open {
                            transport,
                            waiting: BytesMut::new(),
                            is_held: false,
                            is_broken: false,
                        });
                        tell(*number, StreamFact::Opened);
                        (true, false)
                    }
                    Poll::Ready(Err(error)) => {
                        let why = error.to_string();
                        if failures.get(to) != Some(&why) {
                            tracing::warn!("no stream to the TURN server {to}: {why}");
                            failures.insert(*to, why);
                        }
                        (true, true)
                    }
                },
                Stream::Open(open) => open.receive(cx, room, &mut |bytes| tell(*number, StreamFact::Bytes(bytes))),
            };
            if is_over {
                tell(*number, StreamFact::Closed);
            }
            has_come |= has_moved;
            !is_over
        });
        has_come
    }
}

/// Opens a stream, secured if a name is given that the certificate must bear.
async fn open(to: SocketAddr, name: Option<String>, certificates: Option<Arc<PathBuf>>) -> Result<Transport> {
    let checks = match name {
        Some(name) => {
            let checks = blocking::unblock(move || tls(certificates.as_deref().map(PathBuf::as_path))).await?;
            Some((checks, name))
        }
        None => None,
    };
    connect_to(to, checks).await
}

impl Open {
    fn flush(&mut self, cx: &mut Context<'_>) -> Result<()> {
        while !self.waiting.is_empty() {
            match Pin::new(&mut self.transport).poll_write(cx, &self.waiting) {
                Poll::Ready(Ok(0)) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => self.waiting.advance(written),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
            self.is_held = true;
        }
        if self.is_held {
            match Pin::new(&mut self.transport).poll_flush(cx) {
                Poll::Ready(flushed) => self.is_held = flushed.map(|()| false)?,
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Whether something has happened, and whether it is over.
    fn receive(&mut self, cx: &mut Context<'_>, room: &mut [u8], tell: &mut impl FnMut(&[u8])) -> (bool, bool) {
        if self.is_broken {
            return (true, true);
        }
        for count in 0..READS_PER_TURN {
            match Pin::new(&mut self.transport).poll_read(cx, room) {
                Poll::Ready(Ok(0) | Err(_)) => return (true, true),
                Poll::Ready(Ok(length)) => tell(&room[..length]),
                Poll::Pending => return (count > 0, false),
            }
        }
        (true, false)
    }

    /// What is said last leaves, and the stream is closed.
    async fn close(mut self) {
        let say = async {
            // Whoever is not there any more need not be told.
            let _ = self.transport.write_all(&self.waiting).await;
            let _ = self.transport.close().await;
        };
        let too_long = async {
            Timer::after(CLOSE_PATIENCE).await;
        };
        say.or(too_long).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_fn};
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::thread;

    /// What the streams tell until something wanted has come, in words.
    fn until(streams: &mut Streams, told: &mut Vec<String>, wanted: impl Fn(&[String]) -> bool) {
        block_on(poll_fn(|cx| {
            loop {
                streams.flush(cx);
                let mut tell = |stream: u32, fact: StreamFact<'_>| {
                    told.push(match fact {
                        StreamFact::Opened => format!("{stream} opened"),
                        StreamFact::Bytes(bytes) => format!("{stream} {}", String::from_utf8_lossy(bytes)),
                        StreamFact::Closed => format!("{stream} closed"),
                    });
                };
                let has_come = streams.receive(cx, &mut tell);
                if wanted(told) {
                    return Poll::Ready(());
                }
                if !has_come {
                    return Poll::Pending;
                }
            }
        }));
    }

    fn opened(streams: &mut Streams) -> (TcpStream, Vec<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        streams.carry_out(1, StreamOrder::Open { to: listener.local_addr().unwrap(), name: None });
        let mut told = Vec::new();
        until(streams, &mut told, |told| told.len() == 1);
        assert_eq!(told, ["1 opened"]);
        (listener.accept().unwrap().0, told)
    }

    #[test]
    fn bytes_go_both_ways_and_the_end_is_told_once() {
        let mut streams = Streams::new(None);
        let (mut server, mut told) = opened(&mut streams);
        streams.carry_out(1, StreamOrder::Send(b"ping".to_vec()));
        streams.carry_out(1, StreamOrder::Send(b"pong".to_vec()));
        let serving = thread::spawn(move || {
            let mut heard = [0; 8];
            server.read_exact(&mut heard).unwrap();
            server.write_all(b"well").unwrap();
            heard
        });
        until(&mut streams, &mut told, |told| told.iter().any(|told| told == "1 closed"));
        assert_eq!(told, ["1 opened", "1 well", "1 closed"]);
        assert_eq!(&serving.join().unwrap(), b"pingpong");
        streams.carry_out(1, StreamOrder::Send(b"late".to_vec()));
        assert!(streams.streams.is_empty());
    }

    #[test]
    fn what_the_system_does_not_take_waits_up_to_a_limit_and_whole_frames_are_dropped() {
        let mut streams = Streams::new(None);
        let (_server, _) = opened(&mut streams);
        for _ in 0..MAX_WAITING / 1_000 + 10 {
            streams.carry_out(1, StreamOrder::Send(vec![7; 1_000]));
        }
        let Some(Stream::Open(open)) = streams.streams.get(&1) else { panic!("it is open") };
        assert_eq!(open.waiting.len(), MAX_WAITING / 1_000 * 1_000);
    }

    #[test]
    fn a_stream_from_an_address_that_is_gone_is_told_as_closed() {
        let mut streams = Streams::new(None);
        let (_server, mut told) = opened(&mut streams);
        streams.on_addresses_gone(&[Ipv4Addr::new(192, 0, 2, 1).into()]);
        until(&mut streams, &mut told, |_| true);
        assert_eq!(told, ["1 opened"]);
        streams.on_addresses_gone(&[Ipv4Addr::LOCALHOST.into()]);
        until(&mut streams, &mut told, |_| true);
        assert_eq!(told, ["1 opened", "1 closed"]);
    }

    #[test]
    fn what_was_said_last_leaves_before_the_stream_closes() {
        let mut streams = Streams::new(None);
        let (mut server, mut told) = opened(&mut streams);
        streams.carry_out(1, StreamOrder::Send(b"farewell".to_vec()));
        streams.carry_out(1, StreamOrder::Close);
        let closing = std::mem::take(&mut streams.closing);
        block_on(async {
            for closing in closing {
                closing.await;
            }
        });
        let mut heard = String::new();
        server.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "farewell");
        until(&mut streams, &mut told, |_| true);
        assert_eq!(told, ["1 opened"], "nothing more is told");
    }

    #[test]
    fn a_stream_to_nobody_is_told_as_closed() {
        let to = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut streams = Streams::new(None);
        let mut told = Vec::new();
        for stream in [1, 2] {
            streams.carry_out(stream, StreamOrder::Open { to, name: None });
            until(&mut streams, &mut told, |told| told.contains(&format!("{stream} closed")));
        }
        assert_eq!(told, ["1 closed", "2 closed"]);
        assert_eq!(streams.failures.len(), 1);
    }
}
