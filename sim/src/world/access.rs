//! What lies between two seats, made of how each of them is connected. A plan so has a line for each seat and not for each
//! pair.

use crate::net::{Bandwidth, Bursts, LinkConfig as Conditions};

/// The conditions of the way that leaves one seat on `out` and reaches another on `into`: delays add up, and of every other
/// evil the worse one counts.
pub fn between(out: &Conditions, into: &Conditions) -> Conditions {
    Conditions {
        delay: out.delay + into.delay,
        jitter: out.jitter.max(into.jitter),
        keep_order: out.keep_order && into.keep_order,
        reorder: out.reorder.max(into.reorder),
        hold: out.hold.max(into.hold),
        duplicate: out.duplicate.max(into.duplicate),
        corrupt: out.corrupt.max(into.corrupt),
        loss: out.loss.max(into.loss),
        bursts: worse(out.bursts, into.bursts),
        bandwidth: narrower(out.bandwidth, into.bandwidth),
    }
}

fn worse(a: Option<Bursts>, b: Option<Bursts>) -> Option<Bursts> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.share >= b.share { a } else { b }),
        (one, other) => one.or(other),
    }
}

fn narrower(a: Option<Bandwidth>, b: Option<Bandwidth>) -> Option<Bandwidth> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.bits_per_s <= b.bits_per_s { a } else { b }),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn delays_add_up_and_the_worse_of_everything_else_counts() {
        let ms = Duration::from_millis;
        let narrow = Bandwidth { bits_per_s: 16_000, queue: 2 };
        let out = Conditions { loss: 0.1, jitter: ms(5), ..Conditions::with_delay(ms(20)) };
        let into =
            Conditions { loss: 0.02, bandwidth: Some(narrow), keep_order: true, ..Conditions::with_delay(ms(30)) };
        let both = between(&out, &into);
        assert_eq!((both.delay, both.jitter, both.bandwidth, both.keep_order), (ms(50), ms(5), Some(narrow), false));
        assert!((both.loss - 0.1).abs() < 1e-9);
    }
}
