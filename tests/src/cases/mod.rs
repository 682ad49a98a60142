//! Golden cases of the example plugins: files that say which records go in and which rows and refusals come out.
//!
//! `cases.rs` among the tests runs them, both through the gateway's own path with the plugin as WebAssembly and with
//! the plugin linked natively ([`NativePlugin`]). A case is discovered by where it lies, `plugins/NAME/cases/*.toml`;
//! nothing here knows one by name.

mod case;
mod native;
mod outcome;
mod run;

pub use case::{Case, discover};
pub use native::NativePlugin;
pub use outcome::Outcome;
pub use run::{built, instance, lookups, records, transform};
