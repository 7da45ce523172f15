//! What a message costs a host in processor time: a host of ours beside a bare star of data channels on the same WebRTC
//! stack, both over real sockets of this machine, one after the other in one run. The ratio counts; the figures depend on
//! the machine and on what else it does. And how long it takes from the call to join until the host hears something over
//! the `srtp` pipe, in a process that has had a connection before.
//!
//! ```sh
//! cargo run --release -p webstar-benches --example host_cost
//! ```
//!
//! Seven members say 60 messages of 64 bytes a second each, unreliable, to all others; the host hands each on to six. A
//! message counts once for every member that gets it. The host is a process of its own, all else is in this one. Ours is
//! the usual client in the mode `hybrid`, with its lobby server, heartbeats, copies, and a game that looks at what it was
//! told with every frame; the bare host knows its members, writes what comes to all other channels, and does nothing else.
//! `joining` measures the last alone.

mod bare;
mod joining;
mod member;
mod ours;
mod process;

use process::Host;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Members beside the host.
const MEMBERS: usize = 7;
/// Between two messages of one member.
const BEAT: Duration = Duration::from_nanos(1_000_000_000 / 60);
const MESSAGE: [u8; 64] = [0x5a; 64];
/// How often both are measured, in turn.
const ROUNDS: usize = 5;
/// Until all that belongs to a beginning is over.
const SETTLING: Duration = Duration::from_secs(3);
const WINDOW: Duration = Duration::from_secs(8);

/// What was seen in one window.
struct Cost {
    /// Microseconds of the host for each message delivered.
    each: f64,
    /// The share of what was sent that was delivered.
    share: f64,
}

/// Measures a host whose members talk.
fn weigh(host: &Host, talk: &Arc<member::Talk>) -> Cost {
    thread::sleep(SETTLING);
    let (cpu, before) = (host.cpu(), talk.count());
    thread::sleep(WINDOW);
    let (worked, after) = (host.cpu() - cpu, talk.count());
    let heard = after.heard - before.heard;
    let due = (after.sent - before.sent) * (MEMBERS as u64 - 1);
    Cost { each: worked.as_secs_f64() * 1e6 / heard as f64, share: heard as f64 / due as f64 }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare() {
    println!("us of the host's processor for a message delivered (64 bytes, {MEMBERS} members at 60 Hz)");
    println!("{:>8} {:>8} {:>8} {:>10} {:>10}", "bare", "webstar", "ratio", "delivered", "over srtp");
    let (mut bares, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let bare = bare::measure();
        let (ours, over_srtp) = ours::measure();
        let ratio = ours.each / bare.each;
        let delivered = 100.0 * ours.share.min(bare.share);
        let srtp = 100.0 * over_srtp;
        println!("{:>8.1} {:>8.1} {ratio:>8.2} {delivered:>8.1} % {srtp:>8.1} %", bare.each, ours.each);
        bares.push(bare.each);
        ratios.push(ratio);
    }
    println!("in the middle: ratio {:.2} (aim 0.6); the bare star {:.1} us", middle(ratios), middle(bares));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            compare();
            joining::measure();
        }
        ["joining"] => joining::measure(),
        ["bare"] => bare::host(),
        ["ours", target] => ours::host(target),
        _ => eprintln!("usage: host_cost [joining]"),
    }
}
