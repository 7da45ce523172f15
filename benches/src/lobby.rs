//! A lobby of star machines whose frames arrive at once, in order, as the bytes that links would carry. A server says
//! what it must. Time is made up, so that what is measured is the work of the machines and the codec alone.
//!
//! Whether what arrives is right is for the tests of the core.

use bytes::Bytes;
use core::fmt;
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::star::{
    Channel, Destination, Ear, Event, Frame, Kind, Me, Member, Out, Position, Role, ServerSays, Star, StarConfig, To,
    Word,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::Epoch;
use webstar_core::wire::star::{self, KindTold, Message};
use webstar_core::wire::view::{Certified, Proof, SigningKey, StarId, Statement, View, Voter};

const STAR: StarId = StarId(7);
/// Steps in which a lobby must have got its views.
const MOST_STEPS: u32 = 1_000;
/// Between two looks at the machines while the lobby forms.
const STEP: Duration = Duration::from_millis(20);

/// One player.
struct Seat {
    player: PlayerId,
    star: Star,
    out: Out,
    /// Messages that were delivered to it.
    delivered: u64,
    /// Messages of its own that were acknowledged.
    acked: u64,
}

/// The lobby. Player 1 is host.
pub struct Lobby {
    seats: Vec<Seat>,
    members: Vec<Member>,
    server: SigningKey,
    kind: Kind,
    now: Instant,
    /// Entries as they were written for their first receiver.
    written: BTreeMap<(Epoch, Position), Bytes>,
}

impl fmt::Debug for Lobby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a lobby of {}", self.seats.len())
    }
}

fn key(player: PlayerId) -> SigningKey {
    SigningKey::from_seed(&[player.0 as u8; 32])
}

impl Lobby {
    /// So many players, of whom the first ones may vote and keep copies. It is ready when it has as many backups as it
    /// wants.
    pub fn new(players: u32, voters: u32, config: &StarConfig) -> Self {
        let server = SigningKey::from_seed(&[0; 32]);
        let member = |number| Member {
            player: PlayerId(number),
            incarnation: Incarnation(1),
            key: key(PlayerId(number)).public(),
            is_eligible: number <= voters,
            is_connected: true,
        };
        let members: Vec<Member> = (1..=players).map(member).collect();
        let seat = |member: &Member| {
            let seed = [member.player.0 as u8; 32];
            let mut seat = Seat {
                player: member.player,
                star: Star::new(config.clone(), seed, Instant::ZERO),
                out: Out::default(),
                delivered: 0,
                acked: 0,
            };
            let (player, incarnation, key) = (member.player, member.incarnation, key(member.player));
            let me = Me { player, incarnation, key, star: STAR, server: server.public() };
            seat.star.enter(Instant::ZERO, me, &mut seat.out);
            seat.star.on_members(Instant::ZERO, &members, &mut seat.out);
            seat.star.on_server_reachable(Instant::ZERO, true, &mut seat.out);
            seat
        };
        let seats = members.iter().map(seat).collect();
        let kind = Kind::new("move").expect("it is short");
        let mut lobby = Lobby { seats, members, server, kind, now: Instant::ZERO, written: BTreeMap::new() };
        lobby.give_birth();
        lobby.form(View::backups_wanted(voters as usize));
        lobby
    }

    /// The first view: the first player alone.
    fn give_birth(&mut self) {
        let epoch = Epoch { term: 1, round: 0 };
        let first = &self.members[0];
        let voter = Voter { player: first.player, incarnation: first.incarnation, key: first.key };
        self.put_in_force(View {
            epoch,
            base: Epoch::default(),
            since: epoch,
            cause: None,
            host: first.player,
            backups: Vec::new(),
            voters: vec![voter],
        });
    }

    fn put_in_force(&mut self, view: View) {
        let proof = Proof::Server(Statement::InForce.sign(&self.server, STAR, &view));
        let certified = Certified { view, proof };
        for seat in &mut self.seats {
            seat.star.on_server(self.now, ServerSays::InForce(Box::new(certified.clone())), &mut seat.out);
        }
    }

    /// Lets the host take everybody in.
    fn form(&mut self, backups: usize) {
        for _ in 0..MOST_STEPS {
            self.pass(STEP);
            let has_backups = self.seats[0].star.view().is_some_and(|view| view.backups.len() == backups);
            let is_quiet = self.seats[1..].iter().all(|seat| seat.star.glance().role == Role::Following);
            if has_backups && is_quiet {
                return;
            }
        }
        panic!("the lobby does not form: {:?}", self.seats[0].star.view());
    }

    /// A player sends a message to everybody.
    pub fn say(&mut self, from: usize, channel: Channel, payload: Bytes) {
        let seat = &mut self.seats[from];
        let said = seat.star.send(self.now, &Destination::All, channel, self.kind.clone(), payload, &mut seat.out);
        said.expect("what was said before is acknowledged");
    }

