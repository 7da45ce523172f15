//! The session: one fed by hand to the nanosecond (`hand`), and two over adversarial paths (`pipes`).

mod bounds;
mod hand;
mod lanes;
mod pipes;
mod properties;
mod regressions;
mod timers;
