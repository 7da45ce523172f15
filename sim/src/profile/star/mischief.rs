//! What a hostile member does: its machine is sound, but whoever owns it says more than the machine does. Garbage, old and
//! foreign words in its own name, lies about who is heard, views that nobody has agreed to.

use super::plan::{Part, SeatPlan};
use super::{Lens, Run};
use crate::seed::Draw;
use crate::world::SeatId;
use bytes::Bytes;
use core::time::Duration;
use serde::Serialize;
use std::collections::VecDeque;
use webstar_core::wire::signal::{
    ClientMessage, Encoding, Epoch, Frame, Grant, Heard, InForce, RequestHostMigration, Unheard, encode_client,
};
use webstar_core::wire::view::{Certified, Proof, Signature, SigningKey, StarId, Statement, View};

/// What it has heard and said lately: so much.
const MOST_KEPT: usize = 64;

/// What a hostile member does, and when.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mischief {
    /// When.
    pub at: Duration,
    /// What.
    pub trick: Trick,
}

/// A way to do harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trick {
    /// Says to the server what means nothing.
    Garbage,
    /// Says an old word again.
    Again,
    /// Says as its own what somebody else said.
    Reflect,
    /// Says an old word with some bytes changed.
    Mangle,
    /// Says that the host is not heard.
    Unheard,
    /// Asks the server to agree to its being host.
    Grant,
    /// Says that it is host, with a proof that is none.
    InForce,
    /// Asks that it become host.
    Request,
    /// Sends everybody packets that mean nothing.
    Packets,
    /// Sends everybody old packets, of its own and of others.
    OldPackets,
}

const TRICKS: [Trick; 10] = [
    Trick::Garbage,
    Trick::Again,
    Trick::Reflect,
    Trick::Mangle,
    Trick::Unheard,
    Trick::Grant,
    Trick::InForce,
    Trick::Request,
    Trick::Packets,
    Trick::OldPackets,
];

/// What the hostile member has heard and said, for later use.
#[derive(Debug, Default)]
pub(super) struct Hoard {
    own: VecDeque<Frame>,
    foreign: VecDeque<Frame>,
    packets: VecDeque<Bytes>,
}

impl Hoard {
    pub(super) fn said(&mut self, is_text: bool, bytes: &[u8]) {
        keep(&mut self.own, frame(is_text, bytes));
    }

    pub(super) fn heard(&mut self, frame: &Frame) {
        keep(&mut self.foreign, frame.clone());
    }

    pub(super) fn packet(&mut self, bytes: &[u8]) {
        keep(&mut self.packets, Bytes::copy_from_slice(bytes));
    }
}

fn keep<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == MOST_KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

fn frame(is_text: bool, bytes: &[u8]) -> Frame {
    let bytes = Bytes::copy_from_slice(bytes);
    if is_text { Frame::Text(bytes) } else { Frame::Binary(bytes) }
}

/// Who is hostile, and what it does when.
pub(super) fn draw(draw: &mut Draw, seats: &[SeatPlan], until: Duration) -> (Option<u16>, Vec<Mischief>) {
    // Whoever comes first makes the lobby; that one is honest.
    let makers = seats.iter().map(|seat| seat.lobby).max().map_or(0, usize::from) + 1;
    let players = (0..).zip(seats).skip(makers).filter(|(_, seat)| seat.part == Part::Player);
    let players: Vec<u16> = players.map(|(number, _)| number).collect();
    let hostile = draw.pick(&players).copied();
    let mut mischief: Vec<Mischief> = (0..draw.between(10, 150))
        .map(|_| Mischief {
            at: draw.duration(Duration::from_secs(1), until),
            trick: *draw.pick(&TRICKS).expect("there are some"),
        })
        .collect();
    mischief.sort_by_key(|mischief| mischief.at);
    (hostile, mischief)
}

