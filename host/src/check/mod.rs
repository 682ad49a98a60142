//! What is wrong with a gateway before it runs: its file, the pipelines' files, plugins, lookups, tables and topics, all of it at
//! once. Called by `tidegate check`. A pipeline's part is what `tidegate run` does of it before it consumes anything; nothing
//! is consumed, written or made here.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

pub use report::{Finding, LeftOutReport, PipelineReport, PluginReport, Report, TableReport};

use crate::config::{
    Claims, Fault, GatewaySettings, Grants, OnReject, PipelineName, PipelineSettings, Places, discover,
};
use crate::kafka::{KafkaSettings, missing_topics};
use crate::pipeline::{Destination, Preparation, Shared};
use crate::plugin::{Engine, EngineSettings, LoadFault};
use crate::sink::SinkFault;
use crate::watch::Source;

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Files, plugins, the cluster and the databases.
    Everything,
    /// Files and plugins: for where no services can be reached.
    Files,
}

/// Why a check cannot begin.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CheckFault {
    #[error(transparent)]
    Engine(#[from] LoadFault),
    #[error("start threads: {0}")]
    Threads(std::io::Error),
}

/// How much a check looks at, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How far it goes.
    pub reach: Reach,
    /// How long a plugin may take to load and begin, a database and the cluster to answer. One that spins takes for ever.
    pub timeout: Duration,
}

/// Looks at all that `config` names.
///
/// # Errors
/// Where nothing could be looked at, for no fault of the files.
pub async fn check(config: &Path, extent: Extent) -> Result<Report, CheckFault> {
    let mut check = Check { config, extent, places: Places::default(), report: Report::default() };
    let draft = GatewaySettings::draft(config);
    check.places = draft.places;
    check.add(None, config, draft.faults);
    let Some((plugins, settings)) = draft.value else { return Ok(check.report) };
    let found = match discover(&plugins) {
        Ok(found) => found,
        Err(problem) => {
            let place = plugins.display();
            let problem = format!("is \"{place}\", which cannot be read: {problem}; expected the folder of plugins");
            check.of_gateway("plugins", problem);
            return Ok(check.report);
        }
    };
    let kafka = settings.as_ref().and_then(|settings| match KafkaSettings::new(settings.kafka.clone()) {
        Ok(kafka) => Some(kafka),
        Err(fault) => {
            check.of_gateway("kafka", fault.to_string());
            None
        }
    });
    match settings.zip(kafka) {
        Some((settings, kafka)) => {
            let engine = Arc::new(Engine::new(EngineSettings::default())?);
            let shared = Shared::new(&settings, kafka, engine, CancellationToken::new());
            let shared = shared.map_err(CheckFault::Threads)?;
            check.pipelines(&found, &shared, settings.workers).await;
            // The workers' threads are joined where waiting is allowed.
            let _ = tokio::task::spawn_blocking(move || drop(shared)).await;
        }
        None => check.pipeline_files(&found),
    }
    check.report.sort();
    Ok(check.report)
}

struct Check<'c> {
    config: &'c Path,
    extent: Extent,
    /// Of the keys of `config`.
    places: Places,
    report: Report,
}

