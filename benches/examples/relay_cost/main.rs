//! What a relayed message and a join cost a server in processor time: `webstar serve` beside a bare relay that only
//! passes frames on, both driven by the same clients in one run. Ratios count; the figures depend on the machine.
//!
//! ```sh
//! cargo build --release -p webstar-smol -p webstar-benches --examples
//! target/release/examples/relay_cost target/release/webstar
//! ```
//!
//! Lobbies of 8. `to one` sends each frame to one other member, as players do to their host; `to all` to the other
//! seven, and a message counts once for every receiver. `PROGRAM idle` measures the memory of
//! idle members instead; `floor` the bare relay alone.

mod bare;
mod clients;
mod process;

use clients::{Clients, Dialect, Shape};
use process::Child;
use std::path::Path;
use std::time::Duration;

/// Lobbies of 8 in the comparison.
const LOBBIES: usize = 16;
/// Messages that a client sends at a time when the server is kept busy.
const BATCH: usize = 32;
/// How often it does that.
const ROUNDS: usize = 400;
/// For how long clients talk at 20 Hz.
const CALM: Duration = Duration::from_secs(10);
/// Idle members in all.
const IDLE: usize = 5_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare"] => bare::serve(),
        ["floor"] => {
            for (what, cost) in measure(&Child::bare(), Dialect::Bare) {
                println!("{what:<28} {cost:>10.2}");
            }
        }
        [program] => compare(Path::new(program)),
        [program, "idle"] => idle(Path::new(program)),
        _ => eprintln!("usage: relay_cost PATH-OF-WEBSTAR [idle], or relay_cost floor"),
    }
}

fn compare(program: &Path) {
    let bare = measure(&Child::bare(), Dialect::Bare);
    let ours = measure(&Child::webstar(program), Dialect::WebStar);
    println!("{:<28} {:>10} {:>10} {:>7}", "us of server CPU per", "bare", "webstar", "ratio");
    for ((what, bare), (_, ours)) in bare.iter().zip(&ours) {
        println!("{what:<28} {bare:>10.2} {ours:>10.2} {:>7.2}", ours / bare);
    }
}

/// What each kind of work costs, in microseconds a piece.
fn measure(server: &Child, dialect: Dialect) -> Vec<(&'static str, f64)> {
    let mut costs = Vec::new();
    let mut cost = |what, work: &mut dyn FnMut() -> usize| {
        let before = server.cpu();
        let count = work();
        costs.push((what, (server.cpu() - before).as_secs_f64() * 1e6 / count as f64));
    };
    let mut clients = None;
    cost("join", &mut || {
        clients = Some(Clients::join(server.address(), dialect, LOBBIES));
        LOBBIES * 8
    });
    let mut clients = clients.expect("they have joined");
    cost("message to one, busy", &mut || clients.busy(Shape::One, ROUNDS, BATCH));
    cost("message to all, busy", &mut || clients.busy(Shape::All, ROUNDS / 4, BATCH / 4));
    cost("message to one, 20 Hz", &mut || clients.at_20_hz(Shape::One, CALM));
    cost("message to all, 20 Hz", &mut || clients.at_20_hz(Shape::All, CALM));
    costs
}

fn idle(program: &Path) {
    let server = Child::webstar(program);
    // A first lobby pays for what exists once.
    let _first = Clients::join(server.address(), Dialect::WebStar, 1);
    let before = server.memory();
    let _members = Clients::join(server.address(), Dialect::WebStar, IDLE / 8);
    let each = (server.memory() - before) as f64 / IDLE as f64 / 1024.0;
    println!("{IDLE} idle members: {each:.1} KiB of server memory each");
}
