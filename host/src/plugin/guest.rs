//! Instances of a WebAssembly plugin: made, initialised, called, used again.

use parking_lot::Mutex;
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder};

use super::contract::{self, log, lookup};
use super::description::Description;
use super::engine::InstanceSettings;
use super::{BoxFuture, Guest, GuestFault, Plugin, PluginHash};
use crate::pipeline::Range;
use crate::rows::shortened;

/// A plugin compiled from a file.
pub struct WasmPlugin {
    instantiate: Instantiate,
    description: Description,
    hash: PluginHash,
    /// Instances of a stateless plugin between two ranges: at most as many as ranges were ever transformed at once.
    idle: Mutex<Vec<WasmGuest>>,
}

/// All that is needed to make an instance.
pub(super) struct Instantiate {
    pub engine: wasmtime::Engine,
    pub pre: contract::PluginPre<GuestState>,
    pub instance: InstanceSettings,
}

/// One instance with its store.
pub(super) struct WasmGuest {
    store: Store<GuestState>,
    exports: contract::Plugin,
}

/// The limit of memory counts for each memory by itself, so there may be one; compilers make no more.
const MEMORIES: usize = 1;

/// A table lists functions that are called by address, eight bytes each: a million is far beyond any module, and 8 MiB
/// are no way around the limit of memory.
const TABLE_ELEMENTS: usize = 1 << 20;

/// The longest line that a guest's log is taken for, in bytes.
const LONGEST_LINE: usize = 4_096;

/// A module has one, and what wraps it into a component has another.
const TABLES: usize = 4;

/// What the host's side of the imports works on.
pub(super) struct GuestState {
    instance: InstanceSettings,
    limits: StoreLimits,
    /// The last line that the guest logged as an error: a panic's message, when a trap follows.
    last_error: Option<String>,
    /// Milliseconds since 1970, the greatest timestamp that the range has shown so far.
    clock: u64,
    seed: u64,
}

impl WasmPlugin {
    pub(super) fn new(instantiate: Instantiate, description: Description, hash: PluginHash, first: WasmGuest) -> Self {
        let idle = Mutex::new(if description.stateless { vec![first] } else { Vec::new() });
        Self { instantiate, description, hash, idle }
    }
}

impl Plugin for WasmPlugin {
    fn description(&self) -> &Description {
        &self.description
    }

    fn hash(&self) -> PluginHash {
        self.hash
    }

    fn guest<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        Box::pin(async move {
            let idle = self.idle.lock().pop();
            let mut guest = match idle {
                Some(guest) => guest,
                None => self.instantiate.initialised().await?,
            };
            guest.store.data_mut().begin(range);
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }

    fn fresh_guest<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        Box::pin(async move {
            let mut guest = self.instantiate.initialised().await?;
            guest.store.data_mut().begin(range);
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }

    fn give_back(&self, guest: Box<dyn Guest>) {
        if self.description.stateless
            && let Ok(guest) = guest.into_any().downcast::<WasmGuest>()
        {
            self.idle.lock().push(*guest);
        }
    }

    fn release_idle(&self) {
        // Dropped outside of the lock: giving memory back takes its time.
        drop(std::mem::take(&mut *self.idle.lock()));
    }
}

impl Instantiate {
    pub async fn describe(&self) -> Result<contract::Description, GuestFault> {
        let mut guest = self.fresh().await?;
        let described = guest.exports.tidegate_plugin_transformer().call_describe(&mut guest.store).await;
        described.map_err(|fault| guest.trap(fault))
    }

    pub async fn initialised(&self) -> Result<WasmGuest, GuestFault> {
        let mut guest = self.fresh().await?;
        let settings = self.instance.settings.as_str();
        let answer = guest.exports.tidegate_plugin_transformer().call_init(&mut guest.store, settings).await;
        match answer {
            Ok(Ok(())) => Ok(guest),
            Ok(Err(reason)) => Err(GuestFault::Init(reason)),
            Err(fault) => Err(guest.trap(fault)),
        }
    }

    async fn fresh(&self) -> Result<WasmGuest, GuestFault> {
        let mut store = Store::new(&self.engine, GuestState::new(self.instance.clone()));
        store.limiter(|state| &mut state.limits);
        // At every tick of the epoch the fibre yields, so that a spinning guest takes its share and no more.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        match self.pre.instantiate_async(&mut store).await {
            Ok(exports) => Ok(WasmGuest { store, exports }),
            Err(fault) => Err(GuestFault::Trap(trap_text(store.data_mut(), fault))),
        }
    }
}

impl WasmGuest {
    fn trap(&mut self, fault: wasmtime::Error) -> GuestFault {
        GuestFault::Trap(trap_text(self.store.data_mut(), fault))
    }
}

impl Guest for WasmGuest {
    fn transform<'a>(&'a mut self, batch: contract::Batch<'a>) -> BoxFuture<'a, Result<contract::Output, GuestFault>> {
        Box::pin(async move {
            self.store.data_mut().advance(batch.timestamps);
            let answer = self.exports.tidegate_plugin_transformer().call_transform(&mut self.store, batch).await;
            answer.map_err(|fault| self.trap(fault))
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<contract::Output, GuestFault>> {
        Box::pin(async move {
            let answer = self.exports.tidegate_plugin_transformer().call_finish(&mut self.store).await;
            answer.map_err(|fault| self.trap(fault))
        })
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

/// The trap with its backtrace, and the panic's message where the guest told it.
fn trap_text(state: &mut GuestState, fault: wasmtime::Error) -> String {
    let trap = format!("{fault:?}");
    match state.last_error.take() {
        Some(panic) => format!("{panic}; {trap}"),
        None => trap,
    }
}

impl GuestState {
    fn new(instance: InstanceSettings) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(instance.memory)
            .memories(MEMORIES)
            .table_elements(TABLE_ELEMENTS)
            .tables(TABLES)
            .trap_on_grow_failure(true)
            .build();
        Self { instance, limits, last_error: None, clock: 0, seed: 0 }
    }

    fn begin(&mut self, range: &Range) {
        self.last_error = None;
        self.clock = 0;
        self.seed = range.seed();
    }

    fn advance(&mut self, timestamps: &[i64]) {
        let latest = timestamps.iter().copied().max().and_then(|latest| u64::try_from(latest).ok());
        self.clock = self.clock.max(latest.unwrap_or_default());
    }

    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// The next number of the sequence that the range's seed begins (SplitMix64: Steele, Lea and Flood, 2014).
    pub fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl log::Host for GuestState {
    fn write(&mut self, level: log::Level, message: String) {
        let message = shortened(message, LONGEST_LINE);
        let pipeline = self.instance.pipeline.as_str();
        match level {
            log::Level::Debug => tracing::debug!(target: "plugin", pipeline, "{message}"),
            log::Level::Info => tracing::info!(target: "plugin", pipeline, "{message}"),
            log::Level::Warn => tracing::warn!(target: "plugin", pipeline, "{message}"),
            log::Level::Error => {
                tracing::error!(target: "plugin", pipeline, "{message}");
                self.last_error = Some(message);
            }
        }
    }
}

impl lookup::Host for GuestState {
    fn open(&mut self, name: String) -> Result<lookup::Table, String> {
        let (handle, columns) = self.instance.lookups.open(&name)?;
        Ok(lookup::Table { handle, columns: columns.to_vec() })
    }

    fn get(&mut self, table: u32, key: String) -> Option<Vec<String>> {
        self.instance.lookups.get(table, &key).map(<[String]>::to_vec)
    }
}

impl contract::tidegate::plugin::types::Host for GuestState {}
