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
use webstar_core::id::PlayerId;
use webstar_core::wire::signal::{
    ClientMessage, Encoding, Epoch, Frame, Grant, Heard, InForce, RequestHostMigration, RtcSignal, Unheard,
    WebrtcSignal, encode_client,
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
    /// Says to the server, as text, what is no JSON or not what it should be.
    Text,
    /// Shows a token that has brought somebody back already.
    OldToken,
    /// Says that a view is in force which is: in another lobby.
    OtherLobby,
    /// Negotiates in another member's name.
    Spoof,
}

const TRICKS: [Trick; 14] = [
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
    Trick::Text,
    Trick::OldToken,
    Trick::OtherLobby,
    Trick::Spoof,
];

impl Trick {
    /// What the report calls it, where it is counted by itself.
    fn mark(self) -> Option<&'static str> {
        match self {
            Trick::Text => Some("garbage_text"),
            Trick::OldToken => Some("old_token"),
            Trick::OtherLobby => Some("other_lobby"),
            Trick::Spoof => Some("spoofed_signal"),
            _ => None,
        }
    }
}

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
        let foreign = self.foreign_view(seat);
        let book = self.eye.book_mut();
        if let Some(forger) = &mut book.forger {
            forger.learn_of_others(foreign);
            let frames = forger.lie(now);
            book.tally.mark("forgery");
            forger.take_tricks().into_iter().for_each(|trick| book.tally.mark(trick));
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
            Trick::Text => Some(self.text()),
            Trick::OldToken => {
                let used = self.words.pick(&self.eye.book().tickets.used).map(|ticket| ticket.resume.clone());
                used.map(|resume| encode_client(Encoding::Postcard, &ClientMessage::Resume(resume)))
            }
            Trick::OtherLobby => foreign.map(|certified| {
                let message = ClientMessage::InForce(InForce { certified: Box::new(certified) });
                encode_client(Encoding::Postcard, &message)
            }),
            Trick::Spoof => self.spoof(seat),
        };
        if let Some(frame) = frame {
            self.eye.book_mut().tally.mark("mischief");
            if let Some(mark) = trick.mark() {
                self.eye.book_mut().tally.mark(mark);
            }
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

    /// Text that is no JSON, or JSON that means nothing.
    fn text(&mut self) -> Frame {
        let number = self.words.below(1 << 40);
        let text = match self.words.below(4) {
            0 => "[".repeat(self.words.between(1, 3_000) as usize),
            1 => format!("{{\"type\":\"join_lobby\",\"lobby_id\":{number}}}"),
            2 => format!("{{\"type\":\"relay_data\",\"from_player\":1,\"to_player\":-{number},\"data\":null}}"),
            _ => format!("{{\"type\":\"ready\",\"ready\":\"{number}\"}}"),
        };
        Frame::Text(text.into())
    }

    /// The view of another lobby, with a proof that holds there.
    fn foreign_view(&mut self, seat: SeatId) -> Option<Certified> {
        let lobby = self.plan.seats[usize::from(seat.0)].lobby;
        let others = (0u16..).zip(&self.plan.seats).filter(|(_, other)| other.lobby != lobby);
        let views = others.filter_map(|(other, _)| self.world.peer(SeatId(other))?.star().certified().cloned());
        let views: Vec<Certified> = views.collect();
        self.words.pick(&views).cloned()
    }

    /// An offer that another member is said to make to a third.
    fn spoof(&mut self, seat: SeatId) -> Option<Frame> {
        let (_, player) = self.world.place(seat)?;
        let view = self.world.peer(seat)?.star().view()?.clone();
        let others: Vec<PlayerId> =
            view.voters.iter().map(|voter| voter.player).filter(|other| *other != player).collect();
        let (from_player, to_player) = (*self.words.pick(&others)?, *self.words.pick(&others)?);
        let signal = RtcSignal::Offer { sdp: "v=0".into() };
        let message = ClientMessage::WebrtcSignal(WebrtcSignal { from_player, to_player, signal });
        Some(encode_client(Encoding::Postcard, &message))
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
