//! Whole numbers as plain clients write them: in JSON `2.0` is 2, because some engines know only such numbers.

use crate::id::PlayerId;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// The first whole number that a float cannot tell from its neighbour.
const FLOAT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// A whole number.
pub(super) fn number<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + TryFrom<u64>,
    D: Deserializer<'de>,
{
    if deserializer.is_human_readable() {
        deserializer.deserialize_u64(Whole(PhantomData))
    } else {
        T::deserialize(deserializer)
    }
}

/// A player's number.
pub(super) fn player<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PlayerId, D::Error> {
    number(deserializer).map(PlayerId)
}

/// A player's number, or none.
pub(super) fn optional_player<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PlayerId>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Player(#[serde(deserialize_with = "player")] PlayerId);
    Ok(Option::<Player>::deserialize(deserializer)?.map(|player| player.0))
}

struct Whole<T>(PhantomData<T>);

impl<T: TryFrom<u64>> Visitor<'_> for Whole<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number of {} bits", 8 * size_of::<T>())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        if (0.0..FLOAT_LIMIT).contains(&number) && number.fract() == 0.0 {
            self.visit_u64(number as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }
}
