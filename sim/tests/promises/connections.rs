//! What is promised over real connections: ICE, SCTP and SRTP as they are, in virtual time.

use webstar_sim::crypto::Carrying;
use webstar_sim::report::joining::{CHANNELS, ROUND_TRIP, row};
use webstar_sim::report::real::{Cell, all, measure};

/// Messages each way and run: 10 s of them.
const MESSAGES: usize = 600;

#[test]
fn messages_over_connections_are_no_later_than_aimed_for() {
    let aimed: Vec<Cell> = all().into_iter().filter(Cell::is_aimed).collect();
    let rows = measure(Carrying::Webrtc, &aimed, MESSAGES, 2, &|_| {});
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert!(row.is_met(), "{row:?}");
        assert!(row.channel == "unreliable" || row.lost == 0, "{row:?}");
        assert_eq!(row.duplicated, 0, "{row:?}");
        assert!(row.is_modelled(), "the model is far from it: {row:?}");
    }
}

#[test]
fn whoever_joins_is_heard_within_a_round_trip_and_directly_within_a_quarter_of_a_second() {
    let row = row(Carrying::Webrtc, 0.0, 3);
    assert_eq!((row.samples, row.unfinished, CHANNELS[0].0), (3, 0, "unreliable"));
    let round_trip = ROUND_TRIP.as_secs_f64() * 1e3;
    let latest = |quantiles: [f64; 4]| quantiles[3];
    assert!(latest(row.heard_by_host[0]) <= round_trip, "{row:?}");
    assert!(latest(row.heard_by_newcomer[0]) <= round_trip, "{row:?}");
    assert!(latest(row.direct) <= 250.0, "{row:?}");
}
