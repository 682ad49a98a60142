//! Golden cases: files that say which records go into a plugin and which rows and rejects come out.
//!
//! `tidegate test` runs them, and so do the tests of the example plugins. A case takes the gateway's own path
//! (`pipeline::transform`) up to the sinks: nothing here may check or read rows in a way of its own. [`Case`] is a file,
//! [`run()`] takes its records through a plugin, [`Outcome`] is what came out or should have.

mod case;
mod fact;
mod headers;
mod outcome;
mod print;
mod run;

pub use case::{Case, files, files_in};
pub use fact::Fact;
pub use outcome::Outcome;
pub use run::{Ran, instance, lookups, run, transform};
