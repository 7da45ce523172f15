//! Carries out what one player's machine wants: opens and closes its streams, brings frames in and out, keeps its time,
//! hands its events on, and joins it with the machine of its direct paths. Decides nothing.

use super::clock;
use super::direct::Direct;
use super::interfaces::Interfaces;
use super::record::Tape;
use super::shared::{Shared, State};
use super::socket::Socket;
use async_channel::Sender;
use async_io::Timer;
use futures_lite::FutureExt;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use webstar_core::id::StreamId;
use webstar_core::peer::{Input, Output, Payload, PeerEvent, Target};
use webstar_core::time::Instant;

/// Frames taken from a stream before others get their turn.
const FRAMES_PER_TURN: usize = 64;
/// Turns before other clients get theirs.
const TURNS: usize = 8;
/// Events beyond a full queue for which time still goes on; then the machine stands still.
const SPARE_EVENTS: usize = 1024;
/// A change of what has not left yet is told when it is this large.
const MUCH: usize = 4 * 1024;
/// How long the other side may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Stream {
    Opening(Boxed<Result<Socket, String>>),
    Open {
        socket: Box<Socket>,
        /// What the machine believes has not left yet.
        told: usize,
        /// What it has given since it was told.
        given: usize,
        /// Why nothing can be sent any more.
        broken: Option<String>,
    },
}

