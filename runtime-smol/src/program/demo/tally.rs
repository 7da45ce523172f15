//! Who has said and heard what, as the application sees it, and what is wrong with that.

use super::payload::Said;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::peer::Channel;

/// Everything that is wrong. Nothing of it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Faults {
    /// Kept messages that somebody who was there all the time has not heard.
    pub(super) lost: u64,
    pub(super) duplicated: u64,
    /// Ordered messages out of the one order, and latest ones older than one before.
    pub(super) reordered: u64,
    /// Messages that are not what was said.
    pub(super) altered: u64,
}

/// What one has heard of another on a channel.
#[derive(Debug, Default)]
struct Ear {
    /// All numbers up to here were heard, or will be no more.
    upto: u64,
    /// Those heard beyond.
    beyond: BTreeSet<u64>,
    highest: u64,
}

/// One player.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) sent: [u64; Channel::ALL.len()],
    acked: [u64; Channel::ALL.len()],
    pub(super) delivered: u64,
    ears: BTreeMap<(PlayerId, u8), Ear>,
    /// The ordered messages in the order in which they were heard.
    order: Vec<(PlayerId, u64)>,
    /// When the last ordered message was heard.
    heard_at: Option<Instant>,
    pub(super) is_gone: bool,
}

/// All players.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) seats: BTreeMap<PlayerId, Seat>,
    faults: Faults,
    /// Since when silence is measured, and the longest.
    silence: Option<(Instant, Duration)>,
}

impl Tally {
    /// A message was taken.
    pub(super) fn on_sent(&mut self, by: PlayerId, channel: Channel) {
        self.seats.entry(by).or_default().sent[channel as usize] += 1;
    }

    /// A message is safe.
    pub(super) fn on_acked(&mut self, by: PlayerId, channel: Channel) {
        let seat = self.seats.entry(by).or_default();
        if !seat.is_gone {
            seat.acked[channel as usize] += 1;
        }
    }

    /// A message was heard.
    pub(super) fn on_heard(&mut self, now: Instant, by: PlayerId, channel: Channel, from: PlayerId, bytes: &[u8]) {
        let seat = self.seats.entry(by).or_default();
        if seat.is_gone {
            return;
        }
        seat.delivered += 1;
        let said = Said::read(bytes).filter(|said| (said.from, said.channel) == (from, channel as u8));
        let Some(Said { number, .. }) = said else {
            self.faults.altered += 1;
            return;
        };
        let ear = seat.ears.entry((from, channel as u8)).or_default();
        let is_double = number <= ear.upto || !ear.beyond.insert(number);
        let is_late = number < ear.highest;
        ear.highest = ear.highest.max(number);
        while ear.beyond.remove(&(ear.upto + 1)) {
            ear.upto += 1;
        }
        self.faults.duplicated += u64::from(is_double);
        let is_in_order = matches!(channel, Channel::Ordered | Channel::Latest);
        self.faults.reordered += u64::from(is_in_order && is_late && !is_double);
        if channel == Channel::Ordered {
            seat.order.push((from, number));
            let before = seat.heard_at.replace(now);
            if let Some((since, longest)) = &mut self.silence {
                let pause = now.saturating_duration_since(before.map_or(*since, |before| before.max(*since)));
                *longest = pause.max(*longest);
            }
        }
    }

    /// From now on the longest silence is measured.
    pub(super) fn begin_silence(&mut self, now: Instant) {
        self.silence = Some((now, Duration::ZERO));
    }

    /// The longest time since then in which one who is there has heard nothing ordered.
    pub(super) fn end_silence(&mut self) -> Duration {
        self.silence.take().map_or(Duration::ZERO, |(_, longest)| longest)
    }

    /// Kept messages that are still to be heard: all that those said who are there, and of those who are gone what was
    /// told to be safe.
    pub(super) fn missing(&self) -> u64 {
        let mut missing = 0;
        for (from, sender) in &self.seats {
            let owed = if sender.is_gone { &sender.acked } else { &sender.sent };
            for channel in [Channel::Ordered, Channel::Reliable] {
                let owed = owed[channel as usize];
                for seat in self.seats.values().filter(|seat| !seat.is_gone) {
                    let heard = seat.ears.get(&(*from, channel as u8)).map_or(0, |ear| ear.heard(owed));
                    missing += owed - heard;
                }
            }
        }
        missing
    }

