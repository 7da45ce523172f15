//! The packets that have been sent and what was in them, by number, until their fate is known.

use super::congestion::SendMark;
use super::send::Piece;
use crate::time::Instant;
use crate::wire::rhythm::Rhythm;
use std::collections::VecDeque;

/// One opening of a path, counted over the session: what was sent before a path opened again is none of its business.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Opening(pub(crate) u32);

/// What has become of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It asks for no acknowledgement and counts for nothing.
    Untracked,
    /// Not known yet.
    InFlight,
    /// The other side has it, or its content.
    Arrived,
    /// Counted as lost; its content has gone back. A late acknowledgement still counts.
    Lost,
    /// Given up by a switch of path: no loss, but its content has gone back.
    GivenUp,
    /// Counted as lost, and settled by a repair. If it arrives after all, it was only late.
    Recovered,
}

/// One packet that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentPacket {
    pub(crate) at: Instant,
    /// The opening of the path on which it left.
    pub(crate) opening: Opening,
    pub(crate) fate: Fate,
    pub(crate) rhythm: Rhythm,
    pub(crate) bytes: u32,
    /// Its place among the tracked packets of its path.
    pub(crate) place: u64,
    /// Once it has arrived, numbers below need not be acknowledged again; 0 if it carried no acknowledgement.
    pub(crate) acked_below: u64,
    pub(crate) mark: Option<SendMark>,
    /// Its content has been sent again already, because nothing was heard.
    pub(crate) repeated: bool,
    pieces: u16,
    first_piece: u64,
}

impl SentPacket {
    /// Whether it carried nothing of a message.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces == 0
    }
}

/// The packets from the oldest whose fate matters.
#[derive(Debug, Default)]
pub(crate) struct SentLog {
    base: u64,
    packets: VecDeque<SentPacket>,
    first_piece: u64,
    pieces: VecDeque<Piece>,
    noted: u64,
}

impl SentLog {
    /// The number of the next packet.
    pub(crate) fn next_number(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    /// The oldest number still remembered: everything below is settled.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Where the pieces of the packet being written are noted.
    pub(crate) fn pieces(&mut self) -> &mut VecDeque<Piece> {
        &mut self.pieces
    }

    /// How many pieces have been noted for the packet being written.
    pub(crate) fn pieces_noted(&self) -> usize {
        (self.first_piece + self.pieces.len() as u64 - self.noted) as usize
    }

    /// Whether something of the packet being written would be sent again.
    pub(crate) fn notes_kept(&self) -> bool {
        self.pieces.iter().rev().take(self.pieces_noted()).any(|piece| piece.delivery.is_kept())
    }

    /// Notes a packet with the pieces noted since the last one.
    pub(crate) fn push(
        &mut self,
        at: Instant,
        opening: Opening,
        bytes: usize,
        rhythm: Rhythm,
        tracked: Option<(u64, Option<SendMark>)>,
        acked_below: u64,
    ) -> u64 {
        let number = self.next_number();
        let pieces = self.pieces_noted() as u16;
        let (fate, (place, mark)) = match tracked {
            Some(tracked) => (Fate::InFlight, tracked),
            None => (Fate::Untracked, (0, None)),
        };
        self.packets.push_back(SentPacket {
            at,
            opening,
            fate,
            rhythm,
            bytes: bytes as u32,
            place,
            acked_below,
            mark,
            repeated: false,
            pieces,
            first_piece: self.noted,
        });
        self.noted += u64::from(pieces);
        number
    }

    /// The packet of that number, if it is remembered.
    pub(crate) fn get(&mut self, number: u64) -> Option<&mut SentPacket> {
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.packets.get_mut(index)
    }

    /// The packets in flight on a path, the oldest first.
    pub(crate) fn in_flight_on(&mut self, opening: Opening) -> impl Iterator<Item = &mut SentPacket> {
        self.packets.iter_mut().filter(move |packet| packet.opening == opening && packet.fate == Fate::InFlight)
    }

    /// The pieces of a packet.
    pub(crate) fn pieces_of(&self, packet: &SentPacket) -> impl Iterator<Item = &Piece> {
        let start = packet.first_piece.saturating_sub(self.first_piece) as usize;
        self.pieces.range(start..start + usize::from(packet.pieces))
    }

    /// Forgets packets from the front: what arrived, and what left before `before()` and is not waited for.
    pub(crate) fn trim(&mut self, before: impl Fn() -> Instant) {
        while let Some(front) = self.packets.front() {
            let is_settled = match front.fate {
                Fate::Arrived => true,
                Fate::Untracked | Fate::Lost | Fate::GivenUp | Fate::Recovered => front.at < before(),
                Fate::InFlight => false,
            };
            if !is_settled {
                return;
            }
            let pieces = u64::from(front.pieces);
            self.pieces.drain(..pieces as usize);
            self.first_piece += pieces;
            self.packets.pop_front();
            self.base += 1;
        }
    }
}
