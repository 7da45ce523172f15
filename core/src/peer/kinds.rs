//! Numbers for kinds: which this player has given, which of them a link's other side knows, and which it has told us.

use super::event::Kind;
use crate::id::MessageId;
use crate::wire::star::MAX_KINDS;
use std::collections::BTreeMap;

/// The numbers this player has given, the same for all links. The first [`MAX_KINDS`] kinds get one.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    numbers: BTreeMap<Kind, Option<u16>>,
    given: u16,
}

/// Unnumbered kinds that are remembered, so that a kind in use is not allocated for every message.
const REMEMBERED: usize = 1024;

impl Numbering {
    /// The kind of that name with its number, if it has one. `None`: no such kind can be.
    pub(super) fn find(&mut self, name: &str) -> Option<(Kind, Option<u16>)> {
        if let Some((kind, number)) = self.numbers.get_key_value(name) {
            return Some((kind.clone(), *number));
        }
        let kind = Kind::new(name)?;
        let number = (usize::from(self.given) < MAX_KINDS).then_some(self.given + 1);
        if number.is_some() || self.numbers.len() < REMEMBERED {
            self.given += u16::from(number.is_some());
            self.numbers.insert(kind.clone(), number);
        }
        Some((kind, number))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Teaching {
    /// The definition has left.
    Told,
    /// It was acknowledged.
    Known,
}

/// Which of our numbers the other side of a link knows.
#[derive(Debug, Default)]
pub(super) struct Taught {
    numbers: BTreeMap<u16, Teaching>,
    told: BTreeMap<MessageId, u16>,
}

impl Taught {
    /// Whether messages may carry the number alone.
    pub(super) fn is_known(&self, number: u16) -> bool {
        self.numbers.get(&number) == Some(&Teaching::Known)
    }

    /// Whether the definition has still to be sent.
    pub(super) fn is_untold(&self, number: u16) -> bool {
        !self.numbers.contains_key(&number)
    }

    /// The definition has left in this message.
    pub(super) fn on_told(&mut self, number: u16, message: MessageId) {
        self.numbers.insert(number, Teaching::Told);
        self.told.insert(message, number);
    }

    /// A message was acknowledged; true if it was a definition.
    pub(super) fn on_acked(&mut self, message: MessageId) -> bool {
        let Some(number) = self.told.remove(&message) else { return false };
        self.numbers.insert(number, Teaching::Known);
        true
    }
}

/// What the numbers of the other side of a link stand for.
#[derive(Debug, Default)]
pub(super) struct Learned {
    kinds: BTreeMap<u16, Kind>,
}

impl Learned {
    /// The number stands for that kind from now on. A number is never defined anew.
    pub(super) fn learn(&mut self, number: u16, kind: Kind) {
        self.kinds.entry(number).or_insert(kind);
    }

    /// The kind behind a number.
    pub(super) fn get(&self, number: u16) -> Option<&Kind> {
        self.kinds.get(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_kinds_get_numbers_and_the_rest_travel_by_name() {
        let mut numbering = Numbering::default();
        for round in 0..2 {
            for at in 0..2000 {
                let (kind, number) = numbering.find(&format!("kind {at}")).expect("it is short");
                assert_eq!(kind.as_str(), format!("kind {at}"));
                assert_eq!(number, (at < MAX_KINDS).then_some(at as u16 + 1), "round {round}");
            }
        }
        assert_eq!(numbering.numbers.len(), REMEMBERED);
        assert!(numbering.find("").is_none() && numbering.find(&"x".repeat(65)).is_none());
    }

    #[test]
    fn a_number_is_known_once_its_definition_is_acknowledged() {
        let mut taught = Taught::default();
        assert!(taught.is_untold(1) && !taught.is_known(1));
        taught.on_told(1, MessageId(5));
        assert!(!taught.is_untold(1) && !taught.is_known(1));
        assert!(!taught.on_acked(MessageId(4)));
        assert!(taught.on_acked(MessageId(5)) && taught.is_known(1));
    }
}
