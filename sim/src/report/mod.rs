//! What runs and measurements come to, in the shape that scripts read and people see.

mod cells;
pub mod chart;
pub mod document;
pub mod false_alarms;
pub mod joining;
mod lanes;
pub mod latency;
pub mod migration;
pub mod real;
pub mod scale;
pub mod story;
mod summary;
pub mod timeline;

pub use summary::{Failure, Spread, Summary};

/// To a thousandth: nobody reads more.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