    /// Time passes; everything that is said arrives, and its answers, until nobody has anything to say.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.hear_all();
        while self.settle() {}
    }

    /// Messages delivered to all players together.
    pub fn delivered(&self) -> u64 {
        self.seats.iter().map(|seat| seat.delivered).sum()
    }

    /// Messages that were acknowledged to their senders.
    pub fn acked(&self) -> u64 {
        self.seats.iter().map(|seat| seat.acked).sum()
    }

    /// Everybody hears everybody, and looks at the clock.
    fn hear_all(&mut self) {
        let players: Vec<PlayerId> = self.members.iter().map(|member| member.player).collect();
        let patience = Duration::from_millis(500);
        let ear =
            Ear { is_open: true, heard_at: self.now, patience, rhythm: patience, rtt: Some(Duration::from_millis(20)) };
        for seat in &mut self.seats {
            for player in players.iter().filter(|player| **player != seat.player) {
                seat.star.on_ear(self.now, *player, ear);
            }
            if seat.star.deadline().is_some_and(|deadline| deadline <= self.now) {
                seat.star.on_timeout(self.now, &mut seat.out);
            }
        }
    }

    /// Carries what everybody has to say. False: nobody had anything.
    fn settle(&mut self) -> bool {
        let mut was_said = false;
        for from in 0..self.seats.len() {
            was_said |= self.tell_game(from) | self.tell_server(from);
            while let Some((to, frame)) = self.seats[from].out.frames.pop_front() {
                was_said = true;
                let bytes = star::encode(&frame, &mut told);
                match to {
                    To::One(to) => self.carry(from, to, &bytes),
                    To::Many(all) => all.into_iter().for_each(|to| self.carry(from, to, &bytes)),
                }
            }
            while let Some((to, frame)) = self.seats[from].star.poll_publish() {
                was_said = true;
                self.carry(from, to, &star::encode(&frame, &mut told));
            }
            was_said |= self.hand_on(from);
        }
        was_said
    }

    /// Carries the entries that a player has for the others. Each is written once.
    fn hand_on(&mut self, from: usize) -> bool {
        let mut was_said = false;
        for to in (0..self.seats.len()).filter(|to| *to != from) {
            let player = self.seats[to].player;
            while let Some(frame) = self.seats[from].star.poll_entry(player) {
                was_said = true;
                let Frame::Entry { epoch, entry } = &frame else {
                    self.carry(from, player, &star::encode(&frame, &mut told));
                    continue;
                };
                let place = (*epoch, entry.position);
                let bytes = self.written.entry(place).or_insert_with(|| star::encode(&frame, &mut told)).clone();
                self.carry(from, player, &bytes);
                let Seat { star, out, .. } = &mut self.seats[from];
                star.on_taken(self.now, player, place.0, place.1, out);
            }
        }
        self.written.clear();
        was_said
    }

    fn carry(&mut self, from: usize, to: PlayerId, bytes: &Bytes) {
        let kind = &self.kind;
        let frame = star::decode(bytes, &mut |told| match told {
            KindTold::Number(1) => Some(kind.clone()),
            KindTold::Number(_) | KindTold::Name(_) => None,
        });
        let Ok(Message::Frame(frame)) = frame else { panic!("{frame:?} was just written") };
        let from = self.seats[from].player;
        let Seat { star, out, .. } = &mut self.seats[to.0 as usize - 1];
        star.on_frame(self.now, from, frame, out);
    }

    fn tell_game(&mut self, at: usize) -> bool {
        let Seat { star: _, out, delivered, acked, .. } = &mut self.seats[at];
        let was_said = !out.events.is_empty();
        for event in out.events.drain(..) {
            match event {
                Event::Message(_) => *delivered += 1,
                Event::Acked(_, number) => *acked = number,
                _ => {}
            }
        }
        was_said
    }

    /// The server promises what it is asked to, and tells everybody what is in force.
    fn tell_server(&mut self, at: usize) -> bool {
        let mut was_said = false;
        while let Some(word) = self.seats[at].out.words.pop_front() {
            was_said = true;
            match word {
                Word::InForce(certified) => self.put_in_force(certified.view),
                Word::Grant(view) => {
                    let signature = Statement::Granted.sign(&self.server, STAR, &view);
                    let says = ServerSays::Granted { epoch: view.epoch, signature, promised: Vec::new() };
                    let Seat { star, out, .. } = &mut self.seats[at];
                    star.on_server(self.now, says, out);
                }
                Word::Unheard { .. } | Word::Heard { .. } => {}
            }
        }
        was_said
    }
}

/// The one kind has the number 1.
fn told(_: &Kind) -> Option<u16> {
    Some(1)
}
