//! A bare module in a guest, with the gateway's own settings.

use std::path::Path;

use anyhow::{Context, anyhow};
use tidegate::plugin::{Profiling, measuring_engine};
use wasmtime::{Instance, Module, Store, TypedFunc, WasmParams, WasmResults};

/// An instance that is called from one thread.
#[derive(Debug)]
pub struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    /// Compiles a module that imports nothing, and makes an instance of it.
    ///
    /// # Errors
    /// Where it cannot be read, is none, or imports something.
    pub fn load(module: &Path, profiling: Profiling) -> anyhow::Result<Self> {
        let name = module.display();
        let bytes = std::fs::read(module).with_context(|| format!("read {name}"))?;
        let engine = measuring_engine(profiling)?;
        let module = Module::new(&engine, bytes).map_err(|fault| anyhow!("compile {name}: {fault:#}"))?;
        let mut store = Store::new(&engine, ());
        // The look at the clock is what costs, and nobody moves it here.
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = Instance::new(&mut store, &module, &[]);
        let instance = instance.map_err(|fault| anyhow!("instantiate {name}: {fault:#}"))?;
        Ok(Self { store, instance })
    }

    /// Finds an export.
    ///
    /// # Errors
    /// Where there is none of this name and type.
    pub fn export<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> anyhow::Result<TypedFunc<P, R>> {
        let export = self.instance.get_typed_func(&mut self.store, name);
        export.map_err(|fault| anyhow!("find export `{name}`: {fault:#}"))
    }

    /// Calls an export.
    ///
    /// # Errors
    /// Where it traps.
    pub fn call<P: WasmParams, R: WasmResults>(&mut self, export: &TypedFunc<P, R>, arguments: P) -> anyhow::Result<R> {
        export.call(&mut self.store, arguments).map_err(|fault| anyhow!("{fault:#}"))
    }

    /// A part of the memory.
    ///
    /// # Errors
    /// Where it lies outside.
    pub fn memory(&mut self, at: u32, length: u32) -> anyhow::Result<&[u8]> {
        let memory = self.instance.get_memory(&mut self.store, "memory").context("the module exports no memory")?;
        let bytes = memory.data(&self.store).get(at as usize..).and_then(|bytes| bytes.get(..length as usize));
        bytes.with_context(|| format!("{length} bytes at {at} lie outside of the memory"))
    }
}
