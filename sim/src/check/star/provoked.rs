//! L4: nobody becomes host in another's place without a reason that lies in the world: the old host left, wanted to go,
//! died, was put out or looks at another tab, or its way, the server or the ways of half of the others were harmed not
//! long before, or the network held back what the old host said, from the server and one of the others, or from most
//! voters. At most once for each view.

use super::{Cast, Check, Chronicle, Life, News, Person, Room, Seen, Silence};
use crate::world::{SeatId, Way};
use core::time::Duration;
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{Epoch, HostCause};

/// What was harmed so long ago may still be the reason: the time to notice, to ask, and to try several candidates.
const WINDOW: Duration = Duration::from_secs(15);

/// So long ago the network may have held back what leads to another host now: the time to ask, to try some, and to force
/// one.
const HELD_BACK: Duration = Duration::from_secs(8);
/// Silences that lie so far apart count together, for so long counts what is said of a host.
const TOGETHER: Duration = Duration::from_secs(3);

/// Who has promised another host tells the server after so long that it has none.
const ALONE: Duration = Duration::from_secs(1);

/// Watches the reasons of host changes.
#[derive(Debug, Default)]
pub struct Provoked {
    /// By seat, or the server: how many harms last, and when the last one ended.
    harms: BTreeMap<Option<SeatId>, (u32, Option<Instant>)>,
    /// By lobby: the newest view, its host, and since when that is known.
    hosts: BTreeMap<Room, (Epoch, PlayerId, Instant)>,
    /// By lobby: whose votes count under that host.
    voters: BTreeMap<Room, (Epoch, Vec<PlayerId>)>,
    /// Lives that have ended or are about to leave, and when.
    over: BTreeMap<Life, Instant>,
    /// Hosts whose application wanted another, and when: one that has stopped for its successor does not go on, whoever
    /// follows it in the end.
    handing: BTreeMap<Life, Instant>,
    /// Whose tab is in the background, where no host belongs; or was, and until when.
    hidden: BTreeMap<(Room, PlayerId), (bool, Instant)>,
    /// Who has promised another host than the one in force, and since when.
    barred: BTreeMap<Life, Instant>,
    /// Whose place the server has taken last, and when.
    put_out: BTreeMap<SeatId, Instant>,
}

impl Check for Provoked {
    fn name(&self) -> &'static str {
        "provoked"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        match (life, *seen) {
            (_, Seen::Harm { seat, begins }) => {
                let (lasting, ended) = self.harms.entry(seat).or_default();
                *lasting = if begins { *lasting + 1 } else { lasting.saturating_sub(1) };
                *ended = Some(cast.now);
                Ok(())
            }
            (_, Seen::ServerRestarted) => {
                self.harms.entry(None).or_default().1 = Some(cast.now);
                Ok(())
            }
            (_, Seen::Quiet) => {
                self.harms.values_mut().filter(|(lasting, _)| *lasting > 0).for_each(|(lasting, ended)| {
                    (*lasting, *ended) = (0, Some(cast.now));
                });
                Ok(())
            }
            (Some(life), Seen::Leaves | Seen::Ended | Seen::Crashed) => {
                self.over.insert(life, cast.now);
                Ok(())
            }
            (Some(life), Seen::HandsOver) => {
                self.handing.insert(life, cast.now);
                Ok(())
            }
            (Some(life), Seen::Changed(entry)) => {
                let place = (cast.person(life).room, entry.player_id);
                if entry.hidden || self.hidden.get(&place).is_some_and(|(is_hidden, _)| *is_hidden) {
                    self.hidden.insert(place, (entry.hidden, cast.now));
                }
                Ok(())
            }
            (_, Seen::PutOut(seat)) => {
                self.put_out.insert(seat, cast.now);
                Ok(())
            }
            (Some(life), Seen::ViewChanged { epoch, host, voters }) => {
                let room = cast.person(life).room;
                self.hosts.entry(room).or_insert((epoch, host, cast.now));
                if self.voters.get(&room).is_none_or(|(known, _)| *known < epoch) {
                    self.voters.insert(room, (epoch, voters.to_vec()));
                }
                Ok(())
            }
            (Some(life), Seen::HostChanged { epoch, host, cause }) => self.host_changed(life, epoch, host, cause, cast),
            _ => Ok(()),
        }
    }

    fn step(&mut self, news: &News, _chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        self.set_barred(news.life, news.now.is_barred(), cast.now);
        Ok(())
    }
}

impl Provoked {
    fn set_barred(&mut self, life: Life, is_barred: bool, now: Instant) {
        if is_barred {
            self.barred.entry(life).or_insert(now);
        } else {
            self.barred.remove(&life);
        }
    }

