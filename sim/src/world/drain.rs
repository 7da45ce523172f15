//! Machines are told and drained, and what they want done is done. What is on the wire in between is the cables'.

use super::alarms::Who;
use super::cable::{Cable, News};
use super::seat::{Machine, Plain, Seat, SeatId, find_wire};
use super::{MUCH, PLAIN_STREAM, Watch, Way, World, meter};
use crate::net::Side;
use std::collections::BTreeSet;
use webstar_core::peer::{Input, Output, Payload, PeerEvent};
use webstar_core::server::{Input as ServerInput, Output as ServerOutput};
use webstar_core::time::Instant;
use webstar_core::wire::relay::TAG;
use webstar_core::wire::signal::{CloseReason, Frame, decode_server, encode_client};

impl World {
    /// Whatever a cable has to tell is told.
    pub(super) fn serve_cable(&mut self, index: usize, watch: &mut impl Watch) {
        loop {
            let cable = &mut self.cables[index];
            let Some(news) = cable.poll(self.now, &self.seats[cable.seat].line, self.house.is_up()) else { break };
            let seat = SeatId(u16::try_from(cable.seat).expect("a world has few seats"));
            match news {
                News::Accepted => {
                    let address = self.seats[seat.index()].address;
                    self.cables[index].place = Some(self.house.arrive(index, address));
                    self.run_house(watch);
                }
                News::Opened => {
                    watch.on_stream(self.now, seat, true);
                    if let Some(stream) = self.cables[index].stream {
                        self.tell_seat(seat.index(), Some(index), Input::Opened { stream }, watch);
                    }
                }
                News::Failed(why) => {
                    if let Some(stream) = self.cables[index].stream.take() {
                        self.tell_seat(seat.index(), Some(index), Input::Failed { stream, why: why.into() }, watch);
                    }
                }
                News::Frame(Side::A, frame) => {
                    watch.on_arrival(self.now, seat, index, Side::A, &frame);
                    watch.on_came(self.now, Way::Down(seat));
                    if let Some(stream) = self.cables[index].stream {
                        self.tell_seat(seat.index(), Some(index), Input::Frame { stream, frame }, watch);
                    }
                }
                News::Frame(Side::B, frame) => {
                    watch.on_arrival(self.now, seat, index, Side::B, &frame);
                    watch.on_came(self.now, Way::Up(seat));
                    if let Some((shard, connection)) = self.cables[index].place {
                        self.house.pending.push_back((shard, Some(index), ServerInput::Frame { connection, frame }));
                        self.run_house(watch);
                    }
                }
                News::Closed(side, reason) => self.on_closed(index, side, reason, watch),
            }
        }
        self.tell_room(index, watch);
        self.set_cable(index);
    }

    fn on_closed(&mut self, index: usize, side: Side, reason: String, watch: &mut impl Watch) {
        let cable = &mut self.cables[index];
        let seat = cable.seat;
        match side {
            Side::A => {
                watch.on_stream(self.now, SeatId(u16::try_from(seat).expect("a world has few seats")), false);
                if let Some(stream) = cable.stream.take() {
                    self.tell_seat(seat, Some(index), Input::Closed { stream, reason }, watch);
                }
            }
            Side::B => {
                if let Some((shard, connection)) = cable.place.take() {
                    self.house.shards[shard].free(connection);
                    self.house.pending.push_back((shard, None, ServerInput::Closed { connection }));
                    self.run_house(watch);
                }
            }
        }
    }

    /// What has left since is told: to the server what was written, to the player what is still there.
    fn tell_room(&mut self, index: usize, watch: &mut impl Watch) {
        self.collect_wrote(index);
        self.run_house(watch);
        let cable = &mut self.cables[index];
        let Some(stream) = cable.stream else { return };
        let bytes = cable.buffered(Side::A);
        if bytes.abs_diff(cable.told_buffered) < MUCH && (bytes > 0 || cable.told_buffered == 0) {
            return;
        }
        cable.told_buffered = bytes;
        let seat = cable.seat;
        if matches!(self.seats[seat].machine, Machine::Player(_)) {
            self.tell_seat(seat, Some(index), Input::Buffered { stream, bytes }, watch);
        }
    }

