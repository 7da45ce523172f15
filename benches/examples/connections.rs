//! What WebRTC connections cost, in processor time of this process and in memory it holds: connecting, packets beside
//! those of the bare stack in the same run, and a host with 32 players that say nothing.
//!
//! ```sh
//! cargo run --release -p webstar-benches --example connections
//! ```
//!
//! Everything has two ends here, and both are counted; a host's own share of what 32 members cost is half. Of the
//! packets the ratio counts: processors differ.

use bytes::Bytes;
use std::time::{Duration, Instant};
use webstar_benches::party::Party;
use webstar_benches::raw::{Means, Raw};
use webstar_core::path::webrtc::Stack;

const PAIRS: u32 = 200;
const PACKETS: u32 = 200_000;
const MEMBERS: usize = 32;
/// Virtual time in which nobody says anything.
const IDLE: Duration = Duration::from_secs(300);
const MS: Duration = Duration::from_millis(1);
const PAYLOAD: [u8; 64] = [7; 64];

/// The processor time of this process so far.
fn worked() -> Duration {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").expect("there is a /proc");
    let nanos = schedule.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("it tells nanoseconds"))
}

/// The memory that this process holds, in bytes.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is a /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it tells what is resident");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("it is a number");
    kib * 1_024
}

/// The processor time of it.
fn cost(work: impl FnOnce()) -> Duration {
    let before = worked();
    work();
    worked() - before
}

fn each(total: Duration, count: u32) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(count)
}

fn raw(means: Means) -> f64 {
    let mut raw = Raw::new(means, Instant::now());
    let before = raw.delivered();
    let took = cost(|| {
        for _ in 0..PACKETS {
            raw.send(&PAYLOAD);
            raw.pass(MS);
        }
    });
    assert_eq!(raw.delivered() - before, u64::from(PACKETS));
    each(took, PACKETS)
}

fn ours(stack: &Stack) -> f64 {
    let mut party = Party::new(stack, 1, Duration::ZERO);
    party.connect();
    party.pass(Duration::from_secs(1));
    let sent = party.datagrams();
    let took = cost(|| {
        for _ in 0..PACKETS {
            party.say(0, 1, Bytes::from_static(&PAYLOAD));
            party.pass(MS);
        }
    });
    party.pass(Duration::from_secs(1));
    assert_eq!(party.delivered(1), u64::from(PACKETS));
    println!("  datagrams each way and message: {:.2}", (party.datagrams() - sent) as f64 / f64::from(PACKETS));
    each(took, PACKETS)
}

fn main() {
    let stack = Stack::aws_lc(Instant::now()).expect("the library works");
    drop(Party::new(&stack, 1, MS));

    let before = held();
    let mut party = Party::new(&stack, MEMBERS, 20 * MS);
    party.connect();
    party.pass(Duration::from_secs(10));
    let mib = (held() - before) as f64 / f64::from(1 << 20);
    println!("{MEMBERS} players and their host hold {mib:.2} MiB; the host's share: {:.2} MiB (limit 4)", mib / 2.0);
    let idle = cost(|| party.pass(IDLE));
    let percent = idle.as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    println!("they do nothing for {percent:.2} % of a core; the host's share: {:.2} % (limit 1)", percent / 2.0);
    drop(party);

    let connecting = cost(|| (0..PAIRS).for_each(|_| Party::new(&stack, 1, 20 * MS).connect()));
    println!("connecting a pair: {:.0} us (limit 600)", each(connecting, PAIRS));

    let [srtp, channel] = [Means::Srtp, Means::Channel].map(raw);
    let session = ours(&stack);
    println!("a packet of 64 bytes, both ends: bare SRTP {srtp:.2} us, bare data channel {channel:.2} us");
    println!("a message of 64 bytes through a link over the srtp pipe, both ends, answers included: {session:.2} us");
    println!("  over bare SRTP: {:.2} (limit 1.63); over the bare channel: {:.2}", session / srtp, session / channel);
}
