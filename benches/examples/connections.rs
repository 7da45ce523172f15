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

/// Pairs of a slice.
const PAIRS: u32 = 20;
/// Packets of a slice. What is compared takes turns, slice by slice: the machine is not as quick at every time.
const PACKETS: u32 = 10_000;
const SLICES: usize = 21;
const MEMBERS: usize = 32;
/// Virtual time in which nobody says anything.
const IDLE: Duration = Duration::from_secs(300);
const MS: Duration = Duration::from_millis(1);
const PAYLOAD: [u8; 64] = [7; 64];

/// The processor time of this process so far. The system reckons it anew when a process gives way, else every few
/// milliseconds.
fn worked() -> Duration {
    std::thread::yield_now();
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

/// A slice of pairs that connect.
fn connecting(stack: &Stack) -> f64 {
    each(cost(|| (0..PAIRS).for_each(|_| Party::new(stack, 1, 20 * MS).connect())), PAIRS)
}

/// A slice of packets over the bare stack.
fn raw(raw: &mut Raw) -> f64 {
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

/// A slice of messages through a link.
fn ours(party: &mut Party) -> f64 {
    let took = cost(|| {
        for _ in 0..PACKETS {
            party.say(0, 1, Bytes::from_static(&PAYLOAD));
            party.pass(MS);
        }
    });
    each(took, PACKETS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(stack: &Stack) {
    let [mut srtp, mut channel] = [Means::Srtp, Means::Channel].map(|means| Raw::new(means, Instant::now()));
    let mut party = Party::new(stack, 1, Duration::ZERO);
    party.connect();
    party.pass(Duration::from_secs(1));
    let sent = party.datagrams();
    let slice = |_| [raw(&mut srtp), raw(&mut channel), ours(&mut party), connecting(stack)];
    let slices: Vec<_> = (0..SLICES).map(slice).collect();
    party.pass(Duration::from_secs(1));
    let messages = u64::from(PACKETS) * SLICES as u64;
    assert_eq!(party.delivered(1), messages);
    let of = |what: fn(&[f64; 4]) -> f64| median(slices.iter().map(what).collect());
    let [srtp, channel, link] = [of(|slice| slice[0]), of(|slice| slice[1]), of(|slice| slice[2])];
    println!("a packet of 64 bytes, both ends: bare SRTP {srtp:.2} us, bare data channel {channel:.2} us");
    println!("a message of 64 bytes through a link over the srtp pipe, both ends, answers included: {link:.2} us");
    println!("  datagrams each way and message: {:.2}", (party.datagrams() - sent) as f64 / messages as f64);
    let [over_srtp, over_channel] = [of(|slice| slice[2] / slice[0]), of(|slice| slice[2] / slice[1])];
    println!("  over bare SRTP: {over_srtp:.2} (limit 1.63); over the bare channel: {over_channel:.2}");
    let [pair, in_packets] = [of(|slice| slice[3]), of(|slice| slice[3] / slice[0])];
    println!(
        "connecting a pair: {pair:.0} us, as much as {in_packets:.0} bare packets (limit 245: 600 us where one is 2.45)"
    );
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

    compare(&stack);
}