    fn collect_wrote(&mut self, index: usize) {
        let cable = &mut self.cables[index];
        let bytes = core::mem::take(&mut cable.wrote);
        if let (true, Some((shard, connection))) = (bytes > 0, cable.place) {
            self.house.pending.push_back((shard, Some(index), ServerInput::Wrote { connection, bytes }));
        }
    }

    /// Tells a seat's machine something, of this cable or of none, at once or when it wakes.
    pub(super) fn tell_seat(&mut self, seat: usize, cable: Option<usize>, input: Input, watch: &mut impl Watch) {
        let now = self.now;
        if !self.seats[seat].is_asleep && !self.seats[seat].hear(cable, &input) {
            return;
        }
        let Seat { machine, clock, is_over, is_asleep, inbox, .. } = &mut self.seats[seat];
        match machine {
            Machine::Empty => {}
            Machine::Player(_) if *is_over => {}
            Machine::Player(_) if *is_asleep => inbox.push_back((cable, input)),
            Machine::Player(peer) => {
                let handled = meter::timed(&mut self.meter, seat, now, || peer.handle(clock.local(now), input));
                if let Err(misuse) = handled {
                    panic!("the world misuses player machine {seat}: {misuse}");
                }
                self.drain_seat(seat, watch);
            }
            Machine::Plain(_) => self.tell_plain(seat, input, watch),
        }
    }

    fn tell_plain(&mut self, seat: usize, input: Input, watch: &mut impl Watch) {
        let id = SeatId(u16::try_from(seat).expect("a world has few seats"));
        let Machine::Plain(plain) = &mut self.seats[seat].machine else { return };
        match input {
            Input::Opened { .. } => {
                plain.is_open = true;
                let Plain { encoding, ref mut greeting, .. } = *plain;
                let frames: Vec<Frame> = greeting.drain(..).map(|message| encode_client(encoding, &message)).collect();
                let Some(cable) = self.seats[seat].cable(PLAIN_STREAM) else { return };
                for frame in frames {
                    let is_text = matches!(frame, Frame::Text(_));
                    watch.on_frame(self.now, id, Side::A, is_text, frame.bytes());
                    watch.on_given(self.now, Way::Up(id), self.now + self.seats[seat].line.delay(Side::A));
                    self.cables[cable].send(self.now, Side::A, is_text, frame.bytes());
                }
                self.set_cable(cable);
            }
            Input::Frame { frame, .. } if frame.bytes().first() == Some(&TAG) => {
                watch.on_relayed(self.now, id, frame.bytes());
            }
            Input::Frame { frame, .. } => match decode_server(plain.encoding, &frame) {
                Ok(message) => watch.on_heard(self.now, id, message),
                Err(why) => panic!("the server says what cannot be read: {why}: {frame:?}"),
            },
            Input::Failed { why: reason, .. } | Input::Closed { reason, .. } => {
                plain.is_open = false;
                watch.on_hung_up(self.now, id, &reason);
            }
            Input::Buffered { .. }
            | Input::Pipe { .. }
            | Input::Packet { .. }
            | Input::Signal { .. }
            | Input::Timeout => {}
        }
    }

    /// Does everything that a player machine wants done, and asks its game for what that wants to know.
    pub(super) fn drain_seat(&mut self, index: usize, watch: &mut impl Watch) {
        let now = self.now;
        let id = SeatId(u16::try_from(index).expect("a world has few seats"));
        self.drain_once(index, watch);
        while let Some((position, state)) = watch.state(id) {
            let Seat { machine, clock, .. } = &mut self.seats[index];
            let Machine::Player(peer) = machine else { break };
            peer.snapshot(clock.local(now), position, state);
            self.drain_once(index, watch);
        }
        watch.on_step(self, id);
        self.drain_connections(index, watch);
    }

