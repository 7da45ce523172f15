//! The fuzzer's shell: the bodies, under an allocator that counts.

use webstar_sim::bodies::Body;
use webstar_sim::bodies::meter::{self, Cost};

/// Runs a body under the meter.
pub fn run(body: Body, data: &[u8]) {
    meter::install(|work| {
        let info = allocation_counter::measure(work);
        Cost { total: info.bytes_total, peak: info.bytes_max }
    });
    body(data);
}
