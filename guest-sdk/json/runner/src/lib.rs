//! What benchmarks and checks of `tidegate-json` run: programs of this machine, and modules in a guest.

pub mod bench;
pub mod fuzz;
pub mod guest;
