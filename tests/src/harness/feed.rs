//! Records that keep coming while a test does something else, and records that are larger than the shop's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rand::distr::{Alphanumeric, SampleString};
use tidegate_demo::produce::{Outgoing, Source, Writer};

/// A writer in the background: it goes on until the test has seen enough, so that "in mid-stream" is certain.
pub struct Feed {
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<u64>>>,
}

/// Between two writes: short enough that every range is filled by many.
const TICK: Duration = Duration::from_millis(5);

impl Feed {
    /// Writes `rate` records a second to a topic, one partition after the other.
    ///
    /// # Errors
    /// Where librdkafka refuses the address.
    pub fn start(mut writer: Writer, mut source: impl Source + Send + 'static, rate: f64) -> Self {
        let enough = Arc::<AtomicBool>::default();
        let stop = enough.clone();
        let thread = std::thread::spawn(move || {
            let (started, mut written) = (Instant::now(), 0_u64);
            while !stop.load(Ordering::Relaxed) {
                let due = started.elapsed().as_secs_f64() * rate;
                while (written as f64) < due {
                    let mut result = Ok(());
                    source.next_record(&mut |record| result = writer.write(record));
                    result?;
                    written += 1;
                }
                writer.poll();
                std::thread::sleep(TICK);
            }
            writer.flush()?;
            Ok(written)
        });
        Self { enough, thread: Some(thread) }
    }

    /// Ends the writing and returns how many records the topic has now.
    ///
    /// # Errors
    /// What went wrong while writing.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        self.enough.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("the writer was finished before"))?;
        thread.join().map_err(|_| anyhow!("the writer panicked"))?
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Records that have so many bytes more, in a member that no plugin reads and no compression shortens by much.
pub struct Padded<S> {
    source: S,
    noise: String,
    bytes: usize,
    turn: usize,
    value: Vec<u8>,
}

/// Longer than the window of LZ4, so that a piece of it is no repetition of the one before.
const NOISE: usize = 4 << 20;

impl<S: Source> Padded<S> {
    /// The records of `source`, which must be JSON objects, with `bytes` more each.
    pub fn new(source: S, bytes: usize) -> Self {
        let noise = Alphanumeric.sample_string(&mut rand::rng(), NOISE + bytes);
        Self { source, noise, bytes, turn: 0, value: Vec::new() }
    }
}

impl<S: Source> Source for Padded<S> {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        let Self { source, noise, bytes, turn, value } = self;
        source.next_record(&mut |record| {
            let Some(object) = record.value.and_then(|value| value.strip_suffix(b"}")) else { return take(record) };
            let padding = noise.get(*turn..*turn + *bytes).unwrap_or_default();
            *turn = (*turn + *bytes) % NOISE;
            value.clear();
            value.extend_from_slice(object);
            value.extend_from_slice(b",\"padding\":\"");
            value.extend_from_slice(padding.as_bytes());
            value.extend_from_slice(b"\"}");
            take(Outgoing { value: Some(value), ..record });
        });
    }
}
