//! Golden cases of the example plugins: files that say which records go in and which rows and rejects come out.
//!
//! `cases.rs` among the tests runs them, both through the gateway's own path with the plugin as WebAssembly and with
//! the plugin linked natively ([`NativePlugin`]). A case is discovered by where it lies, `plugins/NAME/cases/*.toml`;
//! nothing here knows one by name. What is in a case `tidegate::cases` knows.

mod case;
mod native;
mod run;

pub use case::{PluginCase, discover};
pub use native::NativePlugin;
pub use run::{built, records, transform};
pub use tidegate::cases::{Outcome, instance, lookups};
