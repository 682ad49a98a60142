//! Logs: for people on a terminal, JSON lines otherwise. `RUST_LOG` chooses what is said.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What librdkafka says of itself is said as a pipeline's problem where it matters.
const DEFAULT: &str = "info,librdkafka=off,rdkafka=off";

/// Starts logging to standard error.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start, in tests, keeps the first.
    let _ = match std::io::stderr().is_terminal() {
        true => builder.compact().try_init(),
        false => builder.json().flatten_event(true).try_init(),
    };
}
