//! Instances of a WebAssembly plugin: made, initialised, called, used again.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wasmtime::{Store, Trap, UpdateDeadline, WasmBacktrace};

use super::contract;
use super::description::Description;
use super::engine::InstanceSettings;
use super::imports::GuestState;
use super::limit::LimitReached;
use super::log_lines::LogLines;
use super::{BoxFuture, Guest, GuestFault, Plugin, PluginHash, Usage};
use crate::config::PluginState;
use crate::pipeline::Range;
use crate::tenants::Idle;

/// A plugin compiled from a file.
pub struct WasmPlugin {
    instantiate: Instantiate,
    description: Description,
    hash: PluginHash,
    /// Instances of a stateless plugin between two ranges: at most as many as ranges were ever transformed at once.
    idle: Arc<IdleGuests>,
    /// Where state is kept: the instance of each partition between two of its ranges.
    kept: Mutex<HashMap<PartitionKey, WasmGuest>>,
}

/// Instances that wait for their next range.
struct IdleGuests(Mutex<Vec<WasmGuest>>);

impl Idle for IdleGuests {
    fn release(&self) {
        // Dropped outside of the lock: giving memory back takes its time.
        let released = std::mem::take(&mut *self.0.lock());
        drop(released);
    }
}

/// A topic and a partition of it.
type PartitionKey = (Arc<str>, i32);

/// All that is needed to make an instance.
pub(super) struct Instantiate {
    engine: wasmtime::Engine,
    pre: contract::PluginPre<GuestState>,
    instance: InstanceSettings,
    log_lines: Arc<LogLines>,
}

/// One instance with its store.
pub(super) struct WasmGuest {
    store: Store<GuestState>,
    exports: contract::Plugin,
    /// Whose range it is at.
    partition: Option<PartitionKey>,
}

impl WasmPlugin {
    pub(super) fn new(instantiate: Instantiate, description: Description, hash: PluginHash, first: WasmGuest) -> Self {
        let idle = Arc::new(IdleGuests(Mutex::new(if description.stateless { vec![first] } else { Vec::new() })));
        let weak: Weak<dyn Idle> = Arc::<IdleGuests>::downgrade(&idle);
        instantiate.instance.tenant.when_spent(weak);
        Self { instantiate, description, hash, idle, kept: Mutex::default() }
    }

    fn keeps_state(&self) -> bool {
        !self.description.stateless && self.instantiate.instance.state == PluginState::Kept
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
            let idle = match self.keeps_state() {
                true => self.kept.lock().remove(&partition(range)),
                false => self.idle.0.lock().pop(),
            };
            let mut guest = match idle {
                Some(guest) => guest,
                None => self.instantiate.initialised().await?,
            };
            guest.begin(range);
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }

    fn fresh_guest<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        Box::pin(async move {
            let mut guest = self.instantiate.initialised().await?;
            guest.begin(range);
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }

    fn give_back(&self, guest: Box<dyn Guest>) {
        let Ok(guest) = guest.into_any().downcast::<WasmGuest>() else { return };
        if self.description.stateless {
            // Where the tenant holds as much as it may, one that is idle is one too many.
            if self.instantiate.instance.tenant.room() > 0 {
                self.idle.0.lock().push(*guest);
            }
        } else if self.keeps_state()
            && let Some(partition) = guest.partition.clone()
        {
            self.kept.lock().insert(partition, *guest);
        }
    }

    fn forget_all(&self) {
        // Dropped outside of the lock.
        let forgotten = std::mem::take(&mut *self.kept.lock());
        drop(forgotten);
    }

    fn forget(&self, range: &Range) {
        let forgotten = self.kept.lock().remove(&partition(range));
        drop(forgotten);
    }

    fn release_idle(&self) {
        self.idle.release();
    }

    fn cpu_budget(&self) -> Option<Duration> {
        Some(self.instantiate.instance.limits.cpu)
    }

    fn rows_per_record(&self) -> usize {
        self.instantiate.instance.limits.rows_per_record
    }

    fn usage(&self) -> Option<&Usage> {
        Some(&self.instantiate.instance.usage)
    }
}

impl Instantiate {
    pub fn new(engine: wasmtime::Engine, pre: contract::PluginPre<GuestState>, instance: InstanceSettings) -> Self {
        let log_lines = Arc::new(LogLines::new(instance.limits.log_lines, Instant::now()));
        Self { engine, pre, instance, log_lines }
    }

    pub async fn describe(&self) -> Result<contract::Description, GuestFault> {
        let mut guest = self.fresh().await?;
        let cpu = guest.store.data().cpu.clone();
        let described = guest.exports.tidegate_plugin_transformer();
        let described = cpu.run(described.call_describe(&mut guest.store)).await;
        described.map_err(|fault| guest.fault(&fault))
    }

