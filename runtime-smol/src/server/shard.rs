//! A shard: one thread, one machine, and the sockets of its connections. What the machine puts out is done here;
//! nothing is decided. No lock is taken to pass a frame on.

use super::connection::Connection;
use super::goodbye::{self, farewell};
use super::house::{House, Message};
use super::wire::Wire;
use crate::client::clock;
use async_executor::{LocalExecutor, Task};
use async_io::Timer;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webstar_core::id::{AskId, ConnectionId, ShardId};
use webstar_core::server::{Answer, Arrival, Ask, Fault, Input, Output, Parcel, Server as Machine, ServerStats};
use webstar_core::time::Instant;

/// Buffers kept for the next frames, and how large they may be.
const MAX_SPARE: usize = 64;
const MAX_SPARE_BYTES: usize = 64 * 1024;
/// How often the machine hears the time of day.
const WALL_CLOCK_EVERY: Duration = Duration::from_secs(30);

/// A shard on its thread.
pub(super) struct Shard {
    pub(super) house: Arc<House>,
    number: ShardId,
    machine: RefCell<Machine>,
    connections: RefCell<Slab<Entry>>,
    /// Those that have something to send.
    due: RefCell<Vec<Rc<Connection>>>,
    sender: RefCell<Option<Waker>>,
    spare: RefCell<Vec<Vec<u8>>>,
    /// When the machine wants to be called, and when the timer is set for: not later.
    wanted: Cell<Option<Instant>>,
    armed: Cell<Option<Instant>>,
    alarm: RefCell<Option<Waker>>,
    /// Sockets that are being closed.
    ending: Cell<usize>,
    executor: Weak<LocalExecutor<'static>>,
}

/// A connection and the task that reads from it.
struct Entry {
    connection: Rc<Connection>,
    _reader: Task<()>,
}

/// A connection on its way to another shard.
pub(super) struct Mover {
    pub(super) socket: WebSocketStream<Wire>,
    pub(super) parcel: Box<Parcel>,
}

impl Shard {
    pub(super) fn new(
        house: Arc<House>,
        number: ShardId,
        machine: Machine,
        executor: Weak<LocalExecutor<'static>>,
    ) -> Rc<Self> {
        Rc::new(Shard {
            house,
            number,
            machine: RefCell::new(machine),
            connections: RefCell::default(),
            due: RefCell::default(),
            sender: RefCell::default(),
            spare: RefCell::default(),
            wanted: Cell::default(),
            armed: Cell::default(),
            alarm: RefCell::default(),
            ending: Cell::default(),
            executor,
        })
    }

