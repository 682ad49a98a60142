//! The one wasmtime engine of a gateway, its settings with their reasons, and the clock of its epochs.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Config, OptLevel, ProfilingStrategy};

use super::PluginFile;
use super::guest::WasmPlugin;
use super::load::{self, LoadFault};
use super::lookup::Lookups;

/// How often a running guest lets others run. Shorter ticks cost more than they give: a yield is some microseconds.
const EPOCH: Duration = Duration::from_millis(5);

/// Compiles plugins. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    ticker: Option<JoinHandle<()>>,
}

/// Whether compiled code is named for `perf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profiling {
    /// No names.
    Off,
    /// Guest functions are named in `/tmp/perf-PID.map`, where `perf` looks for them.
    PerfMap,
}

impl Engine {
    /// An engine with its ticker running, until the last clone is dropped.
    ///
    /// # Errors
    /// Where this machine cannot run compiled WebAssembly.
    pub fn new(profiling: Profiling) -> Result<Self, LoadFault> {
        let mut config = Config::new();
        // A guest yields when the epoch moves on; costs half of what counting fuel costs.
        config.epoch_interruption(true);
        config.cranelift_opt_level(OptLevel::Speed);
        // A guest's answer may not depend on the machine.
        config.cranelift_nan_canonicalization(true);
        config.wasm_relaxed_simd(false);
        // Nothing that plugins do not need.
        config.wasm_memory64(false);
        config.wasm_multi_memory(false);
        // Deep recursion traps long before the fibre's stack ends.
        config.max_wasm_stack(512 << 10);
        config.async_stack_size(1 << 20);
        if profiling == Profiling::PerfMap {
            config.profiler(ProfilingStrategy::PerfMap);
        }
        let engine = wasmtime::Engine::new(&config).map_err(|fault| LoadFault::Engine(format!("{fault:#}")))?;
        let weak = engine.weak();
        let ticker = std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(EPOCH);
                }
            })
            .map_err(|fault| LoadFault::Engine(format!("start the epoch's thread: {fault}")))?;
        Ok(Self { inner: Arc::new(Inner { engine, ticker: Some(ticker) }) })
    }

    /// Checks, compiles and describes a plugin. Takes up to some seconds of CPU time: not for a thread that others wait for.
    ///
    /// # Errors
    /// Says what is wrong with the file, its imports, its exports or its description.
    pub async fn load(&self, file: &PluginFile, instance: InstanceSettings) -> Result<WasmPlugin, LoadFault> {
        load::load(&self.inner.engine, file, instance).await
    }
}

/// What every instance of a plugin is given.
#[derive(Clone, Debug)]
pub struct InstanceSettings {
    /// The pipeline, for the log.
    pub pipeline: String,
    /// The pipeline file's `[settings]` as a JSON object.
    pub settings: String,
    /// The pipeline's tables.
    pub lookups: Arc<Lookups>,
    /// The most that its linear memory may grow to, in bytes.
    pub memory: usize,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The ticker holds the engine weakly, and only while it ticks: it ends within a tick of the engine's end.
        // It is left to do so, since the engine itself is dropped after this.
        drop(self.ticker.take());
    }
}
