//! The rules that a host holds its members to without asking its game: how many messages a second, how long, how fast a
//! place may move. Counts who breaks them. What it has seen is known to this host alone: another begins afresh.

use crate::config::{NumberForm, PlayerConfig, SpeedLimit};
use crate::id::PlayerId;
use crate::players::Players;
use crate::star::{Kind, ProposalId, Verdict};
use crate::time::{Duration, Instant};
use std::collections::{BTreeSet, VecDeque};

/// A strike is forgiven for every such time without another.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10);
/// What comes at once because the network, or a change of host, held it back for so many seconds breaks no rule.
const HELD_BACK: f64 = 3.0;
/// What is too much or too fast is so in many messages at once: it counts as one strike in such a time.
const STRIKES_EVERY: Duration = Duration::from_secs(1);
/// Who is to be put out and is still there is asked for again after this.
const ASKED_EVERY: Duration = Duration::from_secs(2);

/// What can be broken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rule {
    /// `referee_rate`: too many messages.
    Rate,
    /// `referee_size`: too long a message.
    Size,
    /// `referee_speeds`: too far in too short a time, or no place where one should be.
    Speed,
}

impl Rule {
    /// Its name, which is also why a message is rejected that breaks it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Rate => "rate",
            Rule::Size => "size",
            Rule::Speed => "speed",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Place([f64; SpeedLimit::MOST]);

impl Place {
    /// None: the numbers are not all there, or are none.
    fn read(limit: &SpeedLimit, payload: &[u8]) -> Option<Place> {
        let mut place = Place([0.0; SpeedLimit::MOST]);
        let (numbers, _) = payload.get(limit.offset..)?.as_chunks::<4>();
        let numbers = numbers.get(..limit.count)?;
        for (axis, bytes) in place.0.iter_mut().zip(numbers) {
            *axis = match limit.form {
                NumberForm::F32 => f64::from(f32::from_le_bytes(*bytes)),
                NumberForm::I32 => f64::from(i32::from_le_bytes(*bytes)),
            };
        }
        place.0.iter().all(|axis| axis.is_finite()).then_some(place)
    }

    fn distance(self, other: Place) -> f64 {
        self.0.iter().zip(other.0).map(|(one, other)| (one - other) * (one - other)).sum::<f64>().sqrt()
    }
}

/// Where something of a player is.
#[derive(Clone, Debug)]
struct Track {
    /// Where it is, and by the so manyeth move: decisions may come in another order.
    stands: Option<(u64, Place)>,
    /// Where it wants to go, while the game has not decided.
    wishes: VecDeque<Wish>,
    moves: u64,
    moved_at: Instant,
    /// Seconds that it has saved up.
    spare: f64,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    id: ProposalId,
    number: u64,
    place: Place,
}

/// What is known of a player.
#[derive(Debug)]
struct Record {
    /// Messages that it may say at once.
    allowance: f64,
    counted_at: Instant,
    strikes: u32,
    struck_at: Instant,
    /// When it was asked to be put out last.
    asked_at: Option<Instant>,
    /// As many as there are limits.
    tracks: Vec<Track>,
}

/// Holds members to the rules.
#[derive(Debug)]
pub(super) struct Referee {
    rate: Option<f64>,
    size: Option<usize>,
    speeds: Vec<SpeedLimit>,
    kick_at: Option<u32>,
    records: Players<Record>,
    offenders: BTreeSet<PlayerId>,
}

impl Referee {
    /// Nobody has said anything.
    pub(super) fn new(config: &PlayerConfig) -> Self {
        Referee {
            rate: config.referee_rate,
            size: config.referee_size,
            speeds: config.referee_speeds.clone(),
            kick_at: config.referee_kick_at,
            records: Players::new(),
            offenders: BTreeSet::new(),
        }
    }

    /// It has seen this player.
    pub(super) fn knows(&self, player: PlayerId) -> bool {
        self.records.contains_key(&player)
    }

    /// Who is not there any more is forgotten.
    pub(super) fn retain(&mut self, is_there: impl Fn(PlayerId) -> bool) {
        self.records.retain(|player, _| is_there(*player));
    }

    /// Another reign: where everybody is has been seen by others.
    pub(super) fn forget_places(&mut self) {
        for record in self.records.values_mut() {
            for track in &mut record.tracks {
                track.stands = None;
                track.wishes.clear();
            }
        }
    }

