//! The states of the host's game: when it is asked for one, how it travels, which one is kept.

use super::log::Log;
use super::{Frame, Position, Snapshot, StarConfig};
use crate::time::{Duration, Instant};
use crate::wire::limits::MAX_MESSAGE;
use crate::wire::signal::Epoch;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// What travels at once.
const PIECE_BYTES: usize = 16 * 1024;
/// The largest state of a game.
pub(super) const MAX_STATE: usize = MAX_MESSAGE;
/// A game that has not answered for so long gives no snapshots.
const PATIENCE: Duration = Duration::from_secs(5);

/// A state that we have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    /// The state after this place.
    pub(super) position: Position,
    /// The game's bytes.
    pub(super) state: Bytes,
    /// SHA-256 of them.
    pub(super) hash: [u8; 32],
}

impl Kept {
    pub(super) fn new(position: Position, state: Bytes) -> Self {
        let hash = Sha256::digest(&state).into();
        Kept { position, state, hash }
    }

    /// The piece that begins at `offset`; none at the end.
    pub(super) fn piece(&self, epoch: Epoch, offset: usize) -> Option<Frame> {
        if offset >= self.state.len() {
            return None;
        }
        let end = self.state.len().min(offset + PIECE_BYTES);
        Some(Frame::Snapshot {
            epoch,
            position: self.position,
            size: self.state.len() as u64,
            hash: self.hash,
            offset: offset as u64,
            piece: self.state.slice(offset..end),
        })
    }

    /// Where the piece after that begins.
    pub(super) fn after(&self, offset: usize) -> usize {
        self.state.len().min(offset + PIECE_BYTES)
    }
}

/// A piece of a state that is on its way.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The state after this place.
    pub(super) position: Position,
    /// The length of the whole.
    pub(super) size: u64,
    /// SHA-256 of the whole.
    pub(super) hash: [u8; 32],
    /// Where the piece begins.
    pub(super) offset: u64,
    /// Its bytes.
    pub(super) bytes: Bytes,
}

#[derive(Debug)]
struct Arriving {
    position: Position,
    size: u64,
    hash: [u8; 32],
    bytes: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asking {
    No,
    /// The game is asked once it has got everything up to here.
    Wanted(Position, Instant),
    Asked(Position, Instant),
}

/// The states that we keep, and what we ask of our game.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// The game gives them.
    is_given: bool,
    /// It did not when it was asked last.
    is_mute: bool,
    interval: Duration,
    log_bytes: usize,
    newest: Option<Kept>,
    arriving: Option<Arriving>,
    asking: Asking,
    asked_at: Option<Instant>,
    /// Bytes of log since then.
    since: usize,
}

impl Snapshots {
    /// None yet.
    pub(super) fn new(config: &StarConfig) -> Self {
        Snapshots {
            is_given: config.has_snapshots,
            is_mute: false,
            interval: config.snapshot_interval,
            log_bytes: config.snapshot_bytes,
            newest: None,
            arriving: None,
            asking: Asking::No,
            asked_at: None,
            since: 0,
        }
    }

    /// The game gives states, so that it is worth waiting for one.
    pub(super) fn is_given(&self) -> bool {
        self.is_given && !self.is_mute
    }

    /// The newest that is whole.
    pub(super) fn newest(&self) -> Option<&Kept> {
        self.newest.as_ref()
    }

    /// The newest, if it is of this place or a later one: who waits for the one may as well begin with the other.
    pub(super) fn from(&self, position: Position) -> Option<Snapshot> {
        let kept = self.newest.as_ref().filter(|kept| kept.position >= position)?;
        Some(Snapshot { position: kept.position, state: Some(kept.state.clone()) })
    }

    /// A piece has come. True: a whole one has arrived with it.
    pub(super) fn on_piece(&mut self, piece: &Piece) -> bool {
        if piece.size > MAX_STATE as u64 {
            return false;
        }
        if piece.offset == 0 {
            let Piece { position, size, hash, .. } = *piece;
            self.arriving = Some(Arriving { position, size, hash, bytes: BytesMut::new() });
        }
        let goes_on = |arriving: &&mut Arriving| {
            let end = piece.offset.saturating_add(piece.bytes.len() as u64);
            let is_next = piece.offset == arriving.bytes.len() as u64 && end <= arriving.size;
            is_next && (piece.position, piece.size, piece.hash) == (arriving.position, arriving.size, arriving.hash)
        };
        let Some(arriving) = self.arriving.as_mut().filter(goes_on) else { return false };
        arriving.bytes.extend_from_slice(&piece.bytes);
        if (arriving.bytes.len() as u64) < arriving.size {
            return false;
        }
        let whole = self.arriving.take().map(|arriving| Kept::new(arriving.position, arriving.bytes.freeze()));
        let whole = whole.filter(|kept| kept.hash == piece.hash);
        let is_whole = whole.is_some();
        if is_whole {
            self.newest = whole;
        }
        is_whole
    }

