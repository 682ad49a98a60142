//! Every golden case of the example plugins, as a test of its own: as WebAssembly and natively.
//! Files are found, not listed; what is in them `tidegate::cases` knows.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use tidegate::plugin::{Engine, EngineSettings, Plugin, PluginFile, compile_if_asked};
use tidegate_tests::cases::{self, NativePlugin, PluginCase};

fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    let arguments = Arguments::from_args();
    let trials = trials().unwrap_or_else(|problem| {
        vec![Trial::test("cases_are_found", move || Err(Failed::from(format!("{problem:#}"))))]
    });
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials() -> anyhow::Result<Vec<Trial>> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let engine = Engine::new(EngineSettings::default())?;
    let mut trials = Vec::new();
    for case in cases::discover(&plugins)? {
        let (native, engine) = (case.clone(), engine.clone());
        trials.push(trial(format!("{} as WebAssembly", case.name()), move || check(&case, &wasm(&engine, &case)?)));
        trials.push(trial(format!("{} natively", native.name()), move || check(&native, &natively(&native)?)));
    }
    Ok(trials)
}

fn trial(name: String, run: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    Trial::test(name, || run().map_err(|problem| Failed::from(format!("{problem:#}"))))
}

fn wasm(engine: &Engine, case: &PluginCase) -> anyhow::Result<Arc<dyn Plugin>> {
    let path = cases::built(&case.plugin)?;
    let instance = case.case.instance()?;
    Ok(Arc::new(block_on(engine.load(&PluginFile::read(&path)?, instance))??))
}

fn natively(case: &PluginCase) -> anyhow::Result<Arc<dyn Plugin>> {
    let instance = case.case.instance()?;
    Ok(match case.plugin.as_str() {
        "sales" => Arc::new(NativePlugin::<sales::Exported>::new(instance)?),
        "warehouse" => Arc::new(NativePlugin::<warehouse::Exported>::new(instance)?),
        "sensors" => Arc::new(NativePlugin::<sensors::Exported>::new(instance)?),
        "syslog" => Arc::new(NativePlugin::<syslog::Exported>::new(instance)?),
        "flights" => Arc::new(NativePlugin::<flights::Exported>::new(instance)?),
        "music" => Arc::new(NativePlugin::<music::Exported>::new(instance)?),
        "people" => Arc::new(NativePlugin::<people::Exported>::new(instance)?),
        "campaigns" => Arc::new(NativePlugin::<campaigns::Exported>::new(instance)?),
        other => bail!("plugin `{other}` has cases and is not linked into this test; name it here"),
    })
}

fn check(PluginCase { case, .. }: &PluginCase, plugin: &Arc<dyn Plugin>) -> anyhow::Result<()> {
    let ran = block_on(tidegate::cases::run(plugin, case))??;
    let difference = case.expected.difference(&ran.found);
    ensure!(difference.is_empty(), "\n{difference}");
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future))
}
