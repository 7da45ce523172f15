//! Who plays in a run and what was submitted: the facts that the checkers of the star compare with. Judges nothing.

use super::Hearing;
use crate::world::SeatId;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::{Channel, Destination, PeerMessage, Sent};
use webstar_core::time::Instant;
use webstar_core::wire::signal::Epoch;
use webstar_core::wire::star::Ruling;

/// One life of a player machine, or of a guest, from sitting down to the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
pub struct Life(pub u32);

/// One life of a lobby, from its making to its end: numbers of players begin anew in the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Room {
    /// The lobby, by number.
    pub lobby: u8,
    /// How often it was made.
    pub made: u16,
}

/// What is known of a life, by what it was told itself.
#[derive(Clone, Debug)]
pub struct Person {
    /// Where it sits.
    pub seat: SeatId,
    /// The lobby that it was sent to.
    pub room: Room,
    /// It has no player machine.
    pub is_guest: bool,
    /// It can be host.
    pub is_player: bool,
    /// Its number in the lobby, once it was told.
    pub player: Option<PlayerId>,
    /// Which life of the player's memory it is, once it was told.
    pub incarnation: Incarnation,
    /// The present view.
    pub epoch: Epoch,
    /// The first view of its line.
    pub line: Epoch,
    /// The present host.
    pub host: Option<PlayerId>,
    /// In the lobby, as far as it knows.
    pub is_joined: bool,
    /// Its connection is lost and it is trying to come back.
    pub is_away: bool,
    /// It has ended.
    pub is_over: bool,
    /// Since when it sits there.
    pub entered: Instant,
    /// Since when nothing that is meant for it may be missing.
    pub since: Instant,
    /// When it was told last that what was acknowledged may be lost.
    pub lost_at: Option<Instant>,
    /// How often it was told so.
    pub losses: u32,
    /// When it became host last, perhaps after nobody was: what was for the host before is left to nobody.
    pub hosts_since: Instant,
    /// The players that it knows of: a bit each, for numbers below 128.
    pub knows: u128,
}

/// A message that was taken from an application.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Its number among all of the run.
    pub number: u32,
    /// Who submitted it.
    pub life: Life,
    /// In which lobby.
    pub room: Room,
    /// Under which number there.
    pub player: PlayerId,
    /// In which life of that player's memory.
    pub incarnation: Incarnation,
    /// What is promised; nothing for what goes through the server.
    pub channel: Option<Channel>,
    /// Its number among its sender's on this channel, from 1.
    pub seq: u64,
    /// Whom it is for.
    pub to: Destination,
    /// What it is.
    pub kind: &'static str,
    /// Its bytes.
    pub payload: Bytes,
    /// Their hash.
    pub content: u64,
    /// In which view its sender was.
    pub epoch: Epoch,
    /// The players that its sender knew of.
    pub knows: u128,
    /// When.
    pub at: Instant,
    /// When its sender was told that it is safe.
    pub acked_at: Option<Instant>,
    /// How often its sender had been told by then that what is safe may be lost. Both may come at one moment, one after
    /// the other: who is forced to be host for a moment hears that what it says is safe, and then that it is not.
    pub acked_after: u32,
    /// In which line that was.
    pub acked_in: Epoch,
    /// What games of hosts have decided about it, each that was asked.
    pub rulings: Vec<Ruling>,
}

impl Submission {
    /// Whether it is meant for this player of its lobby, who knows this host.
    pub fn is_for(&self, player: PlayerId, host: Option<PlayerId>) -> bool {
        match &self.to {
            Destination::All => true,
            Destination::Others => player != self.player,
            Destination::Host => host == Some(player),
            Destination::One(one) => *one == player,
            Destination::AllBut(left_out) => !left_out.contains(&player),
        }
    }

    /// It is kept.
    pub fn is_kept(&self) -> bool {
        matches!(self.channel, Some(Channel::Ordered | Channel::Reliable))
    }

    /// What a host's game has made of it if it arrives as these bytes; nothing if it cannot be it.
    pub fn ruling_of(&self, payload: &[u8]) -> Option<Ruling> {
        match payload.strip_suffix(&[REWRITTEN]) {
            _ if self.payload == payload => Some(Ruling::AsSent),
            Some(before) if self.is_kept() && self.payload == before => Some(Ruling::Rewritten),
            _ => None,
        }
    }

    /// What it is called by whoever received it.
    pub fn name(&self) -> String {
        match self.channel {
            Some(channel) => format!("{channel:?} {} of player {}", self.seq, self.player.0),
            None => format!("message {} of guest {}", self.number, self.player.0),
        }
    }
}

/// The bit of a player.
pub fn bit(player: PlayerId) -> u128 {
    1_u128.checked_shl(player.0).unwrap_or(0)
}

/// What one life of a player's memory numbers from 1 upwards.
type Series = (Room, PlayerId, Incarnation, Channel);