    fn host_changed(
        &mut self,
        life: Life,
        epoch: Epoch,
        host: PlayerId,
        cause: Option<HostCause>,
        cast: &Cast,
    ) -> Result<(), String> {
        let room = cast.person(life).room;
        let known = self.hosts.get(&room).copied();
        if known.is_some_and(|(known, ..)| known >= epoch) {
            return Ok(());
        }
        self.hosts.insert(room, (epoch, host, cast.now));
        let Some((_, old, since)) = known.filter(|(_, old, _)| *old != host) else { return Ok(()) };
        let is_wanted = matches!(cause, None | Some(HostCause::Graceful | HostCause::Chosen));
        if is_wanted || self.has_reason(room, (old, since), cause, cast) {
            return Ok(());
        }
        Err(format!(
            "{life:?} hears that player {} is host in epoch {epoch} ({cause:?}) instead of player {}, and nothing was wrong \
             with that one",
            host.0, old.0
        ))
    }

    fn has_reason(&self, room: Room, (old, since): (PlayerId, Instant), cause: Option<HostCause>, cast: &Cast) -> bool {
        let recent = |at: Instant| cast.now.since(at) <= WINDOW;
        let harmed = |seat: Option<SeatId>| {
            self.harms.get(&seat).is_some_and(|(lasting, ended)| *lasting > 0 || ended.is_some_and(recent))
        };
        let of_room = || cast.people().filter(|(_, person)| person.room == room && person.player.is_some());
        let hosts: Vec<(Life, &Person)> = of_room().filter(|(_, person)| person.player == Some(old)).collect();
        let is_put_out = |seat: SeatId| self.put_out.get(&seat).copied().is_some_and(recent);
        let has_suffered = |life: Life, seat: SeatId| {
            let has_gone = self.over.get(&life).copied().is_some_and(recent);
            // A wish is no silence: it explains votes and force, and that voters whom it has left without a host say so.
            let has_failed = match cause {
                Some(HostCause::Voted | HostCause::Forced) => true,
                Some(HostCause::CrashSilent) => self.are_left_alone(room, old, cast),
                _ => false,
            };
            let is_handing = has_failed && self.handing.get(&life).copied().is_some_and(recent);
            harmed(Some(seat)) || is_put_out(seat) || has_gone || is_handing
        };
        // Who is gone for good is missed however late, and who has come back without its memory is not what it was.
        let is_over = |life: &Life| self.over.contains_key(life);
        let mut then = hosts.iter().filter(|(_, person)| person.entered <= since).peekable();
        let has_forgotten = then.peek().is_some() && then.all(|(life, _)| is_over(life));
        let is_dead = hosts.last().is_some_and(|(life, _)| is_over(life));
        let is_away = self.hidden.get(&(room, old)).is_some_and(|(is_hidden, until)| *is_hidden || recent(*until));
        if is_dead || has_forgotten || is_away || hosts.iter().any(|(life, person)| has_suffered(*life, person.seat)) {
            return true;
        }
        // Nobody knows itself to be that player: whoever was let in as it has not heard so.
        let unaware = cast.let_in.get(&(room, old)).copied().filter(|_| hosts.is_empty());
        let sat_there = |(_, person): &(Life, &Person)| Some(person.seat) == unaware && person.entered <= since;
        // Or it has left, or come once more as another, and does not miss that place.
        let is_lost = |(life, person): (Life, &Person)| {
            has_suffered(life, person.seat) || is_over(&life) || person.player.is_some()
        };
        if cast.people().filter(sat_there).last().is_some_and(is_lost) {
            return true;
        }
        // Nobody was there any more to be told.
        if hosts.is_empty() && unaware.is_none() {
            return true;
        }
        let is_gone = |life: &Life| self.over.get(life).copied();
        let others: Vec<bool> = of_room()
            .filter(|(life, person)| person.player != Some(old) && !person.is_guest && is_gone(life).is_none_or(recent))
            .map(|(life, person)| is_gone(&life).is_some() || harmed(Some(person.seat)))
            .collect();
        let count = others.iter().filter(|harmed| **harmed).count();
        let is_held_back = hosts.last().is_some_and(|(_, host)| self.is_held_back(room, host, cast));
        harmed(None) || count > 0 && 2 * count >= others.len() || is_held_back
    }

    /// Half of the other voters have promised another host, and have had none for a while.
    fn are_left_alone(&self, room: Room, old: PlayerId, cast: &Cast) -> bool {
        let voters = self.voters.get(&room).map_or(&[][..], |(_, voters)| voters);
        let is_voter = |person: &Person| person.player.is_some_and(|player| player != old && voters.contains(&player));
        let of_room = cast.people().filter(|(_, person)| person.room == room && is_voter(person));
        let others: Vec<Life> = of_room.map(|(life, _)| life).filter(|life| !self.over.contains_key(life)).collect();
        let is_alone = |life: &&Life| self.barred.get(life).is_some_and(|since| cast.now.since(*since) >= ALONE);
        let alone = others.iter().filter(is_alone).count();
        alone > 0 && 2 * alone >= others.len()
    }

