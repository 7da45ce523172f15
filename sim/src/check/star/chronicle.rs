//! What the logs of all machines say, as far as they have been seen: which entry stands at which place, who holds it, and
//! what is committed. The checkers of the star compare with it; it judges nothing but tells what is new.

use super::{Cast, Life, Lives, Room};
use crate::trace::{content, fold};
use std::collections::BTreeMap;
use std::sync::Arc;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::{Channel, Destination, Position};
use webstar_core::star::{Content, Entry, Glance, Role, Star};
use webstar_core::wire::signal::Epoch;
use webstar_core::wire::star::Ruling;
use webstar_core::wire::view::{Proof, View};

/// A chain of views in one lobby, by the epoch of the first. What is committed in it is never taken back.
pub type Line = (Room, Epoch);

/// Rounds from here on are drawn at random: views of one term, one of them forced, may have different hosts.
const RANDOM_ROUNDS: u32 = 1 << 16;

/// The first epoch of the life of the host that an epoch belongs to: light views keep their host.
pub(super) fn host_life(epoch: Epoch) -> Epoch {
    Epoch { term: epoch.term, round: if epoch.round < RANDOM_ROUNDS { 0 } else { epoch.round } }
}

/// What stands at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// In which epoch the place was given out.
    pub epoch: Epoch,
    /// The hash of that and of what it says.
    pub digest: u64,
    /// What it says.
    pub what: What,
}

/// What an entry says, in short.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A message.
    Message {
        /// Who sent it.
        from: PlayerId,
        /// On which channel.
        channel: Channel,
        /// Its number there.
        seq: u64,
        /// Whom it is for.
        to: Destination,
        /// It has no bytes: what is for a guest, who gets them in another way, stands there so.
        is_empty: bool,
    },
    /// A message of somebody, with its channel and number, that nobody hears.
    Rejected(PlayerId, Channel, u64),
    /// Somebody is there from here on.
    Joined(PlayerId, Incarnation),
    /// Somebody is not.
    Left(PlayerId),
    /// Nothing.
    Void,
}

impl Written {
    fn of(entry: &Entry) -> Written {
        let mut digest = 0;
        let what = match &entry.content {
            Content::Message(told) => {
                words(&mut digest, [1, u64::from(told.from.0), told.channel as u64, told.seq]);
                words(&mut digest, [content(told.kind.as_str().as_bytes()), content(&told.payload)]);
                words(&mut digest, [told.ruling as u64]);
                match told.ruling {
                    Ruling::Rejected => What::Rejected(told.from, told.channel, told.seq),
                    _ => What::Message {
                        from: told.from,
                        channel: told.channel,
                        seq: told.seq,
                        to: told.to.clone(),
                        is_empty: told.payload.is_empty(),
                    },
                }
            }
            Content::Joined { player, incarnation, taken: [reliable, ordered] } => {
                words(&mut digest, [2, u64::from(player.0), u64::from(incarnation.0), *reliable, *ordered]);
                What::Joined(*player, *incarnation)
            }
            Content::Left { player } => {
                words(&mut digest, [3, u64::from(player.0)]);
                What::Left(*player)
            }
            Content::Void => What::Void,
        };
        if what != What::Void {
            // Who closes a place as void does so in its own epoch.
            words(&mut digest, [u64::from(entry.epoch.term), u64::from(entry.epoch.round)]);
        }
        Written { epoch: entry.epoch, digest, what }
    }

    /// Whether it is a message for this player; never if it is for whoever is host.
    pub fn is_for(&self, player: PlayerId) -> bool {
        let What::Message { from, to, .. } = &self.what else { return false };
        match to {
            Destination::All => true,
            Destination::Others => player != *from,
            Destination::Host => false,
            Destination::One(one) => *one == player,
            Destination::AllBut(left_out) => !left_out.contains(&player),
        }
    }

