//! One conversation between two players over whatever paths exist.

pub mod pipe;
