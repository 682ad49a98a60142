//! Versions of the plugin that take over one after the other, all the while: other settings, or another build, in one pipeline after the
//! other, a moment later in one gateway than in the other.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::anyhow;

use super::member::{plugin, put};
use super::pipelines::PIPELINES;

/// An operator who changes files in the background.
pub struct Swaps {
    /// Dropped to end it.
    enough: Option<Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<u64>>>,
}

/// Between two versions. Each pipeline has one for three times as long, which is more than a version takes to be proven.
const BETWEEN: Duration = Duration::from_millis(1_300);

/// Every so many versions are another build, which is compiled; the others are other settings.
const BUILDS: u64 = 4;

/// Puts the first version of every pipeline there.
///
/// # Errors
/// Where the plugin is not built or a file cannot be written.
pub fn install(folder: &std::path::Path, delivery: &str) -> anyhow::Result<()> {
    for pipeline in PIPELINES {
        put(folder, &format!("{}.wasm", pipeline.name), &plugin("0")?)?;
        put(folder, &format!("{}.toml", pipeline.name), pipeline.file("v0", delivery).as_bytes())?;
    }
    Ok(())
}

impl Swaps {
    /// Begins to change the files of these gateways.
    pub fn start(folders: Vec<PathBuf>, delivery: &str) -> Self {
        let (enough, end) = channel::<()>();
        let delivery = delivery.to_owned();
        let thread = std::thread::spawn(move || {
            let mut swaps = 0_u64;
            while end.recv_timeout(BETWEEN) == Err(RecvTimeoutError::Timeout) {
                swaps += 1;
                for pipeline in PIPELINES.iter().cycle().skip(usize::try_from(swaps % 3)?).take(1) {
                    for folder in &folders {
                        if swaps.is_multiple_of(BUILDS) {
                            put(folder, &format!("{}.wasm", pipeline.name), &plugin(&swaps.to_string())?)?;
                        }
                        let file = pipeline.file(&format!("v{swaps}"), &delivery);
                        put(folder, &format!("{}.toml", pipeline.name), file.as_bytes())?;
                    }
                }
            }
            Ok(swaps)
        });
        Self { enough: Some(enough), thread: Some(thread) }
    }

    /// Ends it, and says how many versions there were.
    ///
    /// # Errors
    /// What went wrong with a file.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        drop(self.enough.take());
        let thread = self.thread.take().ok_or_else(|| anyhow!("the swaps were ended before"))?;
        thread.join().map_err(|_| anyhow!("the swaps panicked"))?
    }
}

impl Drop for Swaps {
    fn drop(&mut self) {
        drop(self.enough.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
