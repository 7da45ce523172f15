//! Canaries: a broken world for each checker, which must be the one that notices.

mod pair;
mod star;
mod views;
