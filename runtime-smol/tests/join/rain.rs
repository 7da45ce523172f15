//! Bad weather between real processes: nothing is lost in it, and how long things take is told.

use crate::chatter::latencies;
use crate::room::{
    Room, all_have_heard_one_sequence, nobody_was_told_of_a_loss, nothing_acknowledged_is_lost, these_have_heard_all,
};
use crate::stage::Server;

/// Between any two players, each way.
const RAIN: &str = "loss=0.1,latency=25ms";
/// From a member to the host, and from there to another.
const TWO_HOPS_MS: u32 = 50;
/// Lines that each player says a second, as many as a game has frames, and how many in all.
const HZ: u32 = 60;
const LINES: u64 = 300;

fn chat_in_the_rain(arguments: &[&'static str]) {
    let mut room = Room::of(Server::start(), 5, &[&["--net", RAIN], arguments].concat());
    let host = room.settle();
    room.wait_for_paths(host, "srtp");
    room.begin_to_chat(HZ);
    for player in room.players.values_mut() {
        player.ever("acked", |acked| acked["seq"].as_u64() >= Some(LINES));
    }
    room.end_chat();
    room.hear_out("end");
    let lives = room.finish();
    all_have_heard_one_sequence(&lives);
    these_have_heard_all(&lives, &lives.survivors);
    nothing_acknowledged_is_lost(&lives);
    nobody_was_told_of_a_loss(&lives);
    let latencies = latencies(&lives, host);
    println!("{RAIN}, {HZ} Hz, {}: {latencies}; two hops alone take {TWO_HOPS_MS} ms", arguments.join(" "));
}

#[test]
fn in_rain_nothing_is_lost_when_delivered_fast() {
    chat_in_the_rain(&["--delivery", "fast"]);
}

#[test]
fn in_rain_nothing_is_lost_when_delivered_safe() {
    chat_in_the_rain(&["--delivery", "safe"]);
}

#[test]
fn in_rain_nothing_is_lost_when_messages_leave_together() {
    chat_in_the_rain(&["--delivery", "safe", "--tick", "16ms"]);
}
