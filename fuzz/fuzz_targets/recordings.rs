//! One body; see `sim/src/bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webstar_fuzz::run(webstar_sim::bodies::recordings, data));