impl<L: Lens> Run<'_, L> {
    /// The hostile member does something.
    pub(super) fn scheme(&mut self, trick: Trick) {
        let Some(seat) = self.plan.hostile.map(SeatId) else { return };
        let now = self.world.now();
        if let Some(forger) = &mut self.eye.book_mut().forger {
            let frames = forger.lie(now);
            self.eye.book_mut().tally.mark("forgery");
            frames.iter().for_each(|frame| self.world.inject(seat, frame));
            return;
        }
        let frame = match trick {
            Trick::Garbage => Some(self.garbage()),
            Trick::Again => self.words.pick(self.eye.book_mut().hoard.own.make_contiguous()).cloned(),
            Trick::Reflect => self.words.pick(self.eye.book_mut().hoard.foreign.make_contiguous()).cloned(),
            Trick::Mangle => {
                let old = self.words.pick(self.eye.book_mut().hoard.own.make_contiguous()).cloned();
                old.map(|frame| self.mangled(&frame))
            }
            Trick::Packets | Trick::OldPackets => return self.send_packets(seat, trick),
            Trick::Unheard | Trick::Grant | Trick::InForce | Trick::Request => self.lie(seat, trick),
        };
        if let Some(frame) = frame {
            self.eye.book_mut().tally.mark("mischief");
            self.world.inject(seat, &frame);
        }
    }

    fn garbage(&mut self) -> Frame {
        let mut bytes = vec![0; self.words.below(2_000) as usize];
        self.words.fill(&mut bytes);
        // Half of it looks like a packet or a message at first.
        if let Some(first) = bytes.first_mut() {
            *first %= 4;
        }
        Frame::Binary(bytes.into())
    }

    fn mangled(&mut self, frame: &Frame) -> Frame {
        let mut bytes = frame.bytes().to_vec();
        for _ in 0..self.words.between(1, 4) {
            let at = self.words.below(bytes.len() as u64) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << self.words.below(8);
            }
        }
        Frame::Binary(bytes.into())
    }

    fn lie(&mut self, seat: SeatId, trick: Trick) -> Option<Frame> {
        let view = self.world.peer(seat)?.star().view()?.clone();
        let (_, player) = self.world.place(seat)?;
        let epoch = Epoch { term: view.epoch.term + self.words.below(3) as u32, round: self.words.below(4) as u32 };
        let wished = View { epoch, base: view.epoch, host: player, backups: Vec::new(), ..view.clone() };
        let message = match trick {
            Trick::Unheard if self.words.chance(0.5) => ClientMessage::Heard(Heard { epoch: view.epoch, heard: false }),
            Trick::Unheard => ClientMessage::Unheard(Unheard { epoch: view.epoch }),
            Trick::Grant => ClientMessage::Grant(Grant { view: Box::new(wished) }),
            Trick::Request => {
                ClientMessage::RequestHostMigration(RequestHostMigration { to: Some(player), request: 9 })
            }
            _ => ClientMessage::InForce(InForce { certified: Box::new(self.forge(wished)) }),
        };
        Some(encode_client(Encoding::Postcard, &message))
    }

    /// A view with a proof that is none: a signature of nobody, or the same wrong promise of everybody.
    fn forge(&mut self, view: View) -> Certified {
        let key = SigningKey::from_seed(&self.words.key());
        let signature = |statement: Statement| -> Signature { statement.sign(&key, StarId(0), &view) };
        let proof = if self.words.chance(0.5) {
            Proof::Server(signature(Statement::InForce))
        } else {
            let promises = view.voters.iter().map(|voter| {
                let said = Statement::Promised(voter.player);
                (voter.player, signature(said))
            });
            Proof::Quorum { server: Some(signature(Statement::Granted)), promises: promises.collect() }
        };
        Certified { view, proof }
    }

    fn send_packets(&mut self, seat: SeatId, trick: Trick) {
        let old = self.words.pick(self.eye.book_mut().hoard.packets.make_contiguous()).cloned();
        let packet = match old.filter(|_| trick == Trick::OldPackets) {
            Some(packet) => packet,
            None => self.garbage().bytes().clone(),
        };
        self.eye.book_mut().tally.mark("mischief");
        self.world.inject_packet(seat, &packet, &mut self.eye);
    }
}
