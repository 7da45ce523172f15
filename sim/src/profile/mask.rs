//! What is left out of what a seed has drawn, to find out what a failure needs. Nothing is renumbered by it: what is left
//! in goes by the number that it has in the whole plan.

use core::fmt;
use core::str::FromStr;
use serde::Serialize;
use std::collections::BTreeSet;

/// What is left out of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Mask {
    /// Faults, by their number in the plan. One that ends another's harm is left out with it by whoever chooses.
    pub faults: Numbers,
    /// Seats: nobody ever comes there.
    pub seats: Numbers,
    /// Moments at which something is said, by their number in the order of time.
    pub messages: Numbers,
}

impl Mask {
    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.faults.0.is_empty() && self.seats.0.is_empty() && self.messages.0.is_empty()
    }
}

/// As the options of the command line that leave it out.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, numbers) in [("faults", &self.faults), ("seats", &self.seats), ("messages", &self.messages)] {
            if !numbers.0.is_empty() {
                write!(f, " --without-{name} {numbers}")?;
            }
        }
        Ok(())
    }
}

/// Some numbers; in words `0-4,7,9-12`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Numbers(pub BTreeSet<u32>);

impl Numbers {
    /// Whether this one is among them.
    pub fn has(&self, number: usize) -> bool {
        u32::try_from(number).is_ok_and(|number| self.0.contains(&number))
    }
}

/// The most numbers that a text may stand for.
const MOST: u32 = 1_000_000;

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no list of numbers; write `0-4,7`");
        let mut numbers = BTreeSet::new();
        if text.is_empty() {
            return Ok(Numbers(numbers));
        }
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to): (u32, u32) = (from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?);
            if from > to || to >= MOST {
                return Err(wrong());
            }
            numbers.extend(from..=to);
        }
        Ok(Numbers(numbers))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(from) = rest.next() {
            let mut to = from;
            while let Some(next) = rest.next_if_eq(&(to + 1)) {
                to = next;
            }
            if from == to {
                write!(f, "{comma}{from}")?;
            } else {
                write!(f, "{comma}{from}-{to}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for text in ["0", "0-4,7,9-12", "3,5"] {
            assert_eq!(text.parse::<Numbers>().map(|numbers| numbers.to_string()), Ok(text.into()));
        }
        assert_eq!("4,3,2".parse::<Numbers>().map(|numbers| numbers.to_string()), Ok("2-4".into()));
        assert_eq!("".parse(), Ok(Numbers::default()));
        for wrong in ["x", "4-3", "1,", "-", "0-99999999"] {
            assert!(wrong.parse::<Numbers>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mask_is_told_as_the_options_that_make_it() {
        let numbers = |text: &str| text.parse::<Numbers>().expect("it is a list");
        let mask = Mask { faults: numbers("1-3"), seats: Numbers::default(), messages: numbers("0-9,12") };
        assert_eq!(mask.to_string(), " --without-faults 1-3 --without-messages 0-9,12");
        assert!(!mask.is_empty() && Mask::default().is_empty());
    }
}
