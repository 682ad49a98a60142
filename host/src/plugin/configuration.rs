//! wasmtime's settings, each with its reason. What decides about code or about memory stands here although it may be the
//! default of today: a new version of wasmtime must not change what a plugin may do.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;

use sha2::{Digest, Sha256};
use wasmtime::{
    Config, InstanceAllocationStrategy, OptLevel, ProfilingStrategy, RegallocAlgorithm, WasmBacktraceDetails,
    WasmFeatures,
};

use super::LoadFault;
use super::encode::CONTRACTS;
use super::engine::Profiling;

/// What an engine is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It reads plugins' files and makes machine code of them, in a process of its own.
    Compiles,
    /// It runs that code, and can neither parse nor compile anything.
    Runs(Profiling),
}

/// Frames that a trap tells. A recursion is told as well by its first ones as by all of them.
const FRAMES: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// An engine for this role.
///
/// # Errors
/// Where this machine cannot run compiled WebAssembly.
pub(super) fn engine(role: Role) -> Result<wasmtime::Engine, LoadFault> {
    wasmtime::Engine::new(&config(role)).map_err(|fault| LoadFault::Engine(format!("{fault:#}")))
}

/// An engine that both compiles and runs, with all other settings those of the gateway: for benchmarks and checks of code that is
/// no plugin, in which nobody else's bytes are.
///
/// # Errors
/// Where this machine cannot run compiled WebAssembly.
pub fn measuring_engine(profiling: Profiling) -> Result<wasmtime::Engine, LoadFault> {
    let mut config = config(Role::Runs(profiling));
    config.enable_compiler(true);
    wasmtime::Engine::new(&config).map_err(|fault| LoadFault::Engine(format!("{fault:#}")))
}

/// What compiled code depends on besides the plugin's file: wasmtime's version, its settings, the processor, the contract that
/// core modules are wrapped in, and the gateway's own version.
pub(super) fn identity() -> Result<[u8; 32], LoadFault> {
    let engine = engine(Role::Compiles)?;
    let mut digest = Digesting(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut digest);
    CONTRACTS.hash(&mut digest);
    env!("CARGO_PKG_VERSION").hash(&mut digest);
    Ok(digest.0.finalize().into())
}

/// The standard library's own hash may change with every Rust, and is no good against forgers.
struct Digesting(Sha256);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Only the digest is asked for.
        0
    }
}

fn config(role: Role) -> Config {
    let mut config = Config::new();
    what_modules_may_use(&mut config);
    code(&mut config);
    memory(&mut config);
    traps(&mut config);
    match role {
        // One thread, at the lowest priority: compiling must not take the cores from guests. Gateways are not in a hurry.
        Role::Compiles => config.parallel_compilation(false),
        // What is not there cannot be reached by a plugin's bytes.
        Role::Runs(_) => config.enable_compiler(false),
    };
    // Writes names of functions to /tmp, so only where somebody asks for it.
    if role == Role::Runs(Profiling::PerfMap) {
        config.profiler(ProfilingStrategy::PerfMap);
    }
    config
}

/// WebAssembly 2.0 without what plugins do not need: every proposal is a piece of compiler that a module can reach. What Rust,
/// C, Go and AssemblyScript compile to uses these and nothing more.
fn what_modules_may_use(config: &mut Config) {
    config.wasm_bulk_memory(true).wasm_multi_value(true).wasm_simd(true);
    config.wasm_features(WasmFeatures::REFERENCE_TYPES, true);
    // Constant expressions with an addition, which linkers write for positions in memory.
    config.wasm_extended_const(true);
    let unneeded = [
        // A thread would go on beside the call that began it, and memory that is shared can be grown by nobody's count.
        WasmFeatures::THREADS,
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        // A second heap, with limits of its own.
        WasmFeatures::GC,
        WasmFeatures::FUNCTION_REFERENCES,
        // Rust's plugins abort at a panic; other languages' exceptions can be compiled without these.
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::LEGACY_EXCEPTIONS,
        // More memories than the one that the limit counts, larger than what it counts, or bounds that must be checked by hand.
        WasmFeatures::MULTI_MEMORY,
        WasmFeatures::MEMORY64,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        // Answers that depend on the machine.
        WasmFeatures::RELAXED_SIMD,
        // Young, and nobody's plugin was compiled to them.
        WasmFeatures::TAIL_CALL,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::WIDE_ARITHMETIC,
        // The contract is made of plain calls, records and lists.
        WasmFeatures::CM_ASYNC,
        WasmFeatures::CM_ASYNC_STACKFUL,
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        WasmFeatures::CM_THREADING,
        WasmFeatures::CM_ERROR_CONTEXT,
        WasmFeatures::CM_GC,
        WasmFeatures::CM_MAP,
        WasmFeatures::CM64,
        WasmFeatures::CM_FIXED_LENGTH_LISTS,
        WasmFeatures::CM_IMPLEMENTS,
    ];
    for proposal in unneeded {
        config.wasm_features(proposal, false);
    }
    config.wasm_component_model(true);
    // Follows from the above: no calls run beside each other in one store.
    config.concurrency_support(false);
    config.shared_memory(false);
}

fn code(config: &mut Config) {
    // Compiled once, run for weeks. The register allocator's quicker mode would make code that is a third slower.
    config.cranelift_opt_level(OptLevel::Speed).cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking);
    // A guest's answer may not depend on the machine.
    config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
    // A guest yields and is looked at when the epoch moves on; costs half of what counting fuel costs.
    config.epoch_interruption(true).consume_fuel(false);
    // Debuggers and checkers of memory are no part of a gateway.
    config.debug_info(false).cranelift_debug_verifier(false);
}

fn memory(config: &mut Config) {
    // One reservation of address space an instance: 4 GiB that 32 bits can reach, and a guard behind it that catches what an
    // offset adds, so that no access needs a check. It takes no memory: what a guest may touch is `limits.memory`. 10,000
    // instances take 40 of the 128 TiB that a process has.
    config.memory_reservation(4 << 30).memory_guard_size(32 << 20);
    // Also before it, should an address ever be taken for a negative number.
    config.guard_before_linear_memory(true);
    // The reservation is all that 32 bits can reach, so the base can be trusted to stay.
    config.memory_may_move(false);
    // A fresh instance's memory is mapped from the compiled file and copied where it is written: see `docs/sandbox.md`.
    config.memory_init_cow(true);
    // Functions that are called by address get into the table when they are first called, not at every fresh instance.
    config.table_lazy_init(true);
    // Instances are made when they are needed. A pool would reserve for the most that could ever be needed, of all pipelines
    // together, and refuse what lies beyond; it saves a part of what a fresh instance costs: see `docs/sandbox.md`.
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    // Deep recursion traps long before the fibre's stack ends; the host's functions run on what is left.
    config.max_wasm_stack(512 << 10).async_stack_size(1 << 20);
    // A fibre's stack is mapped anew, thus zero, and no other guest's; it is never used again.
    config.async_stack_zeroing(false);
}

fn traps(config: &mut Config) {
    // Accesses out of bounds are caught by the processor. Nothing else in the process handles SIGSEGV.
    config.signals_based_traps(true);
    // A trap tells the functions that led there, with their names, and with lines where the module carries them.
    config.wasm_backtrace_max_frames(Some(FRAMES)).generate_address_map(true);
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    // For `perf` and for debuggers of the gateway to walk through guests' frames.
    config.native_unwind_info(true);
}
