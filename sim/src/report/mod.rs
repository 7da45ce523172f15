//! What runs and measurements come to, in the shape that scripts read and people see.

pub mod chart;
mod lanes;
pub mod latency;
pub mod story;
mod summary;
pub mod timeline;

pub use summary::{Failure, Summary};