/// Everybody and everything that was said.
#[derive(Debug)]
pub struct Cast {
    /// The present moment.
    pub now: Instant,
    /// Players whose owner may say anything in their name, and whose stars are not looked at.
    pub distrusted: BTreeSet<(Room, PlayerId)>,
    /// Lobbies, by number, in which ordered messages are delivered before they are safe.
    pub hasty: BTreeSet<u8>,
    /// What the network has held back.
    pub hearing: Hearing,
    /// By player: where the one sits whom the server has let in as that player last, whether it has heard so or not.
    pub let_in: BTreeMap<(Room, PlayerId), SeatId>,
    people: Vec<Person>,
    submissions: Vec<Submission>,
    /// The submissions of each series, in order.
    lines: BTreeMap<Series, Vec<u32>>,
}

impl Default for Cast {
    fn default() -> Self {
        Cast {
            now: Instant::ZERO,
            distrusted: BTreeSet::new(),
            hasty: BTreeSet::new(),
            hearing: Hearing::default(),
            let_in: BTreeMap::new(),
            people: Vec::new(),
            submissions: Vec::new(),
            lines: BTreeMap::new(),
        }
    }
}

impl Cast {
    /// Nobody yet.
    pub fn new(hasty: BTreeSet<u8>) -> Self {
        Cast { hasty, ..Cast::default() }
    }

    /// Somebody sits down.
    pub fn enter(&mut self, seat: SeatId, room: Room, is_guest: bool, now: Instant) -> Life {
        self.hearing.forget(seat);
        self.people.push(Person {
            seat,
            room,
            is_guest,
            is_player: false,
            player: None,
            incarnation: Incarnation(0),
            epoch: Epoch::default(),
            line: Epoch::default(),
            host: None,
            is_joined: false,
            is_away: false,
            is_over: false,
            entered: now,
            since: now,
            lost_at: None,
            losses: 0,
            hosts_since: now,
            knows: 0,
        });
        Life(self.people.len() as u32 - 1)
    }

    /// What is known of a life.
    pub fn person(&self, life: Life) -> &Person {
        &self.people[life.0 as usize]
    }

    /// The same, to be changed.
    pub fn person_mut(&mut self, life: Life) -> &mut Person {
        &mut self.people[life.0 as usize]
    }

    /// All lives, in order.
    pub fn people(&self) -> impl Iterator<Item = (Life, &Person)> {
        (0..).map(Life).zip(&self.people)
    }

    /// The number that the next submission gets.
    pub fn next_number(&self) -> u32 {
        self.submissions.len() as u32
    }

    /// Notes a message that was taken. Tells nothing if its sender's machine counts otherwise than from 1 upwards.
    pub fn submit(&mut self, life: Life, sent: Option<Sent>, said: Said) -> Option<&Submission> {
        let Person { room, player, incarnation, epoch, knows, .. } = *self.person(life);
        let player = player?;
        let number = self.next_number();
        if let Some(sent) = sent {
            let line = self.lines.entry((room, player, incarnation, sent.channel)).or_default();
            if sent.seq != line.len() as u64 + 1 {
                return None;
            }
            line.push(number);
        }
        let Said { at, to, kind, payload } = said;
        self.submissions.push(Submission {
            number,
            life,
            room,
            player,
            incarnation,
            channel: sent.map(|sent| sent.channel),
            seq: sent.map_or(0, |sent| sent.seq),
            to,
            kind,
            content: crate::trace::content(&payload),
            payload,
            epoch,
            knows,
            at,
            acked_at: None,
            acked_after: 0,
            acked_in: Epoch::default(),
            rulings: Vec::new(),
        });
        self.submissions.last()
    }

    /// Everything submitted, in order.
    pub fn submissions(&self) -> &[Submission] {
        &self.submissions
    }