    /// What it is called.
    pub fn name(&self) -> String {
        match &self.what {
            What::Message { from, channel, seq, .. } => format!("{channel:?} {seq} of player {}", from.0),
            What::Rejected(player, channel, seq) => {
                format!("the rejection of {channel:?} {seq} of player {}", player.0)
            }
            What::Joined(player, incarnation) => format!("the coming of player {} ({incarnation:?})", player.0),
            What::Left(player) => format!("the going of player {}", player.0),
            What::Void => "nothing".into(),
        }
    }
}

fn words<const N: usize>(digest: &mut u64, words: [u64; N]) {
    words.into_iter().for_each(|word| *digest = fold(*digest, word));
}

/// A star at a glance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// What it does.
    pub role: Role,
    /// The view that it knows to be in force.
    pub epoch: Epoch,
    /// The newest view that it has promised.
    pub promised: Epoch,
    /// Its log, if it holds one: after which place it begins, in which epoch it is whole, where it ends.
    pub log: Option<(Position, Epoch, Position)>,
    /// What it knows to be committed.
    pub committed: Position,
    /// The first view of its line.
    pub since: Epoch,
    /// The host and the backups of its view.
    pub host: Option<PlayerId>,
    /// The backups.
    pub backups: Arc<[PlayerId]>,
    /// What proves its view.
    pub proof: Option<ProofKind>,
}

/// What proves a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProofKind {
    /// The server's word.
    Server,
    /// Promises, the server's among them.
    WithServer,
    /// Promises of voters alone.
    Voters,
    /// The survivor's word.
    Fork,
}

impl ProofKind {
    fn of(star: &Star) -> Option<ProofKind> {
        star.certified().map(|certified| match certified.proof {
            Proof::Server(_) => ProofKind::Server,
            Proof::Quorum { server: Some(_), .. } => ProofKind::WithServer,
            Proof::Quorum { server: None, .. } => ProofKind::Voters,
            Proof::Fork(_) => ProofKind::Fork,
        })
    }
}

impl Known {
    /// Whether a star is still the same: after nearly every step it is. What else is known of a view goes with its epoch.
    fn is_still(&self, glance: &Glance) -> bool {
        let log = glance.log.map(|(cut, end)| (cut, end.whole_in, end.end));
        let known = (self.role, self.epoch, self.promised, self.log, self.committed);
        self.host.is_some() && known == (glance.role, glance.epoch, glance.promised, log, glance.committed)
    }

    fn of(star: &Star, glance: &Glance, before: Option<&Known>) -> Known {
        let log = glance.log.map(|(cut, end)| (cut, end.whole_in, end.end));
        let same_view = before.filter(|before| before.epoch == glance.epoch && before.host.is_some());
        let (since, host, backups, proof) = match (same_view, star.view()) {
            (Some(before), _) => (before.since, before.host, before.backups.clone(), before.proof),
            (None, Some(View { since, host, backups, .. })) => {
                (*since, Some(*host), backups.as_slice().into(), ProofKind::of(star))
            }
            (None, None) => (Epoch::default(), None, Arc::default(), None),
        };
        Known {
            role: glance.role,
            epoch: glance.epoch,
            promised: glance.promised,
            log,
            committed: glance.committed,
            since,
            host,
            backups,
            proof,
        }
    }

    /// The log is whole in the term in force: what it says counts.
    pub fn is_whole(&self) -> bool {
        let is_drawn = |epoch: Epoch| epoch.round >= RANDOM_ROUNDS;
        self.log.is_some_and(|(_, whole_in, _)| {
            whole_in.term == self.epoch.term && is_drawn(whole_in) == is_drawn(self.epoch)
        })
    }

    /// Where its log ends, if it holds one.
    pub fn end(&self) -> Option<Position> {
        self.log.map(|(.., end)| end)
    }

    /// Whether it puts messages in order, or has done so in its view.
    pub fn hosts(&self) -> bool {
        matches!(self.role, Role::Hosting | Role::Frozen)
    }

    /// Whether it must take nothing from the old host any more.
    pub fn is_barred(&self) -> bool {
        matches!(self.role, Role::Barred | Role::Collecting)
    }
}

