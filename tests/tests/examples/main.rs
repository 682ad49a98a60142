//! Examples of the documentation end to end: their records through the gateway's own process into a real warehouse.

mod flights;
mod generated;

use std::path::{Path, PathBuf};

/// The root of the checkout.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
