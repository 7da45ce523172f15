use webstar_core::wire::frame::Delivery;
use webstar_sim::{seed::Seed, talk::*};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n = a.get(1).map_or(20000, |s| s.parse().unwrap());
    for carrier in [Carrier::Srtp, Carrier::Relay] {
        for size in [200, 1000] {
            for d in [Delivery::Ordered, Delivery::Unreliable] {
                for loss in [0.0, 0.02, 0.1, 0.3] {
                    let t = std::time::Instant::now();
                    let mut talk = Talk::new(carrier, d, loss, size);
                    talk.messages = n;
                    let f = talk.measure(Seed::new(1));
                    println!(
                        "{:5} {:10} {size:4} {loss:.2}: p50 {:.0} p99 {:.0} p999 {:.0} max {:.0} lost {} dup {} ratio {:.2}  ({:.0} ns/msg)",
                        carrier.name(),
                        format!("{d:?}"),
                        f.percentile(0.5),
                        f.percentile(0.99),
                        f.percentile(0.999),
                        f.percentile(1.0),
                        f.lost,
                        f.duplicated,
                        f.bytes_ratio,
                        t.elapsed().as_nanos() as f64 / f.sent as f64
                    );
                }
            }
        }
    }
}
