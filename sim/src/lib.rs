//! The simulator: a world, its network, its faults and the checkers that watch it.

pub mod net;
pub mod pair;
pub mod seed;
pub mod talk;
