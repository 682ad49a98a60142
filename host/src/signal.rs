//! Signals: the first asks for an orderly end, the second leaves at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: as a shell reports an interrupt.
const INTERRUPTED: i32 = 130;

/// A token that SIGTERM or Ctrl-C cancels. The second signal ends the process.
///
/// # Errors
/// Where the system does not let signals be caught.
pub fn stop_token() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    // Ends with the process, which it may end itself.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if cancelled.is_cancelled() {
                tracing::warn!("second signal: leaving at once; what was under way is read again");
                std::process::exit(INTERRUPTED);
            }
            tracing::info!("draining; a second signal leaves at once");
            cancelled.cancel();
        }
    });
    Ok(stop)
}