/// The task behind a client.
pub(super) struct Driver {
    shared: Arc<Shared>,
    certificates: Option<Arc<PathBuf>>,
    streams: BTreeMap<StreamId, Stream>,
    /// Direct paths, if there are any.
    direct: Option<Direct>,
    interfaces: Interfaces,
    /// The file of the recording, if there is one.
    tape: Option<Tape>,
    /// Streams that say goodbye.
    closing: Vec<Boxed<()>>,
    /// Events that the application has not been given yet.
    fresh: VecDeque<PeerEvent>,
    events: Sender<PeerEvent>,
    deadline: Option<Instant>,
    timer: Timer,
    /// When the timer rings.
    armed: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        certificates: Option<PathBuf>,
        direct: Option<Direct>,
        tape: Option<Tape>,
        events: Sender<PeerEvent>,
    ) -> Self {
        Driver {
            shared,
            direct,
            interfaces: Interfaces::new(),
            tape,
            certificates: certificates.map(Arc::new),
            streams: BTreeMap::new(),
            closing: Vec::new(),
            fresh: VecDeque::new(),
            events,
            deadline: Some(Instant::ZERO),
            timer: Timer::never(),
            armed: None,
        }
    }

    /// Something the machine is told, and what it wants thereupon. Nothing is told after the end.
    fn tell(&mut self, input: Input) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if state.ended.is_none() {
            // Only what the machine has closed itself can be unknown to it.
            let _ = state.peer.handle(clock::now(), input);
            self.drain(&mut state);
        }
    }

    /// The player and its direct paths have things to say to each other until both have nothing to do.
    fn drain(&mut self, state: &mut State) {
        loop {
            self.drain_peer(state);
            let told = self.direct.as_mut().map(Direct::drain).unwrap_or_default();
            if told.is_empty() {
                break;
            }
            for input in told {
                // A path that opens with packets too small is refused, which the player knows itself.
                let _ = state.peer.handle(clock::now(), input);
            }
        }
        while let Some(note) = state.peer.poll_note() {
            tracing::debug!("{note}");
        }
        for asking in state.asking.drain(..) {
            // Who does not wait any more needs no answer.
            let _ = asking.try_send(self.direct.as_ref().map(Direct::stats).unwrap_or_default());
        }
        self.record(state);
        if state.ended.is_some() {
            self.close_all();
        }
    }

    fn drain_peer(&mut self, state: &mut State) {
        loop {
            match state.peer.poll() {
                Output::Transmit { stream, payload } => {
                    if let Some(Stream::Open { socket, broken, given, .. }) = self.streams.get_mut(&stream) {
                        *given += payload_len(payload);
                        *broken = broken.take().or_else(|| socket.push(payload).err());
                    }
                }
                Output::Open { stream, target: Target::WebSocket { url, subprotocol } } => {
                    let certificates = self.certificates.clone();
                    let opening = async move { Socket::open(&url, subprotocol, certificates).await };
                    self.streams.insert(stream, Stream::Opening(Box::pin(opening)));
                }
                Output::Close { stream } => self.close(stream),
                Output::Pipe { player, path, order } => self.with_direct(|direct| direct.order(player, path, order)),
                Output::Packet { player, path, payload } => {
                    if let Some(direct) = &mut self.direct {
                        direct.send(player, path, payload);
                    }
                }
                Output::Signal { player, signal } => self.with_direct(|direct| direct.signal(player, signal)),
                Output::IceServers { servers } => self.with_direct(|direct| direct.on_named(&servers)),
                Output::Event(event) => {
                    self.note(state, &event);
                    self.fresh.push_back(event);
                }
                Output::Timeout(deadline) => {
                    self.deadline = deadline.map(|(at, _)| at);
                    return;
                }
            }
        }
    }

    /// Stores what is to be stored. The game goes on without its recording.
    fn record(&mut self, state: &mut State) {
        let Some(tape) = &mut self.tape else { return };
        let is_last = state.ended.is_some();
        let bytes = if is_last { state.peer.take_all_of_recording() } else { state.peer.take_recording() };
        let is_stored = bytes.is_none_or(|bytes| tape.write(&bytes));
        if is_last || !is_stored {
            state.peer.stop_recording();
            self.tape = None;
        }
    }

    fn with_direct(&mut self, work: impl FnOnce(&mut Direct)) {
        if let Some(direct) = &mut self.direct {
            work(direct);
        }
    }

    /// When the player, or its direct paths, have something to do.
    fn next(&self) -> Option<Instant> {
        [self.deadline, self.direct.as_ref().and_then(Direct::deadline)].into_iter().flatten().min()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    /// What the handles wait for.
    fn note(&mut self, state: &mut State, event: &PeerEvent) {
        let first = match event {
            PeerEvent::Joined { player, .. } => {
                let mut open = self.streams.values();
                let server = open.find_map(|stream| match stream {
                    Stream::Open { socket, .. } => socket.server(),
                    Stream::Opening(_) => None,
                });
                self.with_direct(|direct| direct.enter(*player, server));
                Ok(())
            }
            PeerEvent::Closed(why) => {
                state.ended = Some(why.clone());
                Err(why.clone())
            }
            _ => return,
        };
        if let Some(waiting) = state.first.take() {
            let _ = waiting.try_send(first);
        }
    }

    fn close(&mut self, stream: StreamId) {
        if let Some(Stream::Open { socket, broken: None, .. }) = self.streams.remove(&stream) {
            let too_long = async {
                Timer::after(CLOSE_PATIENCE).await;
            };
            self.closing.push(Box::pin(socket.close().or(too_long)));
        }
    }

    fn close_all(&mut self) {
        while let Some((&stream, _)) = self.streams.first_key_value() {
            self.close(stream);
        }
    }

    /// What the handles have done, and what time has done.
    fn on_handles_and_time(&mut self, cx: &mut Context<'_>) -> bool {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if state.ended.is_some() {
            // Who asks hears that there is nothing any more.
            state.asking.clear();
            return state.take_touch();
        }
        let is_touched = state.take_touch();
        if is_touched {
            self.drain(&mut state);
        }
        let now = clock::now();
        let is_due = self.is_due(now) && self.fresh.len() < SPARE_EVENTS;
        if is_due {
            self.with_direct(Direct::on_time);
            let _ = state.peer.handle(now, Input::Timeout);
            self.drain(&mut state);
        }
        drop(state);
        let looks_at = self.direct.as_ref().and_then(Direct::looks_at).filter(|at| *at > now);
        match [self.next(), looks_at].into_iter().flatten().min() {
            // The time is past and the application reads nothing: its reading wakes, not time.
            Some(at) if at <= now => {}
            Some(at) => {
                // A timer that rings too early costs less than one that is set with every packet.
                if self.armed.is_none_or(|armed| at < armed) {
                    self.timer.set_at(clock::to_system(at));
                    self.armed = Some(at);
                }
                if self.timer.poll(cx).is_ready() {
                    self.armed = None;
                    return true;
                }
            }
            None => {}
        }
        is_touched || is_due
    }

    /// Datagrams in. Who does not read his events gets no more: what is in the pipe stays there.
    fn on_datagrams(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_due(clock::now()) {
            // What leaves with a tick takes along what has come until then.
            self.with_direct(Direct::look);
        }
        let has_come = self.fresh.is_empty() && self.direct.as_mut().is_some_and(|direct| direct.receive(cx));
        if has_come {
            self.drain_unless_ended();
        }
        has_come
    }

    /// Addresses of this machine come and go. What is open from one that is gone is open no more, though it would take
    /// the system minutes to say so.
    fn on_interfaces(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(change) = self.interfaces.poll(cx) else { return false };
        self.with_direct(|direct| direct.on_addresses(&change));
        let is_left = |stream: &Stream| match stream {
            Stream::Open { socket, .. } => socket.local().is_some_and(|local| change.gone.contains(&local)),
            Stream::Opening(_) => false,
        };
        let left: Vec<StreamId> =
            self.streams.iter().filter(|(_, stream)| is_left(stream)).map(|(name, _)| *name).collect();
        for stream in left {
            self.on_broken(stream, "this machine has another address now".into());
        }
        self.drain_unless_ended();
        true
    }

    fn drain_unless_ended(&mut self) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if state.ended.is_none() {
            self.drain(&mut state);
        }
    }

    fn on_streams(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        let names: Vec<StreamId> = self.streams.keys().copied().collect();
        for stream in names {
            has_moved |= match self.streams.get_mut(&stream) {
                Some(Stream::Opening(_)) => self.on_opening(stream, cx),
                Some(Stream::Open { .. }) => self.on_open(stream, cx),
                None => false,
            };
        }
        self.closing.retain_mut(|closing| closing.poll(cx).is_pending());
        has_moved
    }

    fn on_opening(&mut self, stream: StreamId, cx: &mut Context<'_>) -> bool {
        let Some(Stream::Opening(opening)) = self.streams.get_mut(&stream) else { return false };
        let Poll::Ready(opened) = opening.poll(cx) else { return false };
        match opened {
            Ok(socket) => {
                let socket = Box::new(socket);
                self.streams.insert(stream, Stream::Open { socket, told: 0, given: 0, broken: None });
                self.tell(Input::Opened { stream });
            }
            Err(why) => {
                self.streams.remove(&stream);
                self.tell(Input::Failed { stream, why });
            }
        }
        true
    }

    fn on_open(&mut self, stream: StreamId, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        for _ in 0..FRAMES_PER_TURN {
            // Who does not read his events gets no more frames: what is in the pipe stays there.
            if !self.fresh.is_empty() {
                break;
            }
            let Some(Stream::Open { socket, .. }) = self.streams.get_mut(&stream) else { return true };
            match socket.poll_frame(cx) {
                Poll::Ready(Ok(frame)) => self.tell(Input::Frame { stream, frame }),
                Poll::Ready(Err(reason)) => return self.on_broken(stream, reason),
                Poll::Pending => break,
            }
            has_moved = true;
            self.hand_on();
        }
        self.flush(stream, cx) | has_moved
    }

    fn flush(&mut self, stream: StreamId, cx: &mut Context<'_>) -> bool {
        let Some(Stream::Open { socket, told, given, broken }) = self.streams.get_mut(&stream) else { return true };
        let flushed = match broken.take() {
            Some(reason) => Err(reason),
            None => match socket.poll_flush(cx) {
                Poll::Ready(Err(reason)) => Err(reason),
                Poll::Ready(Ok(())) | Poll::Pending => Ok(socket.held()),
            },
        };
        match flushed {
            Err(reason) => self.on_broken(stream, reason),
            Ok(bytes) if bytes.abs_diff(*told) >= MUCH || *given >= MUCH || (bytes == 0) != (*told == 0) => {
                (*told, *given) = (bytes, 0);
                self.tell(Input::Buffered { stream, bytes });
                true
            }
            Ok(_) => false,
        }
    }

    fn on_broken(&mut self, stream: StreamId, reason: String) -> bool {
        self.streams.remove(&stream);
        self.tell(Input::Closed { stream, reason });
        true
    }

    /// Events go to their handlers, or into the queue as far as it has room.
    fn hand_on(&mut self) {
        while let Some(event) = self.fresh.pop_front() {
            let Some(event) = self.through_handler(event) else { continue };
            if self.shared.has_room(&self.events) {
                // Without any handle nobody is there to be told.
                let _ = self.events.try_send(event);
                continue;
            }
            if self.shared.lock().is_leaving {
                continue;
            }
            self.fresh.push_front(event);
            // The queue may have been read before the stall could be seen: look once more.
            if self.shared.stall() {
                return;
            }
        }
        self.shared.unstall();
    }

    /// The event, if no handler took it. A handler may use the client: nothing is locked meanwhile.
    fn through_handler(&self, event: PeerEvent) -> Option<PeerEvent> {
        let PeerEvent::Message(message) = event else { return Some(event) };
        let handler = self.shared.lock().handlers.get(message.kind.as_str()).cloned();
        let Some(handler) = handler else { return Some(PeerEvent::Message(message)) };
        let mut handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
        handler(message).map(PeerEvent::Message)
    }
}

fn payload_len(payload: Payload<'_>) -> usize {
    match payload {
        Payload::Text(text) => text.len(),
        Payload::Binary(bytes) => bytes.len(),
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = self.get_mut();
        let mut state = me.shared.lock();
        if state.is_cut {
            state.asking.clear();
            return Poll::Ready(());
        }
        drop(state);
        for _ in 0..TURNS {
            let mut has_moved = me.on_datagrams(cx);
            has_moved |= me.on_handles_and_time(cx);
            has_moved |= me.on_interfaces(cx);
            has_moved |= me.on_streams(cx);
            let was_stalled = !me.fresh.is_empty();
            me.hand_on();
            // Streams were not read meanwhile, so they would not wake either.
            has_moved |= was_stalled && me.fresh.is_empty();
            me.with_direct(|direct| direct.flush(cx));
            if has_moved {
                continue;
            }
            let mut state = me.shared.lock();
            if state.ended.is_some() && me.closing.is_empty() && (me.fresh.is_empty() || state.is_leaving) {
                // Handlers may hold handles of this very client, which lock when they are dropped.
                let handlers = std::mem::take(&mut state.handlers);
                drop(state);
                drop(handlers);
                return Poll::Ready(());
            }
            if state.wait(cx.waker()) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