    /// What came after a submission in its series, and the submission itself.
    pub fn line_from(&self, series: Series, seq: u64) -> impl Iterator<Item = &Submission> {
        let line = self.lines.get(&series).map(Vec::as_slice).unwrap_or_default();
        let from = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX).min(line.len());
        line[from..].iter().map(|number| &self.submissions[*number as usize])
    }

    /// The submissions of this name, one for each life of the sender's memory, the newest first.
    pub fn named(&self, room: Room, player: PlayerId, channel: Channel, seq: u64) -> impl Iterator<Item = &Submission> {
        let all = (room, player, Incarnation(0), channel)..=(room, player, Incarnation(u32::MAX), channel);
        let lives = self.lines.range(all).rev().filter(move |((.., of), _)| *of == channel);
        let series = lives.map(|(series, _)| *series).filter(move |_| seq > 0);
        series.filter_map(move |series| self.line_from(series, seq).next())
    }

    /// The submission of which a message in this lobby is a true copy; `stamped` is the one whose stamp it bears.
    pub fn origin<'a>(
        &'a self,
        room: Room,
        message: &PeerMessage,
        stamped: Option<&'a Submission>,
    ) -> Option<&'a Submission> {
        let ruling = if message.is_rewritten { Ruling::Rewritten } else { Ruling::AsSent };
        let is_it = |origin: &&Submission| {
            let is_of_kind = origin.channel.is_none() || message.kind.as_str() == origin.kind;
            origin.player == message.from && is_of_kind && origin.ruling_of(&message.payload) == Some(ruling)
        };
        if message.seq == 0 {
            return stamped.filter(|origin| origin.channel.is_none() && origin.room == room).filter(is_it);
        }
        // No two submissions bear one stamp, so there is no other copy of it.
        let is_named = |origin: &&Submission| {
            (origin.room, origin.channel, origin.seq) == (room, Some(message.channel), message.seq) && is_it(origin)
        };
        let named = || self.named(room, message.from, message.channel, message.seq).find(is_it);
        stamped.filter(is_named).or_else(named)
    }

    /// The submission whose stamp these bytes bear.
    pub fn stamped(&self, payload: &[u8]) -> Option<&Submission> {
        let stamp = core::str::from_utf8(payload.get(..STAMP)?).ok()?;
        let number = u32::from_str_radix(stamp.strip_prefix('#')?.strip_suffix(':')?, 16).ok()?;
        self.submissions.get(number as usize)
    }

    /// The submission of this player whose bytes the guest was given: the one whose stamp they bear. Those too short for a
    /// stamp are all alike: the last that was meant for the guest, or else the last of all.
    pub fn overheard(&self, guest: Life, from: PlayerId, payload: &[u8]) -> Option<&Submission> {
        let Person { room, player, host, .. } = *self.person(guest);
        let is_it = |origin: &&Submission| origin.room == room && origin.player == from && origin.payload == payload;
        let is_meant = |origin: &&Submission| player.is_some_and(|player| origin.is_for(player, host));
        match self.stamped(payload) {
            Some(stamped) => Some(stamped).filter(is_it),
            None => {
                let mut alike = self.submissions.iter().rev().filter(is_it);
                alike.clone().find(is_meant).or_else(|| alike.next())
            }
        }
    }

    /// Its sender was told that it is safe, and then that what is safe may be lost.
    pub fn is_lost(&self, submission: &Submission) -> bool {
        submission.acked_at.is_some() && submission.acked_after < self.person(submission.life).losses
    }

    /// A life is in this line. What it was told to be safe just after it came to it, or after it was told that continuity is
    /// lost, is safe in the new one.
    pub fn follow_line(&mut self, life: Life, line: Epoch) {
        let person = &mut self.people[life.0 as usize];
        let is_other = core::mem::replace(&mut person.line, line) != line;
        let (now, losses) = (Some(self.now), person.losses);
        if is_other || person.lost_at == now {
            let is_new = |own: &&mut Submission| own.acked_at == now && own.acked_after == losses;
            let own = self.submissions.iter_mut().filter(|submission| submission.life == life);
            own.filter(is_new).for_each(|submission| submission.acked_in = line);
        }
    }

    /// A life is told that what was acknowledged may be lost.
    pub fn lose(&mut self, life: Life) {
        let now = self.now;
        let person = self.person_mut(life);
        (person.since, person.lost_at) = (now, Some(now));
        person.losses += 1;
    }

    /// A host's game has decided about it.
    pub fn rule(&mut self, number: u32, ruling: Ruling) {
        self.submissions[number as usize].rulings.push(ruling);
    }

    /// Its sender was told that it is safe.
    pub fn acknowledge(&mut self, number: u32) {
        let submission = &mut self.submissions[number as usize];
        let sender = &self.people[submission.life.0 as usize];
        submission.acked_at = Some(self.now);
        (submission.acked_after, submission.acked_in) = (sender.losses, sender.line);
    }
}

/// What is said, besides by whom.
#[derive(Clone, Debug)]
pub struct Said {
    /// When.
    pub at: Instant,
    /// To whom.
    pub to: Destination,
    /// What it is.
    pub kind: &'static str,
    /// Its bytes.
    pub payload: Bytes,
}

/// The length of the mark in front of every message that has room for it: `#`, the number in eight hexadecimal digits,
/// and `:`.
pub const STAMP: usize = 10;

/// The mark of a submission.
pub fn stamp(number: u32) -> [u8; STAMP] {
    let mut stamp = *b"#00000000:";
    for (digit, place) in stamp[1..STAMP - 1].iter_mut().rev().enumerate() {
        *place = b"0123456789abcdef"[(number >> (4 * digit)) as usize % 16];
    }
    stamp
}

/// What games of hosts put behind what they rewrite: no message ends so by itself.
const REWRITTEN: u8 = b'!';

/// What the game of a host makes of a message that it rewrites.
pub fn rewritten(payload: &[u8]) -> Bytes {
    [payload, &[REWRITTEN]].concat().into()
}
