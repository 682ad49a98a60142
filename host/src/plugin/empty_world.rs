//! WASI as an empty world: what a standard library drags in finds no files, no environment, no arguments, a clock that
//! stands and randomness that repeats. Anything else traps by its name when it is called.

use wasmtime::StoreContextMut;
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower};

use super::imports::GuestState;

/// Answers every `wasi:` import of the component.
///
/// # Errors
/// Where the component imports something that is not a function, a type or an interface.
pub(super) fn add_to_linker(
    linker: &mut Linker<GuestState>,
    engine: &wasmtime::Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (import, _) in component.component_type().imports(engine) {
        // Any 0.2 version has these functions with these types.
        let (interface, version) = import.split_once('@').unwrap_or((import, ""));
        if !version.starts_with("0.2.") {
            continue;
        }
        match interface {
            "wasi:cli/environment" => environment(&mut linker.instance(import)?)?,
            "wasi:clocks/wall-clock" => wall_clock(&mut linker.instance(import)?)?,
            "wasi:clocks/monotonic-clock" => monotonic_clock(&mut linker.instance(import)?)?,
            "wasi:random/random" => random(&mut linker.instance(import)?, "get-random")?,
            "wasi:random/insecure" => random(&mut linker.instance(import)?, "get-insecure-random")?,
            "wasi:random/insecure-seed" => {
                linker.instance(import)?.func_wrap(
                    "insecure-seed",
                    |mut store: StoreContextMut<'_, GuestState>, ()| {
                        Ok(((store.data_mut().random(), store.data_mut().random()),))
                    },
                )?;
            }
            _ => {}
        }
    }
    linker.define_unknown_imports_as_traps(component)
}

fn environment(instance: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    instance.func_wrap("get-environment", |_, ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_, ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_, ()| Ok((None::<String>,)))
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

fn wall_clock(instance: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |store: StoreContextMut<'_, GuestState>, ()| {
        let millis = store.data().clock();
        // A remainder of 1,000 fits 32 bits.
        let nanoseconds = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
        Ok((Datetime { seconds: millis / 1_000, nanoseconds },))
    })?;
    instance.func_wrap("resolution", |_, ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },)))
}

fn monotonic_clock(instance: &mut LinkerInstance<'_, GuestState>) -> wasmtime::Result<()> {
    instance.func_wrap("now", |store: StoreContextMut<'_, GuestState>, ()| {
        Ok((store.data().clock().saturating_mul(1_000_000),))
    })?;
    instance.func_wrap("resolution", |_, ()| Ok((1_000_000u64,)))
}

fn random(instance: &mut LinkerInstance<'_, GuestState>, name: &str) -> wasmtime::Result<()> {
    instance.func_wrap(&format!("{name}-bytes"), |mut store: StoreContextMut<'_, GuestState>, (length,): (u64,)| {
        // Nobody asks for more than a key at a time; more is an attempt on the host's memory.
        let length = usize::try_from(length).ok().filter(|length| *length <= 64 << 10);
        let length = length.ok_or_else(|| wasmtime::Error::msg("more than 65,536 random bytes at once"))?;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&store.data_mut().random().to_le_bytes());
        }
        bytes.truncate(length);
        Ok((bytes,))
    })?;
    instance.func_wrap(&format!("{name}-u64"), |mut store: StoreContextMut<'_, GuestState>, ()| {
        Ok((store.data_mut().random(),))
    })
}
