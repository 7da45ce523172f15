//! The measured scenes that the benches share.
