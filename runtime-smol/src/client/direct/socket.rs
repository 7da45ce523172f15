//! A UDP socket. Datagrams of one size that follow each other from one address to another leave in one system call, and
//! many come in with one, where the system can do that.

use async_io::Async;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSliceMut, Result};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::task::{Context, Poll};

/// What the system is asked to keep each way: a burst of 128 packets overflows its usual 208 KiB.
const BUFFER: usize = 4 * 1024 * 1024;
/// What one system call brings at most, joined by the system.
const MAX_READ: usize = 64 * 1024;
/// So many of them at once.
const READS: usize = 8;
/// The largest run that the system takes, with room for headers.
const MAX_RUN: usize = 60 * 1024;
/// Runs that wait for the system; what comes then is dropped, as every network does.
const MAX_WAITING: usize = 1_024;
/// Buffers kept for the next runs.
const MAX_SPARE: usize = 16;
/// Errors in a row that say nothing of the socket itself, such as that nobody is at an address.
const MAX_ERRORS: usize = 16;

thread_local! {
    /// Where datagrams are read to: none is kept for longer than it is told.
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_READ * READS].into_boxed_slice());
}

/// Datagrams of one size, but for the last, from one address to another.
struct Run {
    from: IpAddr,
    to: SocketAddr,
    size: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Run {
    /// Whether one more fits.
    fn takes(&self, from: IpAddr, to: SocketAddr, payload: &[u8], most: usize) -> bool {
        // One that is smaller has ended the run.
        let is_even = self.bytes.len() == self.size * self.count;
        (self.from, self.to) == (from, to)
            && is_even
            && payload.len() <= self.size
            && self.count < most
            && self.bytes.len() + payload.len() <= MAX_RUN
    }
}

/// One socket, on a port of the system's choice.
pub(super) struct Socket {
    io: Async<UdpSocket>,
    /// The last read has left nothing: the next waits until the system says that something has come.
    is_drained: bool,
    state: UdpSocketState,
    bound: SocketAddr,
    waiting: VecDeque<Run>,
    spare: Vec<Vec<u8>>,
    pub(super) dropped: u64,
}

impl Socket {
    /// Opens a socket of an address's family that receives at all addresses of this machine.
    pub(super) fn open(any: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        let bound = socket.local_addr()?;
        let state = UdpSocketState::new((&socket).into())?;
        // The system grants what its operator allows.
        let _ = state.set_recv_buffer_size((&socket).into(), BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), BUFFER);
        let io = Async::new(socket)?;
        Ok(Socket { io, is_drained: true, state, bound, waiting: VecDeque::new(), spare: Vec::new(), dropped: 0 })
    }

    /// The address and port under which it receives.
    pub(super) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Whether the last reading may have left some.
    pub(super) fn has_more(&self) -> bool {
        !self.is_drained
    }

    /// The next reading asks the system at once, and not whether there is something to ask it for.
    pub(super) fn look(&mut self) {
        self.is_drained = false;
    }

    /// Takes a datagram for sending. It leaves with the next flush.
    pub(super) fn push(&mut self, from: IpAddr, to: SocketAddr, payload: &[u8]) {
        let most = self.state.max_gso_segments().max(1);
        if let Some(run) = self.waiting.back_mut().filter(|run| run.takes(from, to, payload, most)) {
            run.bytes.extend_from_slice(payload);
            run.count += 1;
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.dropped += 1;
            return;
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(payload);
        self.waiting.push_back(Run { from, to, size: payload.len(), count: 1, bytes });
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        while let Some(run) = self.waiting.front() {
            let transmit = Transmit {
                destination: run.to,
                ecn: None,
                contents: &run.bytes,
                segment_size: (run.count > 1).then_some(run.size),
                src_ip: Some(run.from),
            };
            match self.state.try_send((&self.io).into(), &transmit) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.io.poll_writable(cx) {
                    Poll::Ready(_) => continue,
                    Poll::Pending => return,
                },
                // Nobody is there, or no way leads there: whoever sent it knows what to do without an answer.
                Err(_) | Ok(()) => {}
            }
            if let Some(Run { mut bytes, .. }) = self.waiting.pop_front()
                && self.spare.len() < MAX_SPARE
            {
                bytes.clear();
                self.spare.push(bytes);
            }
        }
    }