    pub async fn initialised(&self) -> Result<WasmGuest, GuestFault> {
        let mut guest = self.fresh().await?;
        let cpu = guest.store.data().cpu.clone();
        let settings = self.instance.settings.as_str();
        let answer = guest.exports.tidegate_plugin_transformer();
        let answer = cpu.run(answer.call_init(&mut guest.store, settings)).await;
        match answer {
            Ok(Ok(())) => Ok(guest),
            Ok(Err(reason)) => Err(GuestFault::Init(reason)),
            Err(fault) => Err(guest.fault(&fault)),
        }
    }

    async fn fresh(&self) -> Result<WasmGuest, GuestFault> {
        // Waits where the tenant holds as much as it may.
        let held = self.instance.tenant.instance().await;
        let state = GuestState::new(self.instance.clone(), self.log_lines.clone(), held);
        let cpu = state.cpu.clone();
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        // What a call hands over, copied or pointed at many times: lists of the result, and texts to the log and to lookups.
        store.set_hostcall_fuel(self.instance.limits.output.0);
        // The contract has no resources.
        store.set_max_component_handles(16);
        // At every tick of the epoch the guest's CPU time is looked at, and the fibre yields, so that a spinning guest takes its
        // share and no more.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().cpu.check()?;
            Ok(UpdateDeadline::Yield(1))
        });
        match cpu.run(self.pre.instantiate_async(&mut store)).await {
            Ok(exports) => Ok(WasmGuest { store, exports, partition: None }),
            Err(fault) => Err(fault_of(store.data_mut(), &fault)),
        }
    }
}

fn partition(range: &Range) -> PartitionKey {
    (range.topic.clone(), range.partition)
}

impl WasmGuest {
    fn begin(&mut self, range: &Range) {
        self.store.data_mut().begin(range);
        self.partition = Some(partition(range));
    }

    fn fault(&mut self, fault: &wasmtime::Error) -> GuestFault {
        fault_of(self.store.data_mut(), fault)
    }
}

impl Guest for WasmGuest {
    fn transform<'a>(&'a mut self, batch: contract::Batch<'a>) -> BoxFuture<'a, Result<contract::Output, GuestFault>> {
        Box::pin(async move {
            let (cpu, records) = (self.store.data().cpu.clone(), batch.offsets.len());
            self.store.data_mut().advance(batch.timestamps);
            let call = self.exports.tidegate_plugin_transformer().call_transform(&mut self.store, batch);
            match cpu.run(call).await {
                Ok(output) => {
                    self.store.data().used(records, &output);
                    Ok(output)
                }
                Err(fault) => Err(self.fault(&fault)),
            }
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<contract::Output, GuestFault>> {
        Box::pin(async move {
            let cpu = self.store.data().cpu.clone();
            self.store.data_mut().advance(&[]);
            let call = self.exports.tidegate_plugin_transformer().call_finish(&mut self.store);
            match cpu.run(call).await {
                Ok(output) => {
                    self.store.data().used(0, &output);
                    Ok(output)
                }
                Err(fault) => Err(self.fault(&fault)),
            }
        })
    }

    fn set_cpu_budget(&mut self, budget: Duration) {
        self.store.data().cpu.set_budget(budget);
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

/// Which limit stopped it, or the trap with its backtrace; before it the panic's message, where the guest told it.
fn fault_of(state: &mut GuestState, fault: &wasmtime::Error) -> GuestFault {
    match limit_of(state, fault) {
        Some(LimitReached { limit, problem }) => {
            state.instance.usage.limited(limit, 1);
            GuestFault::Limit { limit, problem: format!("{problem}; {fault:?}") }
        }
        // Functions of the right names and other types, more instances or memories than there may be.
        None if fault.downcast_ref::<Trap>().is_none() && fault.downcast_ref::<WasmBacktrace>().is_none() => {
            GuestFault::Contract(format!("{fault:#}"))
        }
        None => {
            let trap = format!("{fault:?}");
            GuestFault::Trap(match state.take_panic() {
                Some(panic) => format!("{panic}; {trap}"),
                None => trap,
            })
        }
    }
}

fn limit_of(state: &GuestState, fault: &wasmtime::Error) -> Option<LimitReached> {
    /// What wasmtime says where a guest hands over more than `Store::set_hostcall_fuel` lets it; it has no type for that.
    const TOO_MUCH: &str = "too much data is being copied between the host and the guest";
    if let Some(reached) = fault.downcast_ref::<LimitReached>() {
        return Some(reached.clone());
    }
    if fault.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Some(LimitReached::stack());
    }
    let too_much = fault.chain().any(|cause| cause.to_string().starts_with(TOO_MUCH));
    too_much.then(|| LimitReached::output(state.instance.limits.output))
}
