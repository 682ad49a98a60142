//! What the end-to-end tests and the benchmarks share: real services, real gateways, and the figures they print.

pub mod bench;
pub mod cases;
pub mod chaos;
pub mod discard;
pub mod harness;
pub mod native;
