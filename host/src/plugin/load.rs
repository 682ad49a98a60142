//! From a file to a plugin that can be called: component or core module, imports and exports checked, compiled, described.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use wasmtime::component::{Component, HasSelf, Linker};

use super::contract;
use super::description::{Description, DescriptionFault};
use super::encode::{self, CONTRACTS, TRANSFORMER};
use super::engine::InstanceSettings;
use super::guest::{GuestState, Instantiate, WasmPlugin};
use super::{GuestFault, PluginFile, empty_world};

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
    #[error("plugin `{path}` imports `{import}`; a plugin may import only the interfaces of `tidegate:plugin`")]
    Import { path: PathBuf, import: String },
    #[error("plugin `{path}`: {problem}")]
    Description { path: PathBuf, problem: DescriptionFault },
    /// It fails or refuses to begin; what it said of itself before is known where it came so far.
    #[error("plugin `{path}`: {problem}")]
    Guest { path: PathBuf, problem: GuestFault, description: Option<Box<Description>> },
}

pub(super) async fn load(
    engine: &wasmtime::Engine,
    file: &PluginFile,
    instance: InstanceSettings,
) -> Result<WasmPlugin, LoadFault> {
    let PluginFile { path, bytes } = file;
    let hash = file.hash();
    let component = component(engine, path, bytes)?;
    let mut linker = Linker::<GuestState>::new(engine);
    link(&mut linker, engine, path, &component)?;
    let not_plugin = |problem: wasmtime::Error| LoadFault::NotPlugin {
        path: path.to_owned(),
        problem: format!("its imports or exports have other types than the contract's: {problem:#}"),
    };
    let pre = linker.instantiate_pre(&component).map_err(not_plugin)?;
    let pre = contract::PluginPre::new(pre).map_err(not_plugin)?;
    let instantiate = Instantiate { engine: engine.clone(), pre, instance };
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

fn component(engine: &wasmtime::Engine, path: &Path, bytes: &[u8]) -> Result<Component, LoadFault> {
    let invalid = |problem: String| LoadFault::Invalid { path: path.to_owned(), problem };
    let bytes = match bytes.first_chunk::<8>() {
        // The second half of the preamble tells a core module from a component.
        Some([0x00, b'a', b's', b'm', 0x01, 0, 0, 0]) => {
            // Only of what is valid: the encoder panics at a module that was cut off.
            wasmtime::Module::validate(engine, bytes).map_err(|fault| invalid(format!("{fault:#}")))?;
            Cow::Owned(wrap(path, bytes)?)
        }
        Some([0x00, b'a', b's', b'm', ..]) => Cow::Borrowed(bytes),
        _ => {
            let found = match bytes.get(..bytes.len().min(8)) {
                None | Some([]) => "empty".to_owned(),
                Some(first) if b"\0asm\x01\0\0".starts_with(first) => format!("cut off after {} bytes", first.len()),
                Some(first) => format!("a file that begins with the bytes {}", hex(first)),
            };
            return Err(LoadFault::NotWasm { path: path.to_owned(), found });
        }
    };
    Component::from_binary(engine, &bytes).map_err(|fault| invalid(format!("{fault:#}")))
}

fn wrap(path: &Path, module: &[u8]) -> Result<Vec<u8>, LoadFault> {
    encode::encode(module).map_err(|fault| {
        let exports_transformer = module.windows(TRANSFORMER.len()).any(|window| window == TRANSFORMER.as_bytes());
        match exports_transformer {
            true => LoadFault::Invalid { path: path.to_owned(), problem: format!("{fault:#}") },
            false => LoadFault::NotPlugin {
                path: path.to_owned(),
                problem: format!(
                    "it does not export `{}`; build it with the crate `tidegate-plugin` ({fault:#})",
                    newest()
                ),
            },
        }
    })
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
