//! What had to arrive by now, and at whom; and why some of it cannot.

use super::cast::bit;
use super::{Cast, Life, Person, Room, Submission};
use std::collections::BTreeSet;
use webstar_core::peer::{Channel, Destination};
use webstar_core::wire::star::Ruling;

/// Why what is owed to somebody cannot arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Excuse {
    /// Nobody is left in the lobby who can be host: only spectators are.
    NobodyCanBeHost,
    /// It was acknowledged in a line that its receiver has not followed: a host was forced upon one part of the lobby
    /// while the other part went on.
    OtherLine,
}

impl Excuse {
    pub(super) fn name(self) -> &'static str {
        match self {
            Excuse::NobodyCanBeHost => "nobody_can_be_host",
            Excuse::OtherLine => "acknowledged_in_another_line",
        }
    }
}

/// A submission, and a life that it is meant for.
type Owed<'a> = (&'a Submission, Life, &'a Person);

/// The pairs of a submission on this channel and a life that must have received it by now.
pub(super) fn due(cast: &Cast, channel: Channel) -> impl Iterator<Item = Owed<'_>> {
    let hosted = hosted(cast);
    owed(cast, channel).filter(move |(submission, _, person)| excuse(&hosted, submission, person).is_none())
}

/// Those that must have been received but for an excuse.
pub(super) fn excused(cast: &Cast, channel: Channel) -> impl Iterator<Item = (Owed<'_>, Excuse)> {
    let hosted = hosted(cast);
    owed(cast, channel).filter_map(move |owed| Some((owed, excuse(&hosted, owed.0, owed.2)?)))
}

/// The lobbies in which somebody can be host.
fn hosted(cast: &Cast) -> BTreeSet<Room> {
    let players = cast.people().filter(|(_, person)| person.is_player && person.is_joined && !person.is_over);
    players.map(|(_, person)| person.room).collect()
}

fn excuse(hosted: &BTreeSet<Room>, submission: &Submission, person: &Person) -> Option<Excuse> {
    if !hosted.contains(&person.room) {
        Some(Excuse::NobodyCanBeHost)
    } else if submission.acked_at.is_some() && submission.acked_in != person.line {
        Some(Excuse::OtherLine)
    } else {
        None
    }
}

/// The pairs of a submission on this channel and a life that ought to have received it by now: both are in one lobby, the
/// receiver was there before and was known to the sender, and has not begun anew since. What is for the host, or not kept,
/// is owed within one host's life only, and what was acknowledged until its sender is told that this may be lost.
fn owed<'a>(cast: &'a Cast, channel: Channel) -> impl Iterator<Item = (&'a Submission, Life, &'a Person)> {
    let is_kept = |submission: &Submission| submission.is_kept() && submission.to != Destination::Host;
    let is_of_host_life = |host: &Person, submission: &Submission| {
        host.epoch.term == submission.epoch.term && host.hosts_since <= submission.at
    };
    let is_here = |person: &Person| person.is_joined && !person.is_over && !person.is_guest;
    let receivers = move |submission: &'a Submission| {
        cast.people().filter(move |(_, person)| {
            let Some(player) = person.player else { return false };
            is_here(person)
                && person.room == submission.room
                && (is_kept(submission) || is_of_host_life(person, submission))
                && person.since <= submission.at
                && (submission.knows & bit(player) != 0 || player == submission.player)
                && submission.is_for(player, person.host)
        })
    };
    cast.submissions()
        .iter()
        .filter(move |submission| {
            // Of what a game has rejected the last word may be that nobody hears it.
            if submission.channel != Some(channel) || submission.rulings.contains(&Ruling::Rejected) {
                return false;
            }
            let sender = cast.person(submission.life);
            let same_host = sender.epoch.term == submission.epoch.term || is_kept(submission);
            let is_trusted = !cast.distrusted.contains(&(submission.room, submission.player));
            let is_acked = submission.acked_at.is_some() && !cast.is_lost(submission);
            let is_owed = is_acked || submission.acked_at.is_none() && is_here(sender) && same_host;
            is_trusted && is_owed
        })
        .flat_map(move |submission| receivers(submission).map(move |(life, person)| (submission, life, person)))
}
