//! What was taken of every sender: so that whatever is said twice counts once. It belongs to the log and outlives its cut.

use super::{Channel, Content, Entry, Position, TableRow, Told};
use crate::id::{Incarnation, PlayerId};
use crate::players::Players;
use std::collections::BTreeSet;

/// How far a reliable message may run ahead of the first that is missing.
pub(super) const REACH: u64 = 4096;
/// Rows kept of players that are gone; older ones are forgotten.
const GONE: usize = 256;

/// Where a channel that goes through the log stands in pairs of numbers.
pub(super) fn lane(channel: Channel) -> usize {
    usize::from(channel == Channel::Ordered)
}

/// What a message is to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taking {
    /// It is the next, or one that is missing.
    New,
    /// It was taken before.
    Known,
    /// Nobody knows its sender, or what must go before it is missing.
    Early,
}

/// What was taken of a player.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// Which life of its memory.
    pub(super) incarnation: Incarnation,
    /// It is there, not gone.
    pub(super) is_present: bool,
    /// Where it came in last; zero if the log begins after that.
    pub(super) joined: Position,
    /// Reliable and ordered: everything up to here.
    pub(super) taken: [u64; 2],
    /// Reliable numbers beyond that.
    beyond: BTreeSet<u64>,
}

/// All senders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Table {
    rows: Players<Row>,
}

impl Table {
    /// What somebody else's table said.
    pub(super) fn from_rows(rows: &[TableRow]) -> Self {
        let row = |told: &TableRow| {
            let mut row = Row::new(told.incarnation, Position(0), told.taken);
            row.is_present = told.is_present;
            for seq in told.beyond.iter().take(REACH as usize) {
                row.take_reliable(*seq);
            }
            (told.player, row)
        };
        Table { rows: rows.iter().map(row).collect() }
    }

    /// What is told to others.
    pub(super) fn rows(&self) -> Vec<TableRow> {
        let told = |(player, row): (&PlayerId, &Row)| TableRow {
            player: *player,
            incarnation: row.incarnation,
            is_present: row.is_present,
            taken: row.taken,
            beyond: row.beyond.iter().copied().collect(),
        };
        self.rows.iter().map(told).collect()
    }

    /// What was taken of a player.
    pub(super) fn row(&self, player: PlayerId) -> Option<&Row> {
        self.rows.get(&player)
    }

    /// Up to where everything was taken of a player in this life.
    pub(super) fn taken(&self, player: PlayerId, incarnation: Incarnation) -> [u64; 2] {
        let row = self.row(player).filter(|row| row.incarnation == incarnation);
        row.map_or([0; 2], |row| row.taken)
    }

    /// Who is there, by number.
    pub(super) fn present(&self) -> impl Iterator<Item = (PlayerId, &Row)> {
        self.rows.iter().filter(|(_, row)| row.is_present).map(|(player, row)| (*player, row))
    }

    /// Whether a player is there in this life, with all that was acknowledged to it.
    pub(super) fn is_known(&self, player: PlayerId, incarnation: Incarnation, acked: [u64; 2]) -> bool {
        let row = self.row(player).filter(|row| row.is_present && row.incarnation == incarnation);
        row.is_some_and(|row| acked[0] <= row.taken[0] && acked[1] <= row.taken[1])
    }

    /// What a message would be.
    pub(super) fn taking(&self, from: PlayerId, channel: Channel, seq: u64) -> Taking {
        let Some(row) = self.row(from) else { return Taking::Early };
        let taken = row.taken[lane(channel)];
        match channel {
            _ if seq <= taken => Taking::Known,
            Channel::Ordered if seq - taken == 1 => Taking::New,
            Channel::Reliable if row.beyond.contains(&seq) => Taking::Known,
            Channel::Reliable if seq - taken <= REACH => Taking::New,
            _ => Taking::Early,
        }
    }

    /// An entry stands in the log.
    pub(super) fn apply(&mut self, entry: &Entry) {
        match &entry.content {
            Content::Message(told) => self.take(told),
            Content::Joined { player, incarnation, taken } => self.join(entry.position, *player, *incarnation, *taken),
            Content::Left { player } => {
                if let Some(row) = self.rows.get_mut(player) {
                    row.is_present = false;
                }
                self.forget_the_gone();
            }
            Content::Void => {}
        }
    }

    fn take(&mut self, told: &Told) {
        let Some(row) = self.rows.get_mut(&told.from) else { return };
        match told.channel {
            Channel::Ordered => row.taken[1] = row.taken[1].max(told.seq),
            _ => row.take_reliable(told.seq),
        }
    }

    fn join(&mut self, position: Position, player: PlayerId, incarnation: Incarnation, taken: [u64; 2]) {
        let known = self.rows.remove(&player).filter(|row| row.incarnation == incarnation);
        let mut row = known.unwrap_or_else(|| Row::new(incarnation, position, [0; 2]));
        row.is_present = true;
        row.joined = position;
        row.skip_to(taken);
        self.rows.insert(player, row);
    }

    /// Numbers are never used again, so who has been gone for long does not come back.
    fn forget_the_gone(&mut self) {
        let gone: Vec<PlayerId> =
            self.rows.iter().filter(|(_, row)| !row.is_present).map(|(player, _)| *player).collect();
        for player in gone.iter().take(gone.len().saturating_sub(GONE)) {
            self.rows.remove(player);
        }
    }
}

impl Row {
    fn new(incarnation: Incarnation, joined: Position, taken: [u64; 2]) -> Self {
        Row { incarnation, is_present: true, joined, taken, beyond: BTreeSet::new() }
    }

    fn take_reliable(&mut self, seq: u64) {
        if seq > self.taken[0] && seq - self.taken[0] <= REACH {
            self.beyond.insert(seq);
            self.close_up();
        }
    }

    fn skip_to(&mut self, taken: [u64; 2]) {
        self.taken = [self.taken[0].max(taken[0]), self.taken[1].max(taken[1])];
        self.beyond = self.beyond.split_off(&(self.taken[0].saturating_add(1)));
        self.close_up();
    }

    /// Numbers that follow without a gap need not be told one by one.
    fn close_up(&mut self) {
        while self.beyond.first().is_some_and(|first| *first - self.taken[0] == 1) {
            self.beyond.pop_first();
            self.taken[0] += 1;
        }
    }
}