    fn drain_once(&mut self, index: usize, watch: &mut impl Watch) {
        let now = self.now;
        let id = SeatId(u16::try_from(index).expect("a world has few seats"));
        let mut outputs = 0;
        let mut given = BTreeSet::new();
        let deadline = loop {
            let seat = &mut self.seats[index];
            let Machine::Player(peer) = &mut seat.machine else { return };
            match meter::timed(&mut self.meter, index, now, || peer.poll()) {
                Output::Transmit { stream, payload } => {
                    let (is_text, bytes) = match payload {
                        Payload::Text(text) => (true, text.as_bytes()),
                        Payload::Binary(bytes) => (false, bytes),
                    };
                    meter::left(&mut self.meter, index, now, bytes.len());
                    watch.on_frame(now, id, Side::A, is_text, bytes);
                    watch.on_given(now, Way::Up(id), now + seat.line.delay(Side::A));
                    let known = seat.streams.iter().find(|(name, _)| *name == stream);
                    let &(_, cable) = known.unwrap_or_else(|| panic!("player {index} sends on no stream {stream:?}"));
                    send(&mut self.cables[cable], now, Side::A, is_text, bytes);
                    self.set_cable(cable);
                }
                Output::Open { stream, .. } => {
                    assert!(seat.cable(stream).is_none(), "player {index} opens {stream:?} twice");
                    self.open(index, stream);
                }
                Output::Close { stream } => {
                    let cable = seat.forget(stream).unwrap_or_else(|| panic!("player {index} closes no {stream:?}"));
                    self.cables[cable].close(now, Side::A, "");
                    self.set_cable(cable);
                }
                Output::Pipe { player, path, order } => {
                    watch.on_order(now, id, player, path, order);
                    match self.carrying.is_model() {
                        true => self.order_wire(index, player, path, order),
                        false => self.order_pipe(index, player, path, order),
                    }
                }
                Output::Signal { player, signal } => self.tell_signal(index, player, signal),
                // Worlds have servers of their own, known to everybody from the beginning.
                Output::IceServers { .. } => {}
                Output::Packet { player, path, payload } => {
                    meter::left(&mut self.meter, index, now, payload.len());
                    watch.on_packet(now, id, player, path, payload);
                    if let Some(wire) = find_wire(&seat.wires, player, path) {
                        let laid = &mut self.direct.wires[wire];
                        let side = laid.side(index);
                        let to = SeatId(u16::try_from(laid.end(side.other()).seat).expect("a world has few seats"));
                        watch.on_given(now, Way::Direct(id, to), now + laid.delay(side));
                        laid.send(now, side, payload);
                        self.set_wire(wire);
                    } else if let Some(connections) = &mut seat.direct.connections {
                        connections.send(seat.clock.local(now), player, path, payload);
                        given.insert(player);
                    }
                }
                Output::Event(event) => {
                    seat.is_over |= matches!(event, PeerEvent::Closed(_));
                    if matches!(event, PeerEvent::Joined { .. } | PeerEvent::Closed(_)) {
                        self.learn_place(index, &event);
                    }
                    meter::told(&mut self.meter, now, &event);
                    watch.on_event(now, id, event);
                }
                Output::Timeout(deadline) => break deadline,
            }
            outputs += 1;
        };
        given.into_iter().for_each(|player| self.note_given(index, player, watch));
        watch.on_rest(now, Some(id), outputs, deadline.is_some());
        self.set_seat(index, deadline.map(|(at, _)| at));
    }

    /// A machine wants to be called at this moment of its own clock.
    fn set_seat(&mut self, index: usize, deadline: Option<Instant>) {
        let Seat { clock, is_asleep, .. } = &self.seats[index];
        let at = deadline.map(|at| clock.world(at).max(self.now));
        self.alarms.set(Who::Seat(index), at.filter(|_| !is_asleep));
    }