    /// What is wrong.
    pub(super) fn faults(&self) -> Faults {
        let mut orders = self.seats.values().filter(|seat| !seat.is_gone).map(|seat| &seat.order);
        let first = orders.next();
        let apart = |order: &Vec<_>| first.map_or(0, |first| first.iter().zip(order).filter(|(a, b)| a != b).count());
        let apart: usize = orders.map(apart).sum();
        let reordered = self.faults.reordered + u64::try_from(apart).unwrap_or(u64::MAX);
        Faults { lost: self.missing(), reordered, ..self.faults }
    }

    pub(super) fn sent(&self) -> u64 {
        self.seats.values().flat_map(|seat| seat.sent).sum()
    }

    pub(super) fn delivered(&self) -> u64 {
        self.seats.values().map(|seat| seat.delivered).sum()
    }
}

impl Ear {
    /// How many of the first so many were heard.
    fn heard(&self, owed: u64) -> u64 {
        let beyond = self.beyond.range(..=owed).count();
        self.upto.min(owed) + u64::try_from(beyond).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PlayerId = PlayerId(1);
    const BOB: PlayerId = PlayerId(2);

    /// What both have heard of Ann on a channel after she has said three things.
    fn tally(channel: Channel, anns: &[u64], bobs: &[u64]) -> Tally {
        let mut tally = Tally::default();
        let now = Instant::now();
        (0..3).for_each(|_| tally.on_sent(ANN, channel));
        for (by, heard) in [(ANN, anns), (BOB, bobs)] {
            tally.seats.entry(by).or_default();
            heard.iter().for_each(|number| {
                let bytes = Said::new(ANN, channel, *number).write();
                tally.on_heard(now, by, channel, ANN, &bytes);
            });
        }
        tally
    }

    #[test]
    fn what_is_wrong_is_counted() {
        use Channel::{Latest, Ordered, Reliable, Unreliable};
        let (good, none) = ([1, 2, 3], Faults::default());
        let table = [
            (Ordered, &good[..], none),
            (Ordered, &[1, 3], Faults { lost: 1, reordered: 1, ..none }),
            (Ordered, &[1, 2, 2, 3], Faults { duplicated: 1, reordered: 1, ..none }),
            (Ordered, &[1, 3, 2], Faults { reordered: 3, ..none }),
            (Reliable, &[3, 1, 2], none),
            (Reliable, &[3, 1], Faults { lost: 1, ..none }),
            (Reliable, &[3, 1, 2, 3], Faults { duplicated: 1, ..none }),
            (Latest, &[3], none),
            (Latest, &[3, 2], Faults { reordered: 1, ..none }),
            (Unreliable, &[2], none),
            (Unreliable, &[2, 1, 2], Faults { duplicated: 1, ..none }),
        ];
        for (channel, heard, faults) in table {
            assert_eq!(tally(channel, &good, heard).faults(), faults, "{channel:?} {heard:?}");
        }
    }

    #[test]
    fn of_who_is_gone_only_what_was_safe_is_owed() {
        let mut tally = tally(Channel::Ordered, &[], &[1, 2]);
        assert_eq!(tally.missing(), 4);
        tally.on_acked(ANN, Channel::Ordered);
        tally.seats.get_mut(&ANN).unwrap().is_gone = true;
        assert_eq!(tally.missing(), 0);
        tally.on_heard(Instant::now(), BOB, Channel::Ordered, ANN, b"noise");
        assert_eq!(tally.faults(), Faults { altered: 1, ..Faults::default() });
    }

    #[test]
    fn silence_is_the_longest_pause_of_anybody() {
        let mut tally = Tally::default();
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let hear = |tally: &mut Tally, millis, by, number| {
            tally.on_heard(at(millis), by, Channel::Ordered, ANN, &Said::new(ANN, Channel::Ordered, number).write());
        };
        hear(&mut tally, 0, ANN, 1);
        hear(&mut tally, 10, BOB, 1);
        tally.begin_silence(at(100));
        hear(&mut tally, 130, ANN, 2);
        hear(&mut tally, 190, BOB, 2);
        hear(&mut tally, 210, ANN, 3);
        assert_eq!(tally.end_silence(), Duration::from_millis(90));
        assert_eq!(tally.end_silence(), Duration::ZERO);
    }
}
