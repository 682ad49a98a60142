//! What trying Tidegate out takes: the records of a made-up shop. The demonstration, the end-to-end tests and the
//! benchmarks call it; the gateway itself must not.

pub mod produce;
pub mod shop;
