//! The simulator: a world, its network, its faults and the checkers that watch it.