impl Check<'_> {
    /// What the gateway's file lacks leaves only the pipelines' files to look at.
    fn pipeline_files(&mut self, found: &[(PipelineName, PathBuf)]) {
        let claims = Claims::of(found, &Grants::default());
        for (name, file) in found {
            self.add(Some(name), file, PipelineSettings::draft(name, file).faults);
            self.add(Some(name), file, claims.faults(file).to_vec());
            self.report.pipelines.push(PipelineReport::unseen(name, file));
        }
        self.report.unseen = true;
    }

    /// `at_once` is how many plugins are compiled beside each other.
    async fn pipelines(&mut self, found: &[(PipelineName, PathBuf)], shared: &Shared, at_once: usize) {
        let Extent { reach, timeout } = self.extent;
        let claims = Claims::of(found, shared.tenants.grants());
        let prepare = |(name, file): &(PipelineName, PathBuf)| {
            let (name, file) = (name.clone(), file.clone());
            async move {
                let source = Source::read(&name, &file);
                let preparation = tokio::time::timeout(timeout, Preparation::of(&source, shared)).await;
                (name, file, preparation.ok())
            }
        };
        let mut prepared = stream::iter(found.iter().map(prepare).collect::<Vec<_>>()).buffered(at_once);
        let mut topics = Vec::new();
        let mut unreachable = BTreeMap::new();
        while let Some((name, file, preparation)) = prepared.next().await {
            self.add(Some(&name), &file, claims.faults(&file).to_vec());
            let mut report = PipelineReport::unseen(&name, &file);
            match preparation {
                None => {
                    let problem = format!("has not described itself and begun within {timeout:?}: it may spin");
                    self.add(Some(&name), &file, vec![Places::default().fault("plugin", problem)]);
                }
                Some(preparation) => {
                    report.plugin = preparation.plugin.as_deref().map(PluginReport::of);
                    if reach == Reach::Everything {
                        self.tables(&name, &preparation, &mut report, &mut unreachable).await;
                        topics.extend(named_topics(&name, &preparation));
                    }
                    self.add(Some(&name), &file, preparation.faults);
                }
            }
            self.report.pipelines.push(report);
        }
        if reach == Reach::Files {
            return;
        }
        for (sink, (problem, tables)) in unreachable {
            let tables = match tables {
                1 => "1 table was not compared".to_owned(),
                tables => format!("{tables} tables were not compared"),
            };
            self.of_gateway(&format!("sinks.{sink}"), format!("{problem}; {tables}"));
        }
        self.topics(topics, shared).await;
    }

    /// Compares a pipeline's columns with its tables. A sink that does not answer is the gateway's fault, told once, and
    /// is not waited for again.
    async fn tables(
        &mut self,
        name: &PipelineName,
        preparation: &Preparation,
        report: &mut PipelineReport,
        unreachable: &mut BTreeMap<String, (String, usize)>,
    ) {
        let asked = |destination: &&Destination| !unreachable.contains_key(&destination.target.sink);
        let (destinations, known): (Vec<_>, Vec<_>) = preparation.destinations.iter().partition(asked);
        for destination in known {
            unreachable.entry(destination.target.sink.clone()).and_modify(|(_, tables)| *tables += 1);
        }
        let timeout = self.extent.timeout;
        let opened =
            join_all(destinations.iter().map(|each| tokio::time::timeout(timeout, each.open(preparation.guarantee))))
                .await;
        for (destination, opened) in destinations.into_iter().zip(opened) {
            let opened = opened.unwrap_or_else(|_| {
                Err(SinkFault::Unavailable(format!(
                    "table `{}`: no answer within {timeout:?}",
                    destination.target.table
                )))
            });
            let (key, target) = (format!("routes.{}", destination.route), &destination.target);
            let fault = |problem: String| preparation.places.fault(&key, format!("is \"{target}\": {problem}"));
            let faults = match opened {
                Ok(table) => {
                    report.tables.push(TableReport::of(destination, &*table));
                    continue;
                }
                Err(SinkFault::Unavailable(problem)) => {
                    unreachable.entry(target.sink.clone()).or_insert((problem, 0)).1 += 1;
                    continue;
                }
                Err(SinkFault::Refused(problem) | SinkFault::Rows(problem)) => vec![fault(problem)],
                Err(SinkFault::Mismatch(mismatch)) => {
                    let with_statement = |problem: crate::sink::Problem| Fault {
                        statement: problem.statement,
                        ..fault(problem.problem)
                    };
                    mismatch.problems.into_iter().map(with_statement).collect()
                }
            };
            self.add(Some(name), &preparation.file, faults);
        }
    }

    /// Asks the cluster for all topics at once.
    async fn topics(&mut self, named: Vec<NamedTopic>, shared: &Shared) {
        let all: BTreeSet<String> = named.iter().map(|named| named.topic.clone()).collect();
        let (kafka, timeout) = (shared.kafka.clone(), self.extent.timeout);
        let asked = tokio::task::spawn_blocking(move || missing_topics(&kafka, &all, timeout)).await;
        let missing = match asked {
            Ok(Ok(missing)) => missing,
            Ok(Err(problem)) => {
                return self.of_gateway("kafka.bootstrap.servers", format!("the cluster does not answer: {problem}"));
            }
            // The runtime is ending.
            Err(_) => return,
        };
        for NamedTopic { pipeline, file, topic, mut fault } in named {
            if missing.contains(&topic) {
                fault.problem = format!(
                    "names the topic \"{topic}\", which the cluster does not have or does not show to this user; \
                     make it, or correct the name"
                );
                self.add(Some(&pipeline), &file, vec![fault]);
            }
        }
    }

    fn of_gateway(&mut self, key: &str, problem: String) {
        self.add(None, self.config, vec![self.places.fault(key, problem)]);
    }

    fn add(&mut self, pipeline: Option<&PipelineName>, file: &Path, faults: Vec<Fault>) {
        self.report.add(pipeline, file, faults);
    }
}

/// A topic that must be there, with the fault that it is if it is not.
struct NamedTopic {
    pipeline: PipelineName,
    file: PathBuf,
    topic: String,
    fault: Fault,
}

/// What a pipeline's file names; keys that are faulty already are told once.
fn named_topics(name: &PipelineName, preparation: &Preparation) -> Vec<NamedTopic> {
    let Some(settings) = &preparation.settings else { return Vec::new() };
    let dead_letter = match &settings.on_reject {
        OnReject::DeadLetter(topic) => Some(("dead_letter", topic)),
        OnReject::Stop | OnReject::Drop => None,
    };
    let topics = settings.topics.iter().map(|topic| ("topics", topic)).chain(dead_letter);
    let right = topics.filter(|(key, _)| preparation.faults.iter().all(|fault| fault.key != *key));
    right
        .map(|(key, topic)| NamedTopic {
            pipeline: name.clone(),
            file: preparation.file.clone(),
            topic: topic.clone(),
            fault: preparation.places.fault(key, String::new()),
        })
        .collect()
}
