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

use ours::Leaving;
use process::Host;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Members beside the host.
const MEMBERS: usize = 7;
/// Between two messages of one member.
const BEAT: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// Bytes of a message.
const MESSAGE: usize = 64;
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
    /// How long a message took from member to member: the middle, and the longest but one in a hundred.
    delays: [Duration; 2],
}

/// Measures a host whose members talk.
fn weigh(host: &Host, talk: &Arc<member::Talk>) -> Cost {
    thread::sleep(SETTLING);
    let (cpu, before) = (host.cpu(), talk.count());
    talk.take_delays();
    thread::sleep(WINDOW);
    let (worked, after) = (host.cpu() - cpu, talk.count());
    let delays = talk.take_delays();
    let heard = after.heard - before.heard;
    let due = (after.sent - before.sent) * (MEMBERS as u64 - 1);
    Cost {
        each: worked.as_secs_f64() * 1e6 / heard as f64,
        share: heard as f64 / due as f64,
        delays: [delays[delays.len() / 2], delays[delays.len() * 99 / 100]],
    }
}

fn compare() {
    println!("us of the host's processor for a message delivered (64 bytes, {MEMBERS} members at 60 Hz), in brackets");
    println!(
        "the time from member to member in ms (p50 p99): a bare star, WebStar, and WebStar with a tick of a frame"
    );
    let mut all = [0.0; 3];
    for _ in 0..ROUNDS {
        let bare = bare::measure();
        let (apart, apart_srtp) = ours::measure(Leaving::Apart);
        let (together, together_srtp) = ours::measure(Leaving::Together);
        let costs = [&bare, &apart, &together];
        let told = costs.map(|cost| {
            let [p50, p99] = cost.delays.map(|delay| delay.as_secs_f64() * 1e3);
            format!("{:5.1} ({p50:4.1} {p99:4.1})", cost.each)
        });
        let delivered = 100.0 * costs.iter().fold(1.0, |least: f64, cost| least.min(cost.share));
        let srtp = 100.0 * apart_srtp.min(together_srtp);
        println!("{}   {delivered:.1} % delivered, {srtp:.1} % over srtp", told.join("   "));
        all.iter_mut().zip(costs).for_each(|(sum, cost)| *sum += cost.each / ROUNDS as f64);
    }
    let [bare, apart, together] = all;
    let (apart, together) = (apart / bare, together / bare);
    println!("on average: the bare star {bare:.1} us; ratio {apart:.2}, with a tick {together:.2} (aim 0.6)");
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
        ["ours", target, leaving] => ours::host(target, Leaving::of_name(leaving)),
        _ => eprintln!("usage: host_cost [joining]"),
    }
}
