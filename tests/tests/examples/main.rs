//! Examples of the documentation end to end: their records through the gateway's own process into real warehouses.

mod arrival;
mod expectations;
mod flights;
mod generated;
mod tables;

use std::path::{Path, PathBuf};

/// The root of the checkout.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
