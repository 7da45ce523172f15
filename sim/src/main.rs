//! `webstar-sim`.
fn main() {}