    /// Tells the shards everything that is to be told at this moment.
    pub(super) fn run_house(&mut self, watch: &mut impl Watch) {
        let mut steps = 0_u32;
        while let Some((shard, cable, input)) = self.house.pending.pop_front().filter(|_| self.house.is_up()) {
            steps += 1;
            assert!(steps < 1_000_000, "the server does not come to rest at {}", self.now);
            if cable.is_some() && self.cable_of(shard, &input) != cable {
                continue;
            }
            if let Err(misuse) = self.house.shards[shard].server.handle(self.now, input) {
                panic!("the world misuses shard {shard}: {misuse}");
            }
            self.drain_shard(shard, watch);
        }
    }

    /// The cable that this is about, as the shard knows it now.
    fn cable_of(&self, shard: usize, input: &ServerInput) -> Option<usize> {
        match *input {
            ServerInput::Wrote { connection, .. } | ServerInput::Frame { connection, .. } => {
                self.house.shards[shard].cable(connection)
            }
            _ => None,
        }
    }

    fn drain_shard(&mut self, shard: usize, watch: &mut impl Watch) {
        let now = self.now;
        let mut outputs = 0;
        let mut touched = Vec::new();
        let deadline = loop {
            match self.house.shards[shard].server.poll() {
                ServerOutput::Transmit { connection, frame } => {
                    let cable = self.house.shards[shard].cable(connection);
                    let cable = cable.unwrap_or_else(|| panic!("shard {shard} sends to no {connection:?}"));
                    let is_text = matches!(frame, Frame::Text(_));
                    let seat = SeatId(u16::try_from(self.cables[cable].seat).expect("a world has few seats"));
                    watch.on_frame(now, seat, Side::B, is_text, frame.bytes());
                    watch.on_given(now, Way::Down(seat), now + self.seats[seat.index()].line.delay(Side::B));
                    send(&mut self.cables[cable], now, Side::B, is_text, frame.bytes());
                    touched.push(cable);
                }
                ServerOutput::Close { connection, reason } => {
                    let cable = self.house.shards[shard].free(connection);
                    let cable = cable.unwrap_or_else(|| panic!("shard {shard} closes no {connection:?}"));
                    watch.on_server_closes(now, cable, reason);
                    self.cables[cable].close(now, Side::B, &snake_case(reason));
                    touched.push(cable);
                }
                ServerOutput::Move { connection, to, parcel } => {
                    let cable = self.house.shards[shard].free(connection);
                    let cable = cable.unwrap_or_else(|| panic!("shard {shard} moves no {connection:?}"));
                    let to = usize::from(to.0);
                    let connection = self.house.shards[to].name(cable);
                    self.cables[cable].place = Some((to, connection));
                    self.house.pending.push_back((to, None, ServerInput::Moved { connection, parcel }));
                }
                ServerOutput::Ask { id, ask } => {
                    let (number, after) = self.house.ask(shard, id, ask);
                    if after.is_zero() {
                        self.house.answer(number);
                    } else {
                        self.alarms.set(Who::Answer(number), Some(now + after));
                    }
                }
                ServerOutput::Event(event) => watch.on_server_event(now, event),
                ServerOutput::Timeout(deadline) => break deadline,
            }
            outputs += 1;
        };
        watch.on_rest(now, None, outputs, deadline.is_some());
        let at = deadline.map(|(at, _)| at.max(now));
        self.alarms.set(Who::Shard(shard), at);
        touched.sort_unstable();
        touched.dedup();
        for cable in touched {
            self.collect_wrote(cable);
            self.set_cable(cable);
        }
    }
}

fn send(cable: &mut Cable, now: Instant, from: Side, is_text: bool, bytes: &[u8]) {
    cable.send(now, from, is_text, bytes);
}

/// A reason as it stands in a close frame.
fn snake_case(reason: CloseReason) -> String {
    let text = serde_json::to_string(&reason).expect("a reason is a word");
    text.trim_matches('"').into()
}
