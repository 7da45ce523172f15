//! The sender's half of the shield: keeps the symbols that are still unacknowledged and combines them into repairs.
//! When a repair is worth its bytes, how many go out and how they stand in a packet is the session's affair.

use super::{MAX_SYMBOL, Plan, WINDOW, coefficient, covered_packets, field, store_symbol};

/// The symbols of the last [`WINDOW`] packet numbers, less those that need no protection any more.
///
/// Buffers are kept for the next symbol in their place, so that nothing is allocated once they have grown to the usual
/// size. All together they hold at most `WINDOW * MAX_REPAIR` bytes.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// The newest packet pushed.
    newest: u64,
    /// Bit `i`: packet `newest - i` is held.
    held: u64,
    /// The symbol of packet `p` stands at `p % WINDOW`.
    slots: Vec<Slot>,
}

/// A place in the ring. It keeps its content until it is overwritten, held or not.
#[derive(Clone, Debug, Default)]
struct Slot {
    packet: u64,
    /// The symbol with its length in front.
    symbol: Vec<u8>,
}

impl Encoder {
    /// An encoder that protects nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { newest: 0, held: 0, slots: vec![Slot::default(); WINDOW] }
    }

    /// Protects the section of a sent packet. Packet numbers rise strictly; what lies [`WINDOW`] numbers or more behind
    /// falls out. A section that is empty or longer than [`MAX_SYMBOL`] is not taken.
    pub fn push(&mut self, packet: u64, symbol: &[u8]) {
        debug_assert!(self.held == 0 || packet > self.newest, "packet {packet} pushed after {}", self.newest);
        if symbol.is_empty() || symbol.len() > MAX_SYMBOL || (self.held != 0 && packet <= self.newest) {
            return;
        }
        self.held = match packet.checked_sub(self.newest).and_then(|step| u32::try_from(step).ok()) {
            Some(step) => self.held.checked_shl(step).unwrap_or(0) | 1,
            None => 1,
        };
        self.newest = packet;
        let slot = &mut self.slots[slot_of(packet)];
        slot.packet = packet;
        store_symbol(&mut slot.symbol, symbol);
    }

    /// Stops protecting a packet: it was acknowledged, recovered or given up.
    pub fn forget(&mut self, packet: u64) {
        if let Some(age) = self.age(packet) {
            self.held &= !(1 << age);
        }
    }

    /// Stops protecting anything.
    pub fn clear(&mut self) {
        self.held = 0;
    }

    /// Whether nothing is protected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// How many packets are protected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.count_ones() as usize
    }

    /// What a repair carried by packet `carrier` would cover: the newest `max_symbols` of the protected packets less than
    /// [`WINDOW`] numbers before `carrier` whose symbols fit into `max_bytes` of combined bytes. `None` if there are none.
    #[must_use]
    pub fn plan(&self, carrier: u64, max_symbols: usize, max_bytes: usize) -> Option<Plan> {
        let mut plan: Option<Plan> = None;
        let fitting = covered_packets(self.newest, self.held)
            .filter(|&packet| packet < carrier && carrier - packet < WINDOW as u64)
            .map(|packet| (packet, self.slots[slot_of(packet)].symbol.len()))
            .filter(|&(_, len)| len <= max_bytes)
            .take(max_symbols);
        for (packet, len) in fitting {
            let plan = plan.get_or_insert(Plan { base: packet, covered: 0, len: 0 });
            plan.covered |= 1 << (plan.base - packet);
            plan.len = plan.len.max(len);
        }
        plan
    }

    /// Appends the `plan.len` combined bytes of a repair to `out`. `index` tells the repairs of one carrier apart.
    ///
    /// The plan was made by this encoder for this carrier; since then nothing but the carrier itself was pushed.
    pub fn write(&self, plan: &Plan, carrier: u64, index: u8, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + plan.len, 0);
        for packet in covered_packets(plan.base, plan.covered) {
            let slot = &self.slots[slot_of(packet)];
            debug_assert!(slot.packet == packet && slot.symbol.len() <= plan.len, "a plan that has expired");
            field::mul_add(&mut out[start..], &slot.symbol, coefficient(carrier, index, packet));
        }
    }

    /// How far a packet lies behind the newest, if it lies within the window.
    fn age(&self, packet: u64) -> Option<u64> {
        self.newest.checked_sub(packet).filter(|&age| age < WINDOW as u64)
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of a packet in the ring.
fn slot_of(packet: u64) -> usize {
    (packet % WINDOW as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::super::LENGTH_PREFIX;
    use super::*;

    fn covered(encoder: &Encoder, carrier: u64, max_symbols: usize, max_bytes: usize) -> Vec<u64> {
        encoder
            .plan(carrier, max_symbols, max_bytes)
            .map_or(vec![], |plan| covered_packets(plan.base, plan.covered).collect())
    }

    #[test]
    fn a_plan_takes_the_newest_that_fit() {
        let mut encoder = Encoder::new();
        for (packet, len) in [(3, 10), (4, 50), (6, 20), (9, 5)] {
            encoder.push(packet, &vec![1; len]);
        }
        assert_eq!(covered(&encoder, 10, 64, 1000), [9, 6, 4, 3]);
        assert_eq!(covered(&encoder, 10, 2, 1000), [9, 6]);
        assert_eq!(covered(&encoder, 10, 3, 51), [9, 6, 3]);
        assert_eq!(covered(&encoder, 9, 64, 1000), [6, 4, 3], "a carrier does not protect itself");
        assert_eq!(encoder.plan(10, 64, 22).map(|plan| plan.len), Some(22));
        assert_eq!(encoder.plan(10, 64, 6), None);
        assert_eq!(encoder.plan(10, 0, 1000), None);
        assert_eq!(encoder.plan(3, 64, 1000), None);
    }

    #[test]
    fn what_is_forgotten_or_old_is_covered_no_more() {
        let mut encoder = Encoder::new();
        for packet in 0..WINDOW as u64 + 2 {
            encoder.push(packet, &[7]);
        }
        assert_eq!(encoder.len(), WINDOW);
        encoder.forget(64);
        encoder.forget(64);
        encoder.forget(0);
        encoder.forget(1000);
        assert_eq!(covered(&encoder, 66, 3, 1000), [65, 63, 62]);
        encoder.push(65 + 62, &[7]);
        assert_eq!(covered(&encoder, 128, 64, 1000), [127, 65]);
        assert_eq!(covered(&encoder, 129, 64, 1000), [127]);
        encoder.push(u64::MAX - 1, &[7]);
        assert_eq!(covered(&encoder, u64::MAX, 64, 1000), [u64::MAX - 1]);
        encoder.clear();
        assert!(encoder.is_empty() && encoder.plan(u64::MAX, 64, 1000).is_none());
    }

    #[test]
    fn sections_out_of_bounds_are_not_taken() {
        let mut encoder = Encoder::new();
        encoder.push(1, &[]);
        encoder.push(2, &[0; MAX_SYMBOL + 1]);
        assert!(encoder.is_empty());
        encoder.push(3, &[0; MAX_SYMBOL]);
        assert_eq!(encoder.plan(4, 1, usize::MAX).map(|plan| plan.len), Some(MAX_SYMBOL + LENGTH_PREFIX));
    }
}