    /// Runs a task on this thread.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Task<()> {
        self.executor.upgrade().expect("only tasks of the executor call this").spawn(task)
    }

    /// Begins what goes on all the time.
    pub(super) fn start(self: &Rc<Self>) {
        self.spawn(self.clone().send_what_is_due()).detach();
        self.spawn(self.clone().keep_time()).detach();
        self.spawn(self.clone().tell_wall_clock()).detach();
        self.tell(Input::IceServers(self.house.ice_servers.clone()));
    }

    /// Tells the machine something, and does what it wants.
    pub(super) fn tell(self: &Rc<Self>, input: Input) {
        let mut machine = self.machine.borrow_mut();
        let mut next = Some(input);
        let mut answers = Vec::new();
        while let Some(input) = next {
            if let Err(error) = machine.handle(clock::now(), input) {
                tracing::error!(shard = self.number.0, %error, "the runtime has misused the machine");
            }
            loop {
                match machine.poll() {
                    Output::Timeout(wanted) => {
                        self.want(wanted.map(|(when, _)| when));
                        break;
                    }
                    Output::Ask { id, ask } => answers.extend(self.answer(id, ask)),
                    output => self.on_output(output),
                }
            }
            next = answers.pop();
        }
    }

    fn on_output(self: &Rc<Self>, output: Output) {
        match output {
            Output::Transmit { connection, frame } => {
                let connections = self.connections.borrow();
                let Some(entry) = connections.get(connection.0 as usize) else { return };
                entry.connection.push(&frame, || self.spare.borrow_mut().pop().unwrap_or_default());
                self.send_soon(&entry.connection);
            }
            Output::Close { connection, reason } => {
                if let Some(socket) = self.remove(connection) {
                    self.end(socket, Some(farewell(reason)));
                }
            }
            Output::Move { connection, to, parcel } => {
                if let Some(socket) = self.remove(connection) {
                    self.house.tell(to, Message::Moved(Box::new(Mover { socket, parcel })));
                }
            }
            Output::Event(event) => self.house.on_event(event),
            Output::Ask { .. } | Output::Timeout(_) => unreachable!("`tell` has taken these"),
        }
    }

    /// Answers at once, or later by a task.
    fn answer(self: &Rc<Self>, ask: AskId, question: Ask) -> Option<Input> {
        let answer = match question {
            Ask::Directory(question) => Answer::Directory(self.house.directory().answer(self.number, question)),
            Ask::Admit { token, wants, .. } => Answer::Admitted(self.house.is_admitted(token.as_ref(), wants)),
            Ask::HashPassword { password, salt } => {
                let shard = self.clone();
                self.spawn(async move {
                    let hash = shard.house.passwords.hash(password, salt).await;
                    shard.tell(Input::Answered { ask, answer: Answer::Hash(hash) });
                })
                .detach();
                return None;
            }
        };
        Some(Input::Answered { ask, answer })
    }

    /// A new WebSocket.
    pub(super) fn open(self: &Rc<Self>, socket: WebSocketStream<Wire>, arrival: Arrival) {
        let connection = self.insert(socket);
        self.tell(Input::Connected { connection, arrival });
    }

    /// A WebSocket of another shard that belongs here.
    pub(super) fn take_over(self: &Rc<Self>, mover: Mover) {
        let connection = self.insert(mover.socket);
        self.tell(Input::Moved { connection, parcel: mover.parcel });
    }

    fn insert(self: &Rc<Self>, socket: WebSocketStream<Wire>) -> ConnectionId {
        let mut connections = self.connections.borrow_mut();
        let vacant = connections.vacant_entry();
        let number = u32::try_from(vacant.key()).expect("there are far fewer files than that");
        let connection = Rc::new(Connection::new(ConnectionId(number), socket));
        let (shard, read) = (self.clone(), connection.clone());
        let reader = self.spawn(poll_fn(move |cx| read.poll_read(cx, &shard)));
        self.send_soon(&connection);
        vacant.insert(Entry { connection, _reader: reader });
        ConnectionId(number)
    }

    /// Takes the connection out of everything; its reader ends.
    fn remove(&self, id: ConnectionId) -> Option<WebSocketStream<Wire>> {
        let entry = self.connections.borrow_mut().try_remove(id.0 as usize)?;
        entry.connection.take()
    }

    /// The client has closed, or its connection broke.
    pub(super) fn on_lost(self: &Rc<Self>, connection: &Rc<Connection>) {
        if !self.is_here(connection) {
            return;
        }
        if let Some(socket) = self.remove(connection.id) {
            self.end(socket, None);
        }
        self.tell(Input::Closed { connection: connection.id });
    }

    /// What comes on it cannot be read on.
    pub(super) fn on_broken(self: &Rc<Self>, connection: &Rc<Connection>, fault: Fault) {
        if self.is_here(connection) {
            self.tell(Input::Broken { connection: connection.id, fault });
        }
    }

    /// Its number may belong to another by now.
    fn is_here(&self, connection: &Rc<Connection>) -> bool {
        let connections = self.connections.borrow();
        connections.get(connection.id.0 as usize).is_some_and(|entry| Rc::ptr_eq(&entry.connection, connection))
    }

    fn end(self: &Rc<Self>, socket: WebSocketStream<Wire>, farewell: Option<CloseFrame>) {
        self.ending.set(self.ending.get() + 1);
        let shard = self.clone();
        let ending = Box::pin(goodbye::end(socket, farewell));
        self.spawn(async move {
            ending.await;
            shard.ending.set(shard.ending.get() - 1);
        })
        .detach();
    }

    /// Everybody has gone.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty() && self.ending.get() == 0
    }

    pub(super) fn stats(&self) -> ServerStats {
        self.machine.borrow().stats()
    }

    /// How many talk through this shard.
    pub(super) fn relaying(&self) -> usize {
        self.machine.borrow().relaying(clock::now())
    }

    /// What this connection holds is sent when all that is ready now was read.
    pub(super) fn send_soon(&self, connection: &Rc<Connection>) {
        if !connection.is_due.replace(true) {
            self.due.borrow_mut().push(connection.clone());
            wake(&self.sender);
        }
    }

    /// A buffer for the next frames.
    pub(super) fn keep(&self, emptied: Option<Vec<u8>>) {
        let mut spare = self.spare.borrow_mut();
        let has_room = spare.len() < MAX_SPARE;
        spare.extend(emptied.filter(|buffer| has_room && buffer.capacity() <= MAX_SPARE_BYTES));
    }

    async fn send_what_is_due(self: Rc<Self>) {
        let mut turn = Vec::new();
        poll_fn(|cx| {
            std::mem::swap(&mut turn, &mut *self.due.borrow_mut());
            for connection in turn.drain(..) {
                connection.is_due.set(false);
                connection.send(&self);
            }
            if self.due.borrow().is_empty() {
                remember(&self.sender, cx.waker());
            } else {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn want(&self, wanted: Option<Instant>) {
        self.wanted.set(wanted);
        if wanted.is_some_and(|wanted| self.armed.get().is_none_or(|armed| wanted < armed)) {
            wake(&self.alarm);
        }
    }

    /// Calls the machine when it wants to be. The timer is only ever moved forward: most deadlines are put off long
    /// before they come.
    async fn keep_time(self: Rc<Self>) {
        let mut timer = Timer::never();
        loop {
            poll_fn(|cx| {
                remember(&self.alarm, cx.waker());
                let wanted = self.wanted.get();
                if let Some(wanted) = wanted.filter(|wanted| self.armed.get().is_none_or(|armed| *wanted < armed)) {
                    self.armed.set(Some(wanted));
                    timer.set_at(clock::to_system(wanted));
                }
                ready!(Pin::new(&mut timer).poll(cx));
                Poll::Ready(())
            })
            .await;
            self.armed.set(None);
            self.tell(Input::Timeout);
        }
    }

    async fn tell_wall_clock(self: Rc<Self>) {
        loop {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.tell(Input::WallClock { unix });
            Timer::after(WALL_CLOCK_EVERY).await;
        }
    }

    /// Sockets that are being closed.
    pub(super) fn ending(&self) -> usize {
        self.ending.get()
    }
}

fn wake(slot: &RefCell<Option<Waker>>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

fn remember(slot: &RefCell<Option<Waker>>, waker: &Waker) {
    *slot.borrow_mut() = Some(waker.clone());
}
