//! Whether a packet is lost: one by one, or in bursts that come and go with time. Queues and cuts are not told here.

use super::config::{Bursts, LinkConfig};
use super::dice::{Ask, Dice, Fate};
use crate::seed::{Draw, nanos};
use core::time::Duration;
use webstar_core::time::Instant;

/// Why a packet was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lost {
    /// By itself.
    Alone,
    /// In a bad spell.
    InBurst,
}

/// The loss of one direction.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    dice: Dice,
    alone: f64,
    bursts: Option<Bursts>,
    /// Whether the present spell is a bad one, when it ends, and how many there were.
    bad: bool,
    until: Instant,
    spells: u64,
}

impl Loss {
    pub(super) fn new(draw: &mut Draw, now: Instant, config: &LinkConfig) -> Self {
        let mut loss =
            Loss { dice: Dice::new(draw), alone: 0.0, bursts: None, bad: false, until: Instant::ZERO, spells: 0 };
        loss.set(now, config);
        loss
    }

    /// From now on these are the conditions. Bursts that change begin with a good spell.
    pub(super) fn set(&mut self, now: Instant, config: &LinkConfig) {
        self.alone = config.loss;
        if self.bursts != config.bursts {
            self.bursts = config.bursts;
            self.bad = false;
            self.until = now;
            if let Some(bursts) = self.bursts {
                let spell = self.spell(bursts);
                self.until += spell;
            }
        }
    }

    /// Asks for a packet of this fate sent now. Time must not run backwards.
    pub(super) fn strikes(&mut self, now: Instant, fate: Fate) -> Option<Lost> {
        if let Some(bursts) = self.bursts {
            while self.until <= now {
                self.bad = !self.bad;
                let spell = self.spell(bursts);
                self.until += spell;
            }
            if self.bad {
                return Some(Lost::InBurst);
            }
        }
        fate.chance(Ask::Loss, self.alone).then_some(Lost::Alone)
    }

    /// The length of the next spell. Good ones are longer by the ratio of the shares.
    fn spell(&mut self, bursts: Bursts) -> Duration {
        let bad = nanos(bursts.mean) as f64;
        let share = bursts.share.clamp(1e-6, 0.999);
        let mean = if self.bad { bad } else { bad * (1.0 - share) / share };
        self.spells += 1;
        let length = self.dice.fate(self.spells).exponential(Ask::Spell, mean as u64);
        // Not shorter than a microsecond: a zero-length mean must not spin.
        Duration::from_nanos(length.max(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn bursts_have_their_share_and_length_in_time() {
        let config =
            LinkConfig { bursts: Some(Bursts { mean: ms(500), share: 0.2 }), loss: 0.0, ..LinkConfig::default() };
        let mut loss = Loss::new(&mut Seed::new(1).stream("loss"), Instant::ZERO, &config);
        let dice = Dice::new(&mut Seed::new(1).stream("dice"));
        let (mut lost, mut runs, mut before) = (0u64, 0u64, false);
        let total = 400_000;
        for number in 0..total {
            let now = Instant::ZERO + ms(10 * number);
            let hit = loss.strikes(now, dice.fate(number)) == Some(Lost::InBurst);
            lost += u64::from(hit);
            runs += u64::from(hit && !before);
            before = hit;
        }
        let share = lost as f64 / total as f64;
        let mean_ms = lost as f64 * 10.0 / runs as f64;
        assert!((0.18..0.22).contains(&share), "{share}");
        assert!((450.0..560.0).contains(&mean_ms), "{mean_ms}");
    }

    #[test]
    fn iid_loss_strikes_at_its_rate_and_alone() {
        let config = LinkConfig { loss: 0.3, ..LinkConfig::default() };
        let mut loss = Loss::new(&mut Seed::new(2).stream("loss"), Instant::ZERO, &config);
        let dice = Dice::new(&mut Seed::new(2).stream("dice"));
        let mut hit = |number| loss.strikes(Instant::ZERO, dice.fate(number)) == Some(Lost::Alone);
        let (mut lost, mut pairs) = (0, 0);
        for number in 0..50_000 {
            let (first, second) = (hit(2 * number), hit(2 * number + 1));
            lost += u32::from(first) + u32::from(second);
            pairs += u32::from(first && second);
        }
        assert!((29_400..30_600).contains(&lost), "{lost}");
        assert!((4_300..4_700).contains(&pairs), "{pairs}");
    }

    #[test]
    fn a_long_silence_is_caught_up() {
        let config = LinkConfig { bursts: Some(Bursts { mean: ms(100), share: 0.5 }), ..LinkConfig::default() };
        let mut loss = Loss::new(&mut Seed::new(3).stream("loss"), Instant::ZERO, &config);
        let dice = Dice::new(&mut Seed::new(3).stream("dice"));
        loss.strikes(Instant::ZERO + Duration::from_secs(600), dice.fate(0));
        assert!((4_000..8_000).contains(&loss.spells), "{}", loss.spells);
        loss.set(Instant::ZERO, &LinkConfig::default());
        assert_eq!(loss.strikes(Instant::ZERO, dice.fate(1)), None);
    }
}
