//! One body; see `runtime-smol/src/bodies.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| webstar_fuzz::run(webstar_smol::bodies::http_heads, data));
