//! Canaries: a broken world for each checker, which must be the one that notices.

mod authority;
mod pair;
mod star;
mod views;
