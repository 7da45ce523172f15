//! A host that hands over is followed within two round trips and 50 ms, and nothing is lost or doubled.

use core::time::Duration;
use webstar_sim::report::migration::{CAUSES, PLAYERS, WAYS_MS, measure_lossless};

#[test]
fn without_loss_a_graceful_change_takes_two_round_trips_and_50_ms_at_most() {
    let graceful = CAUSES.iter().position(|(cause, _)| *cause == "graceful").expect("the table has it");
    for players in PLAYERS {
        for way_ms in WAYS_MS {
            let row = measure_lossless(graceful, players, Duration::from_millis(way_ms), 8);
            let most = 2 * (2 * way_ms) + 50;
            assert_eq!((row.samples, row.lost, row.duplicated), (8, 0, 0), "{row:?}");
            assert!(u64::from(row.p99) <= most, "more than {most} ms: {row:?}");
        }
    }
}
