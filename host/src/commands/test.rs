//! `tidegate test`: golden cases through a plugin, told to a person, to a machine, or as TOML to paste.

mod report;
mod usage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use super::UNUSABLE;
use crate::cases::{self, Case};
use crate::logging;
use crate::plugin::{Engine, EngineSettings, GuestFault, InstanceSettings, LoadFault, Plugin, PluginFile, Usage};
use report::{Checked, Verdict};

/// What `tidegate test` is asked.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// The plugin's file.
    pub plugin: PathBuf,
    /// Case files and folders of them; without any NAME.cases beside the plugin NAME.wasm, or else the folder `cases`.
    pub cases: Vec<PathBuf>,
    /// How results are told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Print what came out as TOML, to be pasted into the case, and compare nothing.
    #[arg(long, conflicts_with = "format")]
    pub print: bool,
}

/// How results are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for a person.
    Text,
    /// One JSON object.
    Json,
}

/// What is made of what came out.
#[derive(Clone, Copy)]
enum Telling {
    Text,
    Json,
    Toml,
}

/// Runs the cases. 0 where all are met, 1 where one is not, 64 where the plugin or a case cannot be read.
pub fn test(arguments: &TestArguments) -> ExitCode {
    logging::start();
    let telling = match (arguments.print, arguments.format) {
        (true, _) => Telling::Toml,
        (false, Format::Text) => Telling::Text,
        (false, Format::Json) => Telling::Json,
    };
    let checked = read(&arguments.plugin, &arguments.cases).and_then(|cases| check(&arguments.plugin, &cases));
    match checked {
        Ok((checked, usage)) => report::tell(&checked, &usage.used(), telling),
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// All cases, or the faults of all of their files.
fn read(plugin: &Path, paths: &[PathBuf]) -> anyhow::Result<Vec<Case>> {
    let paths = if paths.is_empty() { vec![default_folder(plugin)?] } else { paths.to_vec() };
    let (mut cases, mut faults) = (Vec::new(), Vec::new());
    for path in &paths {
        for file in cases::files(path)? {
            match Case::read(&file) {
                Ok(case) => cases.push(case),
                Err(fault) => faults.push(fault.to_string()),
            }
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(cases)
}

fn default_folder(plugin: &Path) -> anyhow::Result<PathBuf> {
    let folders = [plugin.with_extension("cases"), PathBuf::from("cases")];
    let found = folders.iter().find(|folder| folder.is_dir()).cloned();
    found.with_context(|| {
        let [beside, here] = folders;
        format!(
            "there is neither a folder `{}` nor a folder `{}`; name a folder of cases",
            beside.display(),
            here.display()
        )
    })
}

/// The cases with what came of them, and what the plugin took of its limits over all of them.
fn check(path: &Path, cases: &[Case]) -> anyhow::Result<(Vec<Checked>, Arc<Usage>)> {
    let usage = Arc::new(Usage::default());
    let engine = Engine::new(EngineSettings::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("start a runtime")?;
    runtime.block_on(async {
        let mut started: Option<(&Case, Arc<dyn Plugin>)> = None;
        let mut checked = Vec::with_capacity(cases.len());
        for case in cases {
            // Compiling takes longer than most cases do.
            let plugin = match &started {
                Some((before, plugin)) if before.starts_like(case) => plugin.clone(),
                _ => match load(&engine, path, case, &usage).await? {
                    Ok(plugin) => started.insert((case, plugin)).1.clone(),
                    Err(fault) => {
                        checked.push(Checked::broken(case, &fault.into()));
                        continue;
                    }
                },
            };
            checked.push(run(&plugin, case).await);
        }
        Ok((checked, usage))
    })
}

/// The plugin, or why it does not start for this case. A file that is no plugin is no matter of the case.
async fn load(
    engine: &Engine,
    path: &Path,
    case: &Case,
    usage: &Arc<Usage>,
) -> anyhow::Result<Result<Arc<dyn Plugin>, GuestFault>> {
    let instance = case.instance().with_context(|| format!("read case {}", case.file.display()))?;
    let instance = InstanceSettings { usage: usage.clone(), ..instance };
    match engine.load(&PluginFile::read(path)?, instance).await {
        Ok(plugin) => Ok(Ok(Arc::new(plugin))),
        Err(LoadFault::Guest { problem, .. }) => Ok(Err(problem)),
        Err(fault) => Err(fault.into()),
    }
}

async fn run(plugin: &Arc<dyn Plugin>, case: &Case) -> Checked {
    match cases::run(plugin, case).await {
        Err(fault) => Checked::broken(case, &fault),
        Ok(ran) => {
            let difference = case.expected.difference(&ran.found);
            let verdict = if difference.is_empty() { Verdict::Met } else { Verdict::Differs(difference) };
            Checked { case: case.clone(), ran: Some(ran), verdict }
        }
    }
}