    /// Another line: the states of this one are worth nothing.
    pub(super) fn forget(&mut self) {
        self.newest = None;
        self.arriving = None;
        self.stop_asking();
    }

    /// The log ends here: a state of a later place is one of another history.
    pub(super) fn forget_beyond(&mut self, end: Position) {
        if self.newest.as_ref().is_some_and(|kept| kept.position > end) {
            self.forget();
        }
    }

    /// We are not host any more: what our game would tell now is nobody's state.
    pub(super) fn stop_asking(&mut self) {
        self.asking = Asking::No;
    }

    /// So much was said since.
    pub(super) fn on_logged(&mut self, bytes: usize) {
        self.since += bytes;
    }

    /// The place after which our game should be asked now: the end of the log, if it is time or somebody waits for it.
    pub(super) fn want(&mut self, now: Instant, end: Position, is_needed: bool) -> Option<Position> {
        let is_known = self.newest.as_ref().is_some_and(|kept| kept.position == end);
        if is_known {
            self.since = 0;
        }
        let is_due = self.since >= self.log_bytes || self.due_at().is_some_and(|at| now >= at);
        if !self.is_given || self.asking != Asking::No || is_known || !(is_needed || is_due) {
            return None;
        }
        self.asking = Asking::Wanted(end, now);
        self.asked_at = Some(now);
        self.since = 0;
        Some(end)
    }

    /// The place after which our game is to have got everything before it is asked.
    pub(super) fn wanted(&self) -> Option<Position> {
        if let Asking::Wanted(position, _) = self.asking { Some(position) } else { None }
    }

    /// Our game is asked, or about to be.
    pub(super) fn is_asking(&self) -> bool {
        self.asking != Asking::No
    }

    /// Our game is asked now.
    pub(super) fn on_asked(&mut self, now: Instant) {
        if let Asking::Wanted(position, _) = self.asking {
            self.asking = Asking::Asked(position, now);
        }
    }

    /// Our game was to be asked, or to answer, for too long. True: it is given up just now.
    pub(super) fn give_up(&mut self, now: Instant) -> bool {
        let since = match self.asking {
            Asking::No => return false,
            Asking::Wanted(_, since) | Asking::Asked(_, since) => since,
        };
        let is_over = now.since(since) >= PATIENCE;
        if is_over {
            self.is_mute |= matches!(self.asking, Asking::Asked(..));
            self.asking = Asking::No;
        }
        is_over
    }

    /// The game has told its state. True: it was asked for that; an empty one is none.
    pub(super) fn on_state(&mut self, position: Position, state: Bytes) -> bool {
        if !matches!(self.asking, Asking::Asked(asked, _) if asked == position) {
            return false;
        }
        self.asking = Asking::No;
        self.is_mute = state.is_empty() || state.len() > MAX_STATE;
        if !self.is_mute {
            self.newest = Some(Kept::new(position, state));
        }
        !self.is_mute
    }

    /// Cuts the log up to where it is free, but keeps what follows the newest state for who begins with it, as long as there
    /// is room.
    pub(super) fn cut(&self, log: &mut Log, free: Position, room: usize) {
        let begins = self.newest.as_ref().map_or(log.cut(), |kept| kept.position);
        log.cut_to(if self.is_given() { free.min(begins) } else { free });
        if log.bytes() > room {
            log.cut_to(free);
        }
    }

