//! Waiting for what must come true. Nothing in the tests sleeps in order to be right.

use std::time::{Duration, Instant};

use anyhow::Context;

/// Far more than any condition takes, on a machine that runs everything else beside the tests as well.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks: short beside what is waited for, long enough to leave the machine to it.
const INTERVAL: Duration = Duration::from_millis(25);

/// Asks until `condition` gives a value. An error of it means "not yet".
///
/// # Errors
/// The last error of the condition, where [`PATIENCE`] ends first.
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(fault) if Instant::now() >= deadline => {
                return Err(fault).with_context(|| format!("waited {PATIENCE:?} for this: {what}"));
            }
            Err(_) => std::thread::sleep(INTERVAL),
        }
    }
}
