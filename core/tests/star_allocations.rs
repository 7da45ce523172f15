//! Counts what handing on asks of the allocator in a host's star: a few pieces of memory for a message, and a few more for
//! each player that it goes to. Bounds against growth, not promises. Links are not part of it.

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::star::{
    Channel, Destination, Ear, Frame, Kind, Me, Member, Out, ServerSays, Star, StarConfig, To, Word,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::Epoch;
use webstar_core::wire::view::{Certified, Proof, SigningKey, StarId, Statement, View, Voter};

const STAR: StarId = StarId(7);
const TICK: Duration = Duration::from_millis(16);
/// Rounds after which tables have found their size, and rounds that are counted.
const ROUNDS: u32 = 1_000;
/// Messages in a round.
const MESSAGES: u32 = 8;
/// Pieces of memory for a message in a lobby of four.
const MOST: f64 = 14.0;
/// And for each player more.
const MOST_PER_PLAYER: f64 = 2.5;

/// Players whose frames arrive at once; the first is host, the second its backup.
struct Lobby {
    stars: Vec<(Star, Out)>,
    now: Instant,
    /// What the host's star asked of the allocator.
    host: AllocationInfo,
}

fn key(number: usize) -> SigningKey {
    SigningKey::from_seed(&[number as u8; 32])
}

fn player(index: usize) -> PlayerId {
    PlayerId(index as u32 + 1)
}

impl Lobby {
    /// The first two may vote and keep copies.
    fn new(players: usize) -> Self {
        let member = |index| Member {
            player: player(index),
            incarnation: Incarnation(1),
            key: key(index).public(),
            is_eligible: index < 2,
            is_connected: true,
        };
        let members: Vec<Member> = (0..players).map(member).collect();
        let epoch = Epoch { term: 1, round: 0 };
        let voter = Voter { player: player(0), incarnation: Incarnation(1), key: members[0].key };
        let (host, voters, backups) = (player(0), vec![voter], vec![]);
        let view = View { epoch, base: Epoch::default(), since: epoch, cause: None, host, backups, voters };
        let server = key(99);
        let proof = Proof::Server(Statement::InForce.sign(&server, STAR, &view));
        let says = ServerSays::InForce(Box::new(Certified { view, proof }));
        let star = |index: usize| {
            let mut out = Out::default();
            let mut star = Star::new(StarConfig::default(), [index as u8; 32], Instant::ZERO);
            let (player, incarnation, key, server) = (player(index), Incarnation(1), key(index), server.public());
            star.enter(Instant::ZERO, Me { player, incarnation, key, star: STAR, server }, &mut out);
            star.on_members(Instant::ZERO, &members, &mut out);
            star.on_server_reachable(Instant::ZERO, true, &mut out);
            star.on_server(Instant::ZERO, says.clone(), &mut out);
            (star, out)
        };
        let stars = (0..players).map(star).collect();
        let mut lobby = Lobby { stars, now: Instant::ZERO, host: AllocationInfo::default() };
        (0..500).for_each(|_| lobby.pass(&server));
        let view = lobby.stars[0].0.view().expect("it is in force");
        assert_eq!((view.host, &view.backups[..]), (player(0), &[player(1)][..]));
        lobby
    }

    /// Does something to a star; what it costs the host counts.
    fn touch<T>(&mut self, index: usize, act: impl FnOnce(&mut Star, &mut Out, Instant) -> T) -> T {
        let (now, (star, out)) = (self.now, &mut self.stars[index]);
        let (mut act, mut result) = (Some(act), None);
        let cost = allocation_counter::measure(|| result = act.take().map(|act| act(star, out, now)));
        if index == 0 {
            self.host += cost;
        }
        result.expect("it was done once")
    }

    fn pass(&mut self, server: &SigningKey) {
        self.now += TICK;
        let second = Duration::from_secs(1);
        let ear = Ear { is_open: true, heard_at: self.now, patience: second, rhythm: second, rtt: None };
        for index in 0..self.stars.len() {
            for other in (0..self.stars.len()).filter(|other| *other != index) {
                self.touch(index, |star, _, now| star.on_ear(now, player(other), ear));
            }
            self.touch(index, |star, out, now| {
                if star.deadline().is_some_and(|deadline| deadline <= now) {
                    star.on_timeout(now, out);
                }
            });
        }
        while self.settle(server) {}
    }

    /// Carries what everybody has to say.
    fn settle(&mut self, server: &SigningKey) -> bool {
        let mut was_said = false;
        for from in 0..self.stars.len() {
            self.stars[from].1.events.clear();
            while let Some(word) = self.stars[from].1.words.pop_front() {
                let Word::Grant(view) = word else { continue };
                let signature = Statement::Granted.sign(server, STAR, &view);
                let says = ServerSays::Granted { epoch: view.epoch, signature, promised: vec![] };
                self.touch(from, |star, out, now| star.on_server(now, says, out));
            }
            while let Some((to, frame)) = self.stars[from].1.frames.pop_front() {
                was_said = true;
                let all = match to {
                    To::One(to) => vec![to],
                    To::Many(all) => all,
                };
                all.into_iter().for_each(|to| self.carry(from, to, frame.clone()));
            }
            while let Some((to, frame)) = self.stars[from].0.poll_publish() {
                was_said = true;
                self.carry(from, to, frame);
            }
            for to in (0..self.stars.len()).filter(|to| *to != from).map(player) {
                while let Some(frame) = self.touch(from, |star, _, _| star.poll_entry(to)) {
                    was_said = true;
                    if let Frame::Entry { epoch, entry } = &frame {
                        let (epoch, position) = (*epoch, entry.position);
                        self.touch(from, |star, out, now| star.on_taken(now, to, epoch, position, out));
                    }
                    self.carry(from, to, frame);
                }
            }
        }
        was_said
    }

    fn carry(&mut self, from: usize, to: PlayerId, frame: Frame) {
        self.touch(to.0 as usize - 1, |star, out, now| star.on_frame(now, player(from), frame, out));
    }
}

/// Pieces of memory that a host asks for, per message, in a lobby of so many.
fn cost(players: usize) -> f64 {
    let (mut lobby, server) = (Lobby::new(players), key(99));
    let kind = Kind::new("move").expect("it is short");
    let payload = Bytes::from_static(&[7; 64]);
    for round in 0..2 * ROUNDS {
        if round == ROUNDS {
            lobby.host = AllocationInfo::default();
        }
        for _ in 0..MESSAGES {
            let (star, out) = &mut lobby.stars[2];
            let sent = star.send(lobby.now, &Destination::All, Channel::Ordered, kind.clone(), payload.clone(), out);
            assert!(sent.is_ok(), "what was said before is acknowledged");
        }
        lobby.pass(&server);
    }
    lobby.host.count_total as f64 / f64::from(ROUNDS * MESSAGES)
}

#[test]
fn a_message_costs_a_host_little_memory_and_a_player_more_little_of_it() {
    let (four, twelve) = (cost(4), cost(12));
    assert!(four < MOST, "{four} pieces a message");
    assert!(twelve - four < 8.0 * MOST_PER_PLAYER, "{four} pieces a message with 4 players, {twelve} with 12");
}