    fn due_at(&self) -> Option<Instant> {
        let has_news = self.is_given && self.since > 0;
        has_news.then(|| self.asked_at.map_or(Instant::ZERO, |at| at + self.interval))
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.asking {
            Asking::No => self.due_at(),
            Asking::Wanted(_, since) | Asking::Asked(_, since) => Some(since + PATIENCE),
        }
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> usize {
        let newest = self.newest.as_ref().map_or(0, |kept| kept.state.len());
        newest + self.arriving.as_ref().map_or(0, |arriving| arriving.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn given() -> Snapshots {
        Snapshots::new(&StarConfig { has_snapshots: true, ..StarConfig::default() })
    }

    fn pieces(kept: &Kept) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut offset = 0;
        while let Some(Frame::Snapshot { position, size, hash, offset: from, piece, .. }) =
            kept.piece(Epoch::default(), offset)
        {
            pieces.push(Piece { position, size, hash, offset: from, bytes: piece });
            offset = kept.after(offset);
        }
        pieces
    }

    #[test]
    fn a_state_arrives_in_pieces_and_only_if_all_of_it_is_right() {
        let state: Bytes = (0..40_000_u32).map(|index| index as u8).collect();
        let kept = Kept::new(Position(7), state.clone());
        let sent = pieces(&kept);
        assert_eq!(sent.iter().map(|piece| piece.bytes.len()).collect::<Vec<_>>(), [16_384, 16_384, 7_232]);

        let mut here = given();
        let arrived: Vec<bool> = sent.iter().map(|piece| here.on_piece(piece)).collect();
        assert_eq!(arrived, [false, false, true]);
        assert_eq!(here.from(Position(7)), Some(Snapshot { position: Position(7), state: Some(state) }));
        assert_eq!(here.from(Position(8)), None);

        let mut gap = given();
        assert!(!gap.on_piece(&sent[0]) && !gap.on_piece(&sent[2]) && gap.newest().is_none());
        let mut damaged = given();
        let mut wrong = sent.clone();
        wrong[1].bytes = Bytes::from(vec![0; PIECE_BYTES]);
        assert!(!wrong.iter().any(|piece| damaged.on_piece(piece)) && damaged.newest().is_none());
        let mut huge = given();
        assert!(!huge.on_piece(&Piece { size: MAX_STATE as u64 + 1, ..sent[0].clone() }) && huge.bytes() == 0);
        let mut more = given();
        assert!(!more.on_piece(&Piece { size: 3, ..sent[0].clone() }), "more than was said");
    }

    #[test]
    fn a_newer_state_takes_the_place_of_one_that_is_on_its_way() {
        let (old, new) = (Kept::new(Position(1), vec![1; 20_000].into()), Kept::new(Position(2), vec![2; 10].into()));
        let mut here = given();
        here.on_piece(&pieces(&old)[0]);
        assert!(here.on_piece(&pieces(&new)[0]));
        assert!(!here.on_piece(&pieces(&old)[1]));
        assert_eq!(here.newest(), Some(&new));
    }

    #[test]
    fn a_game_is_asked_when_it_is_time_or_somebody_waits() {
        let mut here = given();
        assert_eq!(here.want(at(0), Position(1), false), None, "nothing was said");
        here.on_logged(1);
        assert_eq!(here.want(at(0), Position(1), false), Some(Position(1)));
        here.on_asked(at(0));
        here.on_logged(1);
        assert_eq!(here.want(at(9), Position(2), true), None, "it has not answered");
        assert!(!here.on_state(Position(2), "what".into()) && here.on_state(Position(1), "state".into()));
        assert_eq!(here.want(at(4_999), Position(2), false), None);
        assert_eq!(here.want(at(5_000), Position(2), false), Some(Position(2)));
        here.on_asked(at(5_000));
        assert!(here.on_state(Position(2), "state".into()));
        here.on_logged(256 * 1024);
        assert_eq!(here.want(at(5_001), Position(3), false), Some(Position(3)), "so much was said");
        here.on_asked(at(5_001));
        assert!(here.on_state(Position(3), "state".into()));
        here.on_logged(1);
        assert_eq!(here.want(at(60_000), Position(3), true), None, "it is there");
        assert_eq!(here.deadline(), None, "and there is nothing new");
        assert_eq!(here.want(at(5_002), Position(4), true), Some(Position(4)));
    }

    #[test]
    fn nobody_waits_for_a_game_that_does_not_answer() {
        let mut here = given();
        assert_eq!(here.want(at(0), Position(1), true), Some(Position(1)));
        here.on_asked(at(0));
        assert_eq!(here.deadline(), Some(at(5_000)));
        assert!(!here.give_up(at(4_999)) && here.is_given());
        assert!(here.give_up(at(5_000)) && !here.is_given());
        assert!(!here.on_state(Position(1), "late".into()));
        assert_eq!(here.want(at(5_001), Position(2), true), Some(Position(2)));
        here.on_asked(at(5_001));
        assert!(here.on_state(Position(2), "again".into()) && here.is_given());
    }

    #[test]
    fn the_log_is_kept_behind_the_newest_state() {
        let mut log = Log::new(Epoch::default());
        for player in 1..=9 {
            log.append(Epoch::default(), crate::star::Content::Left { player: crate::id::PlayerId(player) });
        }
        let mut here = given();
        here.cut(&mut log, Position(4), 10_000);
        assert_eq!(log.cut(), Position(0), "there is no state yet");
        here.newest = Some(Kept::new(Position(2), "state".into()));
        here.cut(&mut log, Position(4), 10_000);
        assert_eq!(log.cut(), Position(2));
        here.cut(&mut log, Position(4), 100);
        assert_eq!(log.cut(), Position(4), "there is no room");
    }
}
