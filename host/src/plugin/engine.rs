//! The one wasmtime engine of a gateway, the clock of its epochs, and where its machine code comes from: a compiler in a process
//! of its own, and what it made before.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::component::Component;

use super::PluginFile;
use super::compiled::{self, CompiledPlugins};
use super::compiler::{CompileFault, CompileLimits, Compiler};
use super::configuration::{self, Role};
use super::guest::WasmPlugin;
use super::load::{self, LoadFault};
use super::lookup::Lookups;
use super::usage::Usage;
use crate::StateFolder;
use crate::config::{Limits, PluginState};
use crate::tenants::TenantMemory;

/// How often a running guest lets others run. Shorter ticks cost more than they give: a yield is some microseconds.
const EPOCH: Duration = Duration::from_millis(5);

/// Loads plugins. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    compiler: Compiler,
    compiled: Option<CompiledPlugins>,
    ticker: Option<JoinHandle<()>>,
}

/// What an engine is made with.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Whether compiled code is named for `perf`.
    pub profiling: Profiling,
    /// The program that compiles: one that calls [`compile_if_asked`](super::compile_if_asked) before anything else.
    pub compiler: PathBuf,
    /// What it may take for one plugin.
    pub compile: CompileLimits,
    /// Where compiled plugins are kept; nowhere without.
    pub compiled: Option<StateFolder>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        // This program as it was started, whatever lies in its place by now: no other makes code that fits.
        Self {
            profiling: Profiling::Off,
            compiler: "/proc/self/exe".into(),
            compile: CompileLimits::default(),
            compiled: None,
        }
    }
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
    /// Where this machine cannot run compiled WebAssembly, or the folder of compiled plugins cannot be used.
    pub fn new(settings: EngineSettings) -> Result<Self, LoadFault> {
        let engine = configuration::engine(Role::Runs(settings.profiling))?;
        let compiled = settings.compiled.map(CompiledPlugins::open).transpose()?;
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
        let compiler = Compiler::new(settings.compiler, settings.compile);
        Ok(Self { inner: Arc::new(Inner { engine, compiler, compiled, ticker: Some(ticker) }) })
    }

    /// Checks, compiles and describes a plugin. A file that is compiled already takes some milliseconds; another waits for the
    /// compiler's process, without holding the thread.
    ///
    /// # Errors
    /// Says what is wrong with the file, its imports, its exports or its description.
    pub async fn load(&self, file: &PluginFile, instance: InstanceSettings) -> Result<WasmPlugin, LoadFault> {
        load::load(self, file, instance).await
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }

    /// The component that a file holds, compiled now or before.
    pub(super) async fn component(&self, tenant: &str, file: &PluginFile) -> Result<Component, CompileFault> {
        let Inner { engine, compiler, compiled, .. } = &*self.inner;
        let hash = file.hash();
        if let Some(component) = compiled.as_ref().and_then(|compiled| compiled.get(engine, hash)) {
            return Ok(component);
        }
        let code = compiler.compile(tenant, file.bytes.clone()).await?;
        if let Some(compiled) = compiled {
            match compiled.put(engine, hash, &code) {
                Ok(component) => return Ok(component),
                Err(problem) => tracing::warn!(
                    plugin = %file.path.display(),
                    "keep what it was compiled to: {problem}; it runs, and is compiled again at the next start"
                ),
            }
        }
        compiled::unkept(engine, &code).map_err(|fault| CompileFault::BrokenOff(format!("{fault:#}")))
    }
}

/// What every instance of a plugin is given.
#[derive(Clone, Debug)]
pub struct InstanceSettings {
    /// The pipeline, `TENANT/PIPELINE`, for the log.
    pub pipeline: String,
    /// The pipeline file's `[settings]` as a JSON object.
    pub settings: String,
    /// The pipeline's tables.
    pub lookups: Arc<Lookups>,
    /// What it may take.
    pub limits: Limits,
    /// What it takes.
    pub usage: Arc<Usage>,
    /// How long an instance lives.
    pub state: PluginState,
    /// Whose memory its instances count for.
    pub tenant: TenantMemory,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The ticker holds the engine weakly, and only while it ticks: it ends within a tick of the engine's end.
        // It is left to do so, since the engine itself is dropped after this.
        drop(self.ticker.take());
    }
}
