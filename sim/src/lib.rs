//! The simulator: a world, its network, its faults and the checkers that watch it.

pub mod bodies;
pub mod check;
pub mod cli;
pub mod crypto;
pub mod net;
pub mod pair;
pub mod profile;
pub mod report;
pub mod seed;
pub mod shrink;
pub mod talk;
pub mod trace;
pub mod world;
