//! What the benchmarks are made of. `make bench` starts a process for every mode, each of which measures itself and prints one
//! line of JSON; `make bench-many` lays out a crowd of pipelines and looks at the gateway's process from outside.

pub mod crowd;
pub mod measured;
pub mod neighbours;
pub mod process;
pub mod summary;
