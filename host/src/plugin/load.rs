//! From a file to a plugin that can be called: component or core module, imports and exports checked, compiled, described.

use std::path::{Path, PathBuf};

use wasmtime::component::{Component, HasSelf, Linker};

use super::compiler::CompileFault;
use super::contract;
use super::description::{Description, DescriptionFault};
use super::encode::{self, CONTRACTS, TRANSFORMER};
use super::engine::{Engine, InstanceSettings};
use super::guest::{Instantiate, WasmPlugin};
use super::imports::GuestState;
use super::{GuestFault, PluginFile, empty_world};
use crate::config::ByteSize;

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LoadFault {
    #[error("start WebAssembly: {0}")]
    Engine(String),
    #[error("read plugin `{path}`: {problem}")]
    File { path: PathBuf, problem: std::io::Error },
    #[error("plugin `{path}` is not WebAssembly: it is {found}, and a module begins with the bytes 00 61 73 6d")]
    NotWasm { path: PathBuf, found: String },
    #[error("plugin `{path}` is not a Tidegate plugin: {problem}")]
    NotPlugin { path: PathBuf, problem: String },
    #[error("plugin `{path}` is damaged or uses what is not supported: {problem}")]
    Invalid { path: PathBuf, problem: String },
    #[error("plugin `{path}` cannot be compiled: {problem}")]
    Compile { path: PathBuf, problem: CompileFault },
    #[error(
        "plugin `{path}` has {size}, and {limit} is the limit; a larger `limits.module_size` in the pipeline's file allows more"
    )]
    TooLarge { path: PathBuf, size: ByteSize, limit: ByteSize },
    #[error("plugin `{path}` imports `{import}`; a plugin may import only the interfaces of `tidegate:plugin`")]
    Import { path: PathBuf, import: String },
    #[error("plugin `{path}`: {problem}")]
    Description { path: PathBuf, problem: DescriptionFault },
    /// It fails or refuses to begin; what it said of itself before is known where it came so far.
    #[error("plugin `{path}`: {problem}")]
    Guest { path: PathBuf, problem: GuestFault, description: Option<Box<Description>> },
}

pub(super) async fn load(
    engine: &Engine,
    file: &PluginFile,
    instance: InstanceSettings,
) -> Result<WasmPlugin, LoadFault> {
    let PluginFile { path, bytes } = file;
    instance.usage.module_size(bytes.len());
    check_size(path, bytes.len(), instance.limits.module_size)?;
    check_preamble(path, bytes)?;
    let hash = file.hash();
    let tenant = instance.pipeline.split('/').next().unwrap_or_default();
    let component = engine.component(tenant, file).await.map_err(|fault| refused(path, fault))?;
    let engine = engine.wasmtime();
    let mut linker = Linker::<GuestState>::new(engine);
    link(&mut linker, engine, path, &component)?;
    let not_plugin = |problem: wasmtime::Error| LoadFault::NotPlugin {
        path: path.to_owned(),
        problem: format!("its imports or exports have other types than the contract's: {problem:#}"),
    };
    let pre = linker.instantiate_pre(&component).map_err(not_plugin)?;
    let pre = contract::PluginPre::new(pre).map_err(not_plugin)?;
    let instantiate = Instantiate::new(engine.clone(), pre, instance);
    let guest = |problem, description| LoadFault::Guest { path: path.to_owned(), problem, description };
    let description = instantiate.describe().await.map_err(|problem| guest(problem, None))?;
    let description =
        Description::new(description).map_err(|problem| LoadFault::Description { path: path.to_owned(), problem })?;
    // Settings are wrong now or never: an operator hears of it before the first record.
    match instantiate.initialised().await {
        Ok(first) => Ok(WasmPlugin::new(instantiate, description, hash, first)),
        Err(problem) => Err(guest(problem, Some(Box::new(description)))),
    }
}

/// What a file is, by its first bytes; nothing else of it is looked at in this process.
fn check_preamble(path: &Path, bytes: &[u8]) -> Result<(), LoadFault> {
    if bytes.len() >= 8 && bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    let found = match bytes.get(..bytes.len().min(8)) {
        None | Some([]) => "empty".to_owned(),
        Some(first) if b"\0asm\x01\0\0".starts_with(first) => format!("cut off after {} bytes", first.len()),
        Some(first) => format!("a file that begins with the bytes {}", hex(first)),
    };
    Err(LoadFault::NotWasm { path: path.to_owned(), found })
}

fn check_size(path: &Path, size: usize, limit: ByteSize) -> Result<(), LoadFault> {
    let fits = size <= limit.0;
    fits.then_some(()).ok_or_else(|| LoadFault::TooLarge { path: path.to_owned(), size: ByteSize(size), limit })
}

/// What the compiler's process found, as an operator reads it.
fn refused(path: &Path, fault: CompileFault) -> LoadFault {
    let path = path.to_owned();
    match fault {
        CompileFault::NotPlugin(problem) => LoadFault::NotPlugin {
            path,
            problem: format!(
                "it does not export `{}`; build it with the crate `tidegate-plugin` ({problem})",
                newest()
            ),
        },
        CompileFault::Invalid(problem) => LoadFault::Invalid { path, problem },
        problem => LoadFault::Compile { path, problem },
    }
}

fn link(
    linker: &mut Linker<GuestState>,
    engine: &wasmtime::Engine,
    path: &Path,
    component: &Component,
) -> Result<(), LoadFault> {
    let kind = component.component_type();
    for (import, _) in kind.imports(engine) {
        if !import.starts_with("tidegate:plugin/") && !import.starts_with("wasi:") {
            return Err(LoadFault::Import { path: path.to_owned(), import: import.to_owned() });
        }
    }
    let exports: Vec<_> = kind.exports(engine).map(|(export, _)| export).collect();
    if let Some(problem) = without_transformer(&exports) {
        return Err(LoadFault::NotPlugin { path: path.to_owned(), problem });
    }
    let linked = contract::Plugin::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        .and_then(|()| empty_world::add_to_linker(linker, engine, component));
    linked.map_err(|fault| LoadFault::Engine(format!("{fault:#}")))
}

/// What is wrong with a component that exports these.
fn without_transformer(exports: &[&str]) -> Option<String> {
    let version = exports.iter().find_map(|export| export.strip_prefix(TRANSFORMER));
    match version {
        Some(version) if CONTRACTS.iter().any(|(known, _)| *known == version) => None,
        Some(version) => Some(encode::unknown_version(version)),
        None if exports.is_empty() => Some(format!("it exports nothing and must export `{}`", newest())),
        None => Some(format!("it exports `{}` and must export `{}`", exports.join("`, `"), newest())),
    }
}

fn newest() -> String {
    let version = CONTRACTS.last().map(|(version, _)| *version).unwrap_or_default();
    format!("{TRANSFORMER}{version}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