    /// Tells the datagrams that one system call brings. False: there are none now, and the task is woken when there are.
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        tell: &mut impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> bool {
        for _ in 0..MAX_ERRORS {
            if self.is_drained && self.io.poll_readable(cx).is_pending() {
                return false;
            }
            match self.read(tell) {
                Ok(count) => {
                    self.is_drained = count < READS;
                    return true;
                }
                Err(error) => self.is_drained = error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// How many reads it took of those that one system call may bring.
    fn read(&self, tell: &mut impl FnMut(SocketAddr, SocketAddr, &[u8])) -> Result<usize> {
        ROOM.with_borrow_mut(|room| {
            let mut parts = room.chunks_exact_mut(MAX_READ);
            let mut rooms: [IoSliceMut<'_>; READS] =
                std::array::from_fn(|_| IoSliceMut::new(parts.next().expect("the room has as many parts")));
            let mut told = [RecvMeta::default(); READS];
            let count = self.state.recv((&self.io).into(), &mut rooms, &mut told)?;
            for (meta, room) in told.iter().zip(&rooms).take(count) {
                let to = SocketAddr::new(meta.dst_ip.unwrap_or(self.bound.ip()), self.bound.port());
                // Datagrams of one size from one address may come joined.
                let joined = &room[..meta.len];
                joined.chunks(meta.stride.max(1)).for_each(|datagram| tell(meta.addr, to, datagram));
            }
            Ok(count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_fn};
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Everything that is sent arrives, whole and in order: `(size, first byte)` of each.
    fn carry(sizes: &[usize]) -> Vec<(usize, u8)> {
        let mut sender = Socket::open(Ipv4Addr::UNSPECIFIED.into()).unwrap();
        let mut receiver = Socket::open(Ipv4Addr::UNSPECIFIED.into()).unwrap();
        let to = SocketAddr::new(HERE, receiver.bound().port());
        let from = SocketAddr::new(HERE, sender.bound().port());
        for (number, size) in sizes.iter().enumerate() {
            sender.push(HERE, to, &vec![number as u8; *size]);
        }
        let mut came = Vec::new();
        block_on(poll_fn(|cx| {
            sender.flush(cx);
            let mut tell = |source: SocketAddr, target: SocketAddr, bytes: &[u8]| {
                assert_eq!((source, target), (from, to), "it is known from where and to where");
                assert!(bytes.iter().all(|byte| *byte == bytes[0]), "none is mixed with another");
                came.push((bytes.len(), bytes[0]));
            };
            while receiver.receive(cx, &mut tell) {}
            if came.len() < sizes.len() { Poll::Pending } else { Poll::Ready(()) }
        }));
        assert!(sender.waiting.is_empty() && sender.spare.len() <= MAX_SPARE);
        came
    }

    #[test]
    fn datagrams_arrive_as_they_were_sent() {
        let sizes = [1_200, 1_200, 1_200, 700, 700, 700, 1_200, 1, 1, 40];
        let expected: Vec<(usize, u8)> = sizes.iter().zip(0..).map(|(size, number)| (*size, number)).collect();
        assert_eq!(carry(&sizes), expected);
        let many = [1_200; 200];
        assert_eq!(carry(&many).len(), 200);
    }

    #[test]
    fn what_the_system_does_not_take_waits_up_to_a_limit() {
        let mut sender = Socket::open(Ipv4Addr::UNSPECIFIED.into()).unwrap();
        for size in 0..MAX_WAITING + 5 {
            sender.push(HERE, SocketAddr::new(HERE, 9), &vec![0; 1 + size]);
        }
        assert_eq!((sender.waiting.len(), sender.dropped), (MAX_WAITING, 5));
    }
}
