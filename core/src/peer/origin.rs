//! What a player is born with: the dice it throws, and what it signs with. All of it grows from one seed, but whoever
//! knows the dice knows nothing of the key: so a recording can hold them.

use crate::wire::view::SigningKey;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// The seeds of a player's generators.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Dice {
    hub: [u8; 32],
    weather: [u8; 32],
    pauses: [u8; 32],
}

/// What a player is born with.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) dice: Dice,
    pub(crate) key: SigningKey,
}

impl Origin {
    /// What grows from a seed.
    pub(crate) fn of_seed(seed: &[u8; 32]) -> Self {
        let mut random = ChaCha8Rng::from_seed(*seed);
        let (hub, weather) = (drawn(&mut random), drawn(&mut random));
        let key = SigningKey::from_seed(&random.random());
        Origin { dice: Dice { hub, weather, pauses: drawn(&mut random) }, key }
    }
}

impl Dice {
    pub(super) fn hub(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.hub)
    }

    pub(super) fn weather(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.weather)
    }

    pub(super) fn pauses(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.pauses)
    }
}

fn drawn(random: &mut ChaCha8Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    random.fill_bytes(&mut seed);
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_do_not_tell_the_key() {
        let Origin { dice, key } = Origin::of_seed(&[7; 32]);
        for seed in [dice.hub, dice.weather, dice.pauses] {
            assert_ne!(SigningKey::from_seed(&seed).public(), key.public());
            let mut random = ChaCha8Rng::from_seed(seed);
            for _ in 0..64 {
                assert_ne!(SigningKey::from_seed(&drawn(&mut random)).public(), key.public());
            }
        }
    }
}
