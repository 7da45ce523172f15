//! Words of the star that messages are made of: which promise, which kind.

use super::MAX_KIND;
use core::borrow::Borrow;
use std::sync::Arc;

/// What is promised for a message through the star.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    /// Sent once.
    Unreliable,
    /// The newest of its sender, kind and destination arrives; older ones are dropped wherever a newer one is known.
    Latest,
    /// Arrives once, as soon as it can.
    Reliable,
    /// Arrives once, in one order for everybody.
    Ordered,
}

impl Channel {
    /// All of them.
    pub const ALL: [Channel; 4] = [Channel::Unreliable, Channel::Latest, Channel::Reliable, Channel::Ordered];
}

/// What a message is, in the application's words: at most 64 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(Arc<str>);

impl Kind {
    /// Checks the name.
    pub fn new(name: &str) -> Option<Self> {
        (1..=MAX_KIND).contains(&name.len()).then(|| Kind(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Kind {
    fn borrow(&self) -> &str {
        &self.0
    }
}