/// What the last step of a machine has changed.
#[derive(Debug)]
pub struct News {
    /// Whose.
    pub life: Life,
    /// In which line it is now.
    pub line: Line,
    /// What was known before.
    pub before: Option<Known>,
    /// What is known now.
    pub now: Known,
    /// Entries of its log that were not seen in it before; all of them if it is whole in another epoch than before.
    pub fresh: Vec<(Position, Written)>,
    /// Those are all entries of the log.
    pub is_anew: bool,
    /// Something stands in its log and is committed, and before something else was committed at that place.
    pub altered: Option<Altered>,
}

/// A committed place that says something else than before.
#[derive(Clone, Debug)]
pub struct Altered {
    /// The place.
    pub position: Position,
    /// What was committed.
    pub before: Written,
    /// What stands there now.
    pub now: Written,
}

/// What the logs say.
#[derive(Debug, Default)]
pub struct Chronicle {
    lives: Lives<Known>,
    /// By line: what is committed at each place, as the first who knew told it.
    committed: BTreeMap<Line, BTreeMap<Position, Written>>,
}

impl Chronicle {
    /// A machine was drained: what has changed, if anything has.
    pub fn step(&mut self, life: Life, (star, glance): (&Star, &Glance), cast: &Cast) -> Option<News> {
        let before = self.lives.get(life);
        if before.is_some_and(|before| before.is_still(glance)) {
            return None;
        }
        let now = Known::of(star, glance, before);
        if before == Some(&now) {
            return None;
        }
        let goes_on = |before: &&Known| before.is_whole() && now.is_whole() && before.epoch.term == now.epoch.term;
        let same = |before: &Known| Some(before).filter(goes_on).and_then(|before| before.log);
        let (cut, ..) = now.log.unwrap_or_default();
        let seen = before.and_then(same).map(|(_, _, end)| end);
        // A log that is whole in another epoch may have lost or got anything; one that goes on only grows.
        let is_new = |entry: &&Entry| entry.position > seen.unwrap_or(cut);
        let mut fresh: Vec<_> =
            star.entries().rev().take_while(is_new).map(|entry| (entry.position, Written::of(entry))).collect();
        fresh.reverse();
        let line = (cast.person(life).room, now.since);
        let from = before.filter(|_| seen.is_some()).map_or(cut, |before| before.committed);
        let altered =
            if now.is_whole() && now.committed > from { self.commit(line, star, from, now.committed) } else { None };
        let before = self.lives.insert(life, now.clone());
        Some(News { life, line, before, now, fresh, is_anew: seen.is_none(), altered })
    }

    /// Notes what is committed beyond a place; tells the first that was something else before.
    fn commit(&mut self, line: Line, star: &Star, from: Position, to: Position) -> Option<Altered> {
        let places = self.committed.entry(line).or_default();
        let mut altered = None;
        let new =
            star.entries().rev().skip_while(|entry| entry.position > to).take_while(|entry| entry.position > from);
        for entry in new {
            let now = Written::of(entry);
            let before = places.entry(entry.position).or_insert_with(|| now.clone());
            if before.digest != now.digest {
                altered = Some(Altered { position: entry.position, before: before.clone(), now });
            }
        }
        altered
    }

    /// What is committed in a line, from a place on.
    pub fn committed(&self, line: Line, from: Position) -> impl Iterator<Item = (Position, &Written)> {
        let places = self.committed.get(&line);
        places.into_iter().flat_map(move |places| places.range(from..)).map(|(position, written)| (*position, written))
    }

    /// What is committed at a place.
    pub fn at(&self, line: Line, position: Position) -> Option<&Written> {
        self.committed.get(&line)?.get(&position)
    }

    /// What is known of a star.
    pub fn known(&self, life: Life) -> Option<&Known> {
        self.lives.get(life)
    }

    /// The line of a life.
    pub fn line(&self, life: Life, cast: &Cast) -> Option<Line> {
        self.lives.get(life).map(|known| (cast.person(life).room, known.since))
    }
}
