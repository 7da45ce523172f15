//! The least that a relay on async-tungstenite can do: every member of a lobby of 8 may send to one other or to all. No
//! limits, no names, no way back; frames for a connection share a write.
//!
//! The first frame of a client names its lobby (two bytes); everybody there then gets a frame as long as our roster.
//! After that byte 0 is 1 (to the member with the number in byte 1) or 2 (to all others).

use async_executor::LocalExecutor;
use async_io::Async;
use async_tungstenite::tungstenite::{Bytes, Message, protocol::WebSocketConfig};
use async_tungstenite::{WebSocketStream, accept_async_with_config};
use futures_util::{Sink, Stream};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bytes of a roster frame besides, and for each, player: as our server's frames have them.
const ROSTER: (usize, usize) = (4, 32);

/// What waits for a connection, and who sends it.
#[derive(Default)]
struct Outbox {
    frames: VecDeque<Bytes>,
    writer: Option<Waker>,
}

impl Outbox {
    fn push(&mut self, frame: Bytes) {
        self.frames.push_back(frame);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

type Lobby = Rc<RefCell<Vec<Rc<RefCell<Outbox>>>>>;
type Lobbies = Rc<RefCell<HashMap<[u8; 2], Lobby>>>;

pub(crate) fn serve() {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a port is free");
    println!("\"{}\"", listener.get_ref().local_addr().expect("it is bound"));
    let lobbies = Lobbies::default();
    let executor = Rc::new(LocalExecutor::new());
    async_io::block_on(executor.run(async {
        while let Ok((socket, _)) = listener.accept().await {
            executor.spawn(connection(socket, executor.clone(), lobbies.clone())).detach();
        }
    }));
}

/// Reading and writing are tasks of their own, so that neither is tried in vain when the other has something to do.
async fn connection(socket: Async<TcpStream>, executor: Rc<LocalExecutor<'static>>, lobbies: Lobbies) {
    let _ = socket.get_ref().set_nodelay(true);
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
    let Ok(socket) = accept_async_with_config(socket, Some(config)).await else { return };
    let socket = Rc::new(RefCell::new(socket));
    let outbox = Rc::new(RefCell::new(Outbox::default()));
    let (writing, waiting) = (socket.clone(), outbox.clone());
    let writer = poll_fn(move |context| {
        waiting.borrow_mut().writer = Some(context.waker().clone());
        write(&mut writing.borrow_mut(), context, &waiting)
    });
    let _writer = executor.spawn(writer);
    let mut place: Option<(Lobby, usize)> = None;
    poll_fn(|context| read(&mut socket.borrow_mut(), context, &lobbies, &outbox, &mut place)).await;
}

/// Takes everything that has come.
fn read(
    socket: &mut WebSocketStream<Async<TcpStream>>,
    context: &mut Context<'_>,
    lobbies: &RefCell<HashMap<[u8; 2], Lobby>>,
    outbox: &Rc<RefCell<Outbox>>,
    place: &mut Option<(Lobby, usize)>,
) -> Poll<()> {
    loop {
        let frame = match Pin::new(&mut *socket).poll_next(context) {
            Poll::Ready(Some(Ok(Message::Binary(frame)))) => frame,
            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Frame(_)))) => {
                continue;
            }
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        };
        let Some((lobby, number)) = place else {
            let lobby = lobbies.borrow_mut().entry([frame[0], frame[1]]).or_default().clone();
            lobby.borrow_mut().push(outbox.clone());
            let number = lobby.borrow().len();
            let mut roster = vec![0; ROSTER.0 + ROSTER.1 * number];
            roster[0] = u8::try_from(number).expect("a lobby has 8");
            let roster = Bytes::from(roster);
            lobby.borrow().iter().for_each(|member| member.borrow_mut().push(roster.clone()));
            *place = Some((lobby, number));
            continue;
        };
        let members = lobby.borrow();
        match frame[0] {
            1 => members[usize::from(frame[1]) - 1].borrow_mut().push(frame),
            _ => {
                let others = members.iter().enumerate().filter(|(index, _)| index + 1 != *number);
                others.for_each(|(_, member)| member.borrow_mut().push(frame.clone()));
            }
        }
    }
}

/// Sends everything that waits, in one write if it fits.
fn write(
    socket: &mut WebSocketStream<Async<TcpStream>>,
    context: &mut Context<'_>,
    outbox: &RefCell<Outbox>,
) -> Poll<()> {
    let mut socket = Pin::new(socket);
    while !outbox.borrow().frames.is_empty() {
        match socket.as_mut().poll_ready(context) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
        let frame = outbox.borrow_mut().frames.pop_front().expect("it is not empty");
        if socket.as_mut().start_send(Message::Binary(frame)).is_err() {
            return Poll::Ready(());
        }
    }
    match socket.poll_flush(context) {
        Poll::Ready(Err(_)) => Poll::Ready(()),
        _ => Poll::Pending,
    }
}