    /// Whether a message keeps to the rules. With a name: its place counts once the game has decided.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        from: PlayerId,
        kind: &Kind,
        payload: &[u8],
        proposal: Option<ProposalId>,
    ) -> Result<(), Rule> {
        let most = self.rate.map_or(0.0, |rate| (rate * HELD_BACK).max(1.0));
        let track = || Track { stands: None, wishes: VecDeque::new(), moves: 0, moved_at: now, spare: HELD_BACK };
        let fresh = || Record {
            allowance: most,
            counted_at: now,
            strikes: 0,
            struck_at: now,
            asked_at: None,
            tracks: self.speeds.iter().map(|_| track()).collect(),
        };
        let record = self.records.get_or_insert_with(from, fresh);
        if let Some(rate) = self.rate {
            let passed = now.since(record.counted_at).as_secs_f64();
            record.allowance = (record.allowance + rate * passed).min(most);
            record.counted_at = now;
            if record.allowance < 1.0 {
                return Err(Rule::Rate);
            }
            record.allowance -= 1.0;
        }
        if self.size.is_some_and(|most| payload.len() > most) {
            return Err(Rule::Size);
        }
        let moves = self.speeds.iter().zip(&mut record.tracks).find(|(limit, _)| limit.kind == kind.as_str());
        let is_there = moves.is_none_or(|(limit, track)| track.go(now, limit, payload, proposal));
        if is_there { Ok(()) } else { Err(Rule::Speed) }
    }

    /// The game has decided about a message that kept to the rules.
    pub(super) fn on_decided(&mut self, proposal: ProposalId, verdict: &Verdict) {
        for record in self.records.values_mut() {
            for (track, limit) in record.tracks.iter_mut().zip(&self.speeds) {
                let Ok(index) = track.wishes.binary_search_by_key(&proposal, |wish| wish.id) else { continue };
                let Some(Wish { number, place, .. }) = track.wishes.remove(index) else { return };
                let goes_to = match verdict {
                    Verdict::Accept => Some(place),
                    Verdict::Rewrite(payload) => Place::read(limit, payload),
                    Verdict::Reject(_) => None,
                };
                if track.stands.is_none_or(|(newest, _)| newest < number) {
                    track.stands = goes_to.map(|place| (number, place)).or(track.stands);
                }
                return;
            }
        }
    }

    /// A player has broken a rule: tells its strikes.
    pub(super) fn strike(&mut self, now: Instant, player: PlayerId, rule: Rule) -> u32 {
        let Some(record) = self.records.get_mut(&player) else { return 0 };
        let is_one_of_many = record.strikes > 0 && now.since(record.struck_at) < STRIKES_EVERY;
        if rule != Rule::Size && is_one_of_many {
            return record.strikes;
        }
        let forgiven = now.since(record.struck_at).as_nanos() / FORGIVEN_AFTER.as_nanos();
        let forgiven = u32::try_from(forgiven).unwrap_or(u32::MAX);
        record.strikes = record.strikes.saturating_sub(forgiven).saturating_add(1);
        record.struck_at = now;
        let was_asked = record.asked_at.is_some_and(|at| now.since(at) < ASKED_EVERY);
        if !was_asked && self.kick_at.is_some_and(|most| record.strikes >= most) {
            record.asked_at = Some(now);
            self.offenders.insert(player);
        }
        record.strikes
    }

    /// Who is to be put out.
    pub(super) fn take_offenders(&mut self) -> BTreeSet<PlayerId> {
        core::mem::take(&mut self.offenders)
    }
}

impl Track {
    /// False: it cannot have got there.
    fn go(&mut self, now: Instant, limit: &SpeedLimit, payload: &[u8], proposal: Option<ProposalId>) -> bool {
        let Some(place) = Place::read(limit, payload) else { return false };
        let wished = self.wishes.back().map(|wish| (wish.number, wish.place));
        let last = [wished, self.stands].into_iter().flatten().max_by_key(|(number, _)| *number);
        if let Some((_, last)) = last {
            let time = now.since(self.moved_at).as_secs_f64() + self.spare;
            let needed = place.distance(last) / limit.per_second;
            if needed > time {
                return false;
            }
            self.spare = (time - needed).min(HELD_BACK);
        }
        self.moved_at = now;
        self.moves += 1;
        match proposal {
            Some(id) => self.wishes.push_back(Wish { id, number: self.moves, place }),
            None => self.stands = Some((self.moves, place)),
        }
        true
    }
}

#[cfg(test)]
#[path = "referee_tests.rs"]
mod tests;