    /// The network has held back what the host said: from the server and one of the others, or from most voters, two at
    /// least, or for long from the only other one.
    fn is_held_back(&self, room: Room, host: &Person, cast: &Cast) -> bool {
        let after = Instant::ZERO + cast.now.since(Instant::ZERO).saturating_sub(HELD_BACK);
        let silences = |way: Way| cast.hearing.silences(way, after, cast.now);
        let others = cast.people().filter(|(life, person)| {
            let is_other = person.room == room && person.player.is_some_and(|player| Some(player) != host.player);
            is_other && !person.is_guest && !self.over.contains_key(life)
        });
        let unheard = |seat: SeatId| -> Vec<Silence> {
            let direct = Way::Direct(host.seat, seat);
            // What is said directly is not said through the server.
            let relayed = silences(Way::Up(host.seat)).chain(silences(Way::Down(seat)));
            let relayed = relayed.filter(|silence| !cast.hearing.is_used(direct, silence.from));
            silences(direct).chain(relayed).collect()
        };
        let members: Vec<(PlayerId, Vec<Silence>)> =
            others.filter_map(|(_, person)| Some((person.player?, unheard(person.seat)))).collect();
        let are_together =
            |one: &Silence, other: &Silence| one.from <= other.until + TOGETHER && other.from <= one.until + TOGETHER;
        let mut server = silences(Way::Up(host.seat)).chain(silences(Way::Down(host.seat)));
        if server.any(|silence| members.iter().any(|(_, own)| own.iter().any(|own| are_together(own, &silence)))) {
            return true;
        }
        let voters = self.voters.get(&room).map_or(&[][..], |(_, voters)| voters);
        let deaf = || members.iter().filter(|(player, _)| voters.contains(player)).map(|(_, own)| own);
        let is_outvoted = |silence: &Silence| {
            let count = deaf().filter(|own| own.iter().any(|own| are_together(own, silence))).count();
            count >= 2 && 2 * count > voters.len() || voters.len() == 2 && silence.length() >= TOGETHER
        };
        deaf().flatten().any(is_outvoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { lobby: 0, made: 1 };
    const HOST: SeatId = SeatId(0);
    const OTHERS: [SeatId; 3] = [SeatId(1), SeatId(2), SeatId(3)];

    /// A way that carries nothing from one moment to another, in milliseconds.
    type Stall = (Way, u64, u64);

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Player 1 is host, players 2 to 4 vote with it. All ways are used; these are silent between those moments.
    fn is_excused(silent: &[Stall], now: u64) -> bool {
        let (mut cast, mut provoked) = (Cast::default(), Provoked::default());
        let seats = [HOST, OTHERS[0], OTHERS[1], OTHERS[2]];
        let lives: Vec<Life> = seats.iter().map(|seat| cast.enter(*seat, ROOM, false, at(0))).collect();
        for (number, life) in (1..).zip(&lives) {
            cast.person_mut(*life).player = Some(PlayerId(number));
        }
        let ways = OTHERS.map(|seat| Way::Direct(HOST, seat)).into_iter().chain([Way::Up(HOST), Way::Down(HOST)]);
        for way in ways {
            let is_silent =
                |ms: u64| silent.iter().any(|(of, from, until)| *of == way && (*from..*until).contains(&ms));
            for ms in (0..now).step_by(100) {
                cast.hearing.given(at(ms), way, at(ms + 20));
                if !is_silent(ms) {
                    cast.hearing.came(at(ms + 50), way);
                }
            }
        }
        cast.now = at(now);
        let voters = [1, 2, 3, 4].map(PlayerId);
        let (epoch, host) = (Epoch { term: 1, round: 0 }, PlayerId(1));
        let view = Seen::ViewChanged { epoch, host, voters: &voters };
        provoked.see(Some(lives[1]), &view, &cast).expect("nothing has changed");
        let changed = Seen::HostChanged {
            epoch: Epoch { term: 2, round: 0 },
            host: PlayerId(2),
            cause: Some(HostCause::CrashSilent),
        };
        provoked.see(Some(lives[1]), &changed, &cast).is_ok()
    }

    #[test]
    fn what_the_network_held_back_from_enough_at_once_is_a_reason() {
        let direct = |other: usize| Way::Direct(HOST, OTHERS[other]);
        let table: [(&[Stall], bool); 8] = [
            (&[], false),
            (&[(direct(0), 5_000, 7_000)], false),
            (&[(Way::Up(HOST), 5_000, 7_000)], false),
            (&[(Way::Up(HOST), 5_000, 7_000), (direct(0), 5_500, 6_500)], true),
            (&[(Way::Down(HOST), 5_000, 7_000), (direct(2), 5_500, 6_500)], true),
            (&[(Way::Up(HOST), 5_000, 5_300), (direct(0), 5_000, 7_000)], false),
            (&[(direct(0), 5_000, 6_000), (direct(1), 5_500, 6_500), (direct(2), 5_600, 6_200)], true),
            (&[(direct(0), 5_000, 6_000), (direct(1), 5_500, 6_500)], false),
        ];
        for (silent, expected) in table {
            assert_eq!(is_excused(silent, 9_000), expected, "{silent:?}");
        }
        assert!(!is_excused(table[3].0, 16_000), "it was too long ago");
    }

    /// Player 1 was host and player 2 is now by force, in a world that has harmed nobody but for what is done there.
    fn is_due(happens: impl FnOnce(&mut Cast, &mut Provoked, &[Life])) -> bool {
        is_due_as(HostCause::Forced, happens)
    }

    fn is_due_as(cause: HostCause, happens: impl FnOnce(&mut Cast, &mut Provoked, &[Life])) -> bool {
        let (mut cast, mut provoked) = (Cast::default(), Provoked::default());
        let seats = [HOST, OTHERS[0], OTHERS[1]];
        let lives: Vec<Life> = seats.iter().map(|seat| cast.enter(*seat, ROOM, false, at(0))).collect();
        for (number, life) in (1..).zip(&lives) {
            cast.person_mut(*life).player = Some(PlayerId(number));
        }
        let voters = [1, 2, 3].map(PlayerId);
        let view = Seen::ViewChanged { epoch: Epoch { term: 1, round: 0 }, host: PlayerId(1), voters: &voters };
        provoked.see(Some(lives[1]), &view, &cast).expect("nothing has changed");
        happens(&mut cast, &mut provoked, &lives);
        cast.now = at(60_000);
        let (epoch, cause) = (Epoch { term: 2, round: 70_000 }, Some(cause));
        provoked.see(Some(lives[1]), &Seen::HostChanged { epoch, host: PlayerId(2), cause }, &cast).is_ok()
    }

    #[test]
    fn a_host_that_is_not_what_it_was_or_wanted_to_go_is_replaced_for_a_reason() {
        let unaware = |cast: &mut Cast, life: Life| {
            cast.let_in.insert((ROOM, PlayerId(1)), HOST);
            cast.person_mut(life).player = None;
        };
        assert!(!is_due(|_, _, _| {}));
        assert!(!is_due(|cast, _, lives| unaware(cast, lives[0])), "it only waits to hear that it was let in");
        let comes_again = |cast: &mut Cast, _: &mut Provoked, lives: &[Life]| {
            unaware(cast, lives[0]);
            cast.person_mut(lives[0]).player = Some(PlayerId(4));
        };
        assert!(is_due(comes_again), "it has come again as another");
        assert!(is_due(|cast, _, lives| cast.person_mut(lives[0]).player = None), "it had gone before it was told");
        let forgets = |cast: &mut Cast, provoked: &mut Provoked, lives: &[Life]| {
            provoked.see(Some(lives[0]), &Seen::Crashed, cast).expect("it happens");
            let again = cast.enter(HOST, ROOM, false, at(1));
            cast.person_mut(again).player = Some(PlayerId(1));
        };
        assert!(is_due(forgets), "it has come back without its memory");
        let hands_over = |ms: u64, cause: HostCause, barred_at: Option<u64>| {
            is_due_as(cause, |cast, provoked, lives| {
                cast.now = at(ms);
                provoked.see(Some(lives[0]), &Seen::HandsOver, cast).expect("it happens");
                barred_at.into_iter().for_each(|ms| provoked.set_barred(lives[1], true, at(ms)));
            })
        };
        for cause in [HostCause::Forced, HostCause::Voted] {
            assert!(hands_over(50_000, cause, None) && !hands_over(40_000, cause, None), "{cause:?}");
        }
        let silent = |ms, barred_at| hands_over(ms, HostCause::CrashSilent, barred_at);
        assert!(!silent(50_000, None), "a wish is no silence");
        assert!(silent(50_000, Some(55_000)), "half of the others are left without a host");
        assert!(!silent(50_000, Some(59_500)), "and would not have said so yet");
        assert!(!silent(40_000, Some(55_000)), "nobody wanted it lately");
        assert!(!hands_over(50_000, HostCause::CrashClosed, Some(55_000)), "a wish closes no connection");
    }
}
