//! The star on a floor: several machines and a small server talk through links that lose nothing and delay anything,
//! while players crash, sleep, come back without memory and are cut off. Checkers watch every step.

mod check;
mod floor;
mod random;
mod scenarios;
