//! What `make bench` is made of: a process for every mode, each of which measures itself and prints one line of JSON.

pub mod measured;
pub mod summary;
