//! Follows the resume tokens as they cross the wire: which have brought their player back and are good for nothing since.
//! Whether the server agrees is tried at the end of a run.

use crate::net::Side;
use crate::world::SeatId;
use webstar_core::id::PlayerId;
use webstar_core::wire::signal::{
    ClientMessage, Encoding, Frame, LobbyJoined, Resume, SIGNAL_TAG, ServerMessage, decode_client, decode_server,
};

/// A token that has worked.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) resume: Resume,
    /// Whose place it is.
    pub(super) player: PlayerId,
    /// Where that one sits.
    pub(super) seat: SeatId,
}

/// The tokens of all seats.
#[derive(Debug)]
pub(super) struct Tickets {
    /// By seat: the token that it came back with and that has not been answered.
    asked: Vec<Option<Resume>>,
    /// By seat: the token that worked and on which connection, until the server has heard something there that was said
    /// after the answer. So long it is good.
    answered: Vec<Option<(Ticket, usize)>>,
    /// Tokens that have worked.
    pub(super) used: Vec<Ticket>,
}

impl Tickets {
    pub(super) fn new(seats: usize) -> Self {
        Tickets { asked: vec![None; seats], answered: vec![None; seats], used: Vec::new() }
    }

    /// Somebody else sits there now.
    pub(super) fn forget(&mut self, seat: SeatId) {
        self.asked[usize::from(seat.0)] = None;
        self.answered[usize::from(seat.0)] = None;
    }

    /// A frame arrives: a token that brought its player back is used as soon as the server hears the player after it has
    /// had the answer. Tells where the player is, if the frame says so.
    pub(super) fn follow(
        &mut self,
        seat: SeatId,
        connection: usize,
        at: Side,
        frame: &Frame,
    ) -> Option<Box<LobbyJoined>> {
        let index = usize::from(seat.0);
        let Frame::Binary(bytes) = frame else { return None };
        if index >= self.asked.len() {
            return None;
        }
        let is_signal = bytes.first() == Some(&SIGNAL_TAG);
        let (answered, used) = (&mut self.answered[index], &mut self.used);
        if at == Side::A {
            let Some(Ok(ServerMessage::LobbyJoined(joined))) =
                is_signal.then(|| decode_server(Encoding::Postcard, frame))
            else {
                return None;
            };
            if joined.resumed {
                used.extend(answered.take().map(|(ticket, _)| ticket));
                let player = joined.player_id;
                *answered = self.asked[index].take().map(|resume| (Ticket { resume, player, seat }, connection));
            }
            return Some(joined);
        }
        match is_signal.then(|| decode_client(Encoding::Postcard, frame)) {
            Some(Ok(ClientMessage::Resume(resume))) => self.asked[index] = Some(resume),
            Some(Ok(ClientMessage::Hello(_))) => {}
            _ => used.extend(answered.take_if(|(_, on)| *on == connection).map(|(ticket, _)| ticket)),
        }
        None
    }
}
