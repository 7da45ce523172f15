//! Arbitrary bytes read as a script: numbers, choices and stretches of bytes, one after the other. When the bytes are
//! used up it reads zeros, so that every script has an end and means something.

use webstar_core::time::Instant;

/// A moment of a script, kept in the first half of time (146 years): at its very end every deadline has come.
pub(super) fn within_time(moment: Instant) -> Instant {
    moment.min(Instant::from_nanos(1 << 62))
}

/// A script being read.
#[derive(Clone, Debug)]
pub(super) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Script { rest: bytes }
    }

    /// Whether all has been read.
    pub(super) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(super) fn long(&mut self) -> u32 {
        u32::from_le_bytes(core::array::from_fn(|_| self.byte()))
    }

    pub(super) fn longest(&mut self) -> u64 {
        u64::from_le_bytes(core::array::from_fn(|_| self.byte()))
    }

    /// A number of any size, the small ones in few bytes: a byte tells how many follow.
    pub(super) fn scaled(&mut self) -> u64 {
        match self.byte() {
            small @ 0..200 => u64::from(small),
            200..230 => u64::from(self.word()),
            230..250 => u64::from(self.long()),
            250..=255 => self.longest(),
        }
    }

    /// One of `choices`.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// The next bytes, at most `count`.
    pub(super) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}
