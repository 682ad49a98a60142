//! A pipeline outside of a running gateway: its files, its plugin, its tables, and nothing consumed. What `audit` and `replay` ask
//! of the pipeline that they are about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::audit::Place;
use crate::config::{
    ConfigFaults, GatewaySettings, Guarantee, Mode, PipelineName, PipelineSettings, Target, confined, discover,
};
use crate::kafka::{Excerpt, Excerpts, KafkaSettings, TopicPartition};
use crate::metrics::Metrics;
use crate::pipeline::{
    Batch, Budget, Bundle, Isolation, Lineage, Preparation, Prepared, Range, Records, Shared, Status, Transformed,
    isolate,
};
use crate::plugin::{Engine, EngineSettings, PluginFile};
use crate::sink::{Provenance, Table};
use crate::tenants::Tenant;
use crate::watch::Source;

/// A pipeline that is ready to process records.
pub struct Subject {
    /// Its name.
    pub name: PipelineName,
    /// The gateway's.
    pub shared: Shared,
    /// What it is made of.
    pub prepared: Prepared,
    /// For every route of the plugin, in its order.
    pub tables: Vec<(Target, Arc<dyn Table>)>,
    /// Which version it is.
    pub bundle: Arc<Bundle>,
    /// Whose it is.
    pub tenant: Tenant,
    isolation: Arc<Isolation>,
    /// All pipelines of the gateway but this, as far as they can be read.
    others: Vec<(PipelineName, PipelineSettings)>,
}

/// What takes the place of a pipeline's own files.
#[derive(Clone, Debug, Default)]
pub struct Instead {
    /// Of its plugin.
    pub plugin: Option<PathBuf>,
    /// Of its pipeline file.
    pub pipeline: Option<PathBuf>,
    /// By route: of the table that the pipeline file names.
    pub tables: Vec<(String, Target)>,
}

/// What its tables are opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing is written.
    Reading,
    /// Rows are written, with the promise that the pipeline makes.
    Writing,
}

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum SubjectFault {
    /// It cannot be done as it was asked.
    #[error("{0}")]
    Unusable(String),
    /// It could be done at another time.
    #[error("{0}")]
    Failed(String),
}

impl From<ConfigFaults> for SubjectFault {
    fn from(faults: ConfigFaults) -> Self {
        Self::Unusable(faults.to_string())
    }
}

/// How rows are told apart in the tables, where the plugin calls its columns otherwise.
#[derive(Clone, Debug, Default)]
pub struct ColumnNames {
    /// `_topic` without it.
    pub topic: Option<String>,
    /// `_partition` without it.
    pub partition: Option<String>,
    /// `_offset` without it.
    pub offset: Option<String>,
    /// `_ordinal` without it.
    pub ordinal: Option<String>,
}

impl Subject {
    /// Reads the gateway's files and makes the pipeline ready. Compiles the plugin, which takes a while.
    ///
    /// # Errors
    /// What is wrong with the files, the plugin or the tables.
    pub async fn open(config: &Path, wanted: &str, instead: &Instead, purpose: Purpose) -> Result<Self, SubjectFault> {
        let unusable = |problem: String| SubjectFault::Unusable(problem);
        if !config.exists() {
            return Err(unusable(format!("there is no {}; --config names the gateway's file", config.display())));
        }
        let settings = GatewaySettings::read(config)?;
        let found = discover(&settings.plugins)
            .map_err(|fault| unusable(format!("read the folder of plugins {}: {fault}", settings.plugins.display())))?;
        let (name, file) = find(&found, wanted)?;
        elsewhere(&name, &file, instead)?;
        let kafka = KafkaSettings::new(settings.kafka.clone()).map_err(|fault| unusable(fault.to_string()))?;
        let engine = Engine::new(EngineSettings::default()).map_err(|fault| SubjectFault::Failed(fault.to_string()))?;
        let shared = Shared::new(&settings, kafka, Arc::new(engine), CancellationToken::new());
        let shared = shared.map_err(|fault| SubjectFault::Failed(format!("start threads: {fault}")))?;
        let source = source(&name, &file, instead)?;
        let prepared = Preparation::of(&source, &shared).await.complete()?;
        let guarantee = match purpose {
            Purpose::Reading => Guarantee::AtLeastOnce,
            Purpose::Writing => prepared.guarantee,
        };
        let mut tables = Vec::with_capacity(prepared.destinations.len());
        for destination in &prepared.destinations {
            let table = destination.open(guarantee).await;
            let table = table.map_err(|fault| SubjectFault::Failed(format!("{}: {fault}", destination.target)))?;
            tables.push((destination.target.clone(), table));
        }
        let metrics = Metrics::new().pipeline(&name.tenant, &name.pipeline);
        let status = Arc::new(Status::new(name.clone(), file, metrics));
        let others = found.into_iter().filter(|(other, _)| *other != name);
        Ok(Self {
            bundle: Arc::new(Bundle::of(&source, &prepared.settings, prepared.plugin.hash())),
            tenant: shared.tenants.of(&name.tenant),
            isolation: Arc::new(Isolation::new(status)),
            others: others
                .filter_map(|(other, file)| Some((other.clone(), PipelineSettings::draft(&other, &file).value?)))
                .collect(),
            name,
            shared,
            prepared,
            tables,
        })
    }

    /// Ends its threads, where waiting is allowed.
    pub async fn close(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// Its settings.
    pub fn settings(&self) -> &PipelineSettings {
        &self.prepared.settings
    }

    /// The name of a route.
    pub fn route(&self, index: usize) -> &str {
        self.prepared.destinations.get(index).map(|destination| destination.route.as_str()).unwrap_or_default()
    }

    /// Runs records as this range, as the pipeline would: what its plugin fails on is rejected alone, and what its tables cannot hold.
    ///
    /// # Errors
    /// Where the plugin fails on all of it.
    pub async fn transform(&self, range: Range, records: Records, lineage: Lineage) -> Result<Transformed, String> {
        let permit = Budget::new(usize::MAX).take(records.bytes());
        let batch = Batch { range, permit, records, lineage, bundle: self.bundle.clone(), joined: Vec::new() };
        let (plugin, isolation) = (self.prepared.plugin.clone(), self.isolation.clone());
        let run = async move { isolate(plugin, batch, &isolation).await };
        let transformed = self.tenant.workers.spawn(run).await;
        let mut transformed = transformed.map_err(|failed| failed.to_string())?;
        for (index, (_, table)) in self.tables.iter().enumerate() {
            if let Some(rule) = table.rule() {
                let refused = transformed.reject_refused(index, self.route(index), rule);
                refused.map_err(|fault| fault.to_string())?;
            }
        }
        Ok(transformed)
    }

    /// How rows of a target are told apart, or why they cannot be.
    ///
    /// # Errors
    /// A reason for an operator; unusable where a column was named that there is not.
    pub fn provenance(&self, target: &Target, names: &ColumnNames) -> Result<Result<Provenance, String>, SubjectFault> {
        let routes = || self.prepared.destinations.iter().filter(|destination| destination.target == *target);
        if let Some(destination) = routes().find(|destination| destination.mode != Mode::Insert) {
            let mode = destination.mode.name();
            return Ok(Err(format!(
                "rows become no new rows there, by the mode \"{mode}\" of route \"{}\"",
                destination.route
            )));
        }
        let has = |name: &str| routes().all(|route| route.columns().iter().any(|column| column.name == name));
        let column = |named: &Option<String>, usual: &str| match named {
            Some(name) if !has(name) => {
                Err(SubjectFault::Unusable(format!("{target}: the plugin writes no column `{name}` there")))
            }
            Some(name) => Ok(Some(name.clone())),
            None => Ok(has(usual).then(|| usual.to_owned())),
        };
        let topic = column(&names.topic, "_topic")?;
        let (partition, offset) = (column(&names.partition, "_partition")?, column(&names.offset, "_offset")?);
        let ordinal = column(&names.ordinal, "_ordinal")?;
        let (Some(partition), Some(offset)) = (partition, offset) else {
            return Ok(Err(
                "the plugin writes no columns `_partition` and `_offset` there; where they have other names, \
                           --partition-column and --offset-column name them"
                    .to_owned(),
            ));
        };
        let own = &self.settings().topics;
        if topic.is_none() && own.len() > 1 {
            return Ok(Err(
                "the pipeline has several topics, and the plugin writes no column `_topic` there".to_owned()
            ));
        }
        let also = self
            .others_writing(target)
            .find(|(_, other)| topic.is_none() || other.topics.iter().any(|topic| own.contains(topic)));
        match also {
            Some((other, _)) => Ok(Err(format!("pipeline {other} writes there too, rows that look alike"))),
            None => Ok(Ok(Provenance { topic, partition, offset, ordinal })),
        }
    }

    /// Other pipelines that write into a table.
    pub fn others_writing(&self, target: &Target) -> impl Iterator<Item = &(PipelineName, PipelineSettings)> {
        self.others.iter().filter(move |(_, other)| other.routes.values().any(|theirs| theirs == target))
    }
}

/// The offset of a place in each of the partitions; behind the newest where no record is so late. Blocks.
pub fn offsets_of(
    excerpts: &Excerpts,
    partitions: &[TopicPartition],
    place: Place,
    end: impl Fn(&TopicPartition) -> i64,
) -> Result<Vec<i64>, String> {
    match place {
        Place::Offset(offset) => Ok(vec![offset; partitions.len()]),
        Place::Time(time) => {
            let known = excerpts.at_time(partitions, time)?;
            Ok(partitions.iter().map(|each| known.get(each).copied().unwrap_or_else(|| end(each))).collect())
        }
    }
}

/// A pipeline by `TENANT/NAME`, or by `NAME` of the tenant `default` or where it is the only one of that name.
fn find(found: &[(PipelineName, PathBuf)], wanted: &str) -> Result<(PipelineName, PathBuf), SubjectFault> {
    let named: Vec<_> = found
        .iter()
        .filter(|(name, _)| name.to_string() == wanted || (!wanted.contains('/') && name.pipeline == wanted))
        .collect();
    let default = named.iter().find(|(name, _)| name.tenant == crate::config::DEFAULT_TENANT);
    match (default, named.as_slice()) {
        (Some(one), _) | (None, [one]) => Ok((*one).clone()),
        (None, []) => {
            let known: Vec<_> = found.iter().map(|(name, _)| name.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(SubjectFault::Unusable(format!("there is no pipeline \"{wanted}\"; there are: {known}")))
        }
        (None, several) => {
            let names: Vec<_> = several.iter().map(|(name, _)| name.to_string()).collect();
            Err(SubjectFault::Unusable(format!("\"{wanted}\" may be {}; name the tenant too", names.join(" or "))))
        }
    }
}

/// Fails where a table that is to take the place of a pipeline's own is one of its own.
fn elsewhere(name: &PipelineName, file: &Path, instead: &Instead) -> Result<(), SubjectFault> {
    let own = PipelineSettings::draft(name, file).value.map(|settings| settings.routes).unwrap_or_default();
    match instead.tables.iter().find(|(_, target)| own.values().any(|own| own == target)) {
        None => Ok(()),
        Some((route, target)) => Err(SubjectFault::Unusable(format!(
            "--into names {route}={target}: the pipeline itself writes into {target}; name another table"
        ))),
    }
}

fn source(name: &PipelineName, file: &Path, instead: &Instead) -> Result<Source, SubjectFault> {
    let mut source = read_source(name, file, instead)?;
    if let Some(settings) = &mut source.draft.value {
        settings.routes.extend(instead.tables.iter().cloned());
    }
    Ok(source)
}

fn read_source(name: &PipelineName, file: &Path, instead: &Instead) -> Result<Source, SubjectFault> {
    if instead.plugin.is_none() && instead.pipeline.is_none() {
        return Ok(Source::read(name, file));
    }
    let file = instead.pipeline.as_deref().unwrap_or(file);
    let text = PipelineSettings::text(file)
        .map_err(|fault| SubjectFault::Unusable(format!("read pipeline file {}: {fault}", file.display())))?;
    let plugin = match &instead.plugin {
        Some(path) => Some(PluginFile::read(path).map_err(|fault| SubjectFault::Unusable(fault.to_string()))?.bytes),
        None => None,
    };
    let named = PipelineSettings::draft_of(name, file, text.clone()).value.map(|settings| settings.plugin);
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut read = |path: &Path| -> std::io::Result<Bytes> {
        match &plugin {
            Some(bytes) if named.as_deref() == Some(path) => Ok(bytes.clone()),
            _ => Ok(confined::read(folder, path, PluginFile::MOST_BYTES)?.into()),
        }
    };
    Ok(Source::of(name, file, text, &mut read))
}

/// What could be done at another time.
pub fn failed(problem: impl Into<String>) -> SubjectFault {
    SubjectFault::Failed(problem.into())
}

/// So many.
pub fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The next piece of an excerpt, and the excerpt again.
pub async fn next_piece(mut excerpt: Excerpt) -> Result<(Excerpt, Option<(Range, Records)>), SubjectFault> {
    blocking(move || {
        let piece = excerpt.piece().map_err(failed)?;
        Ok((excerpt, piece))
    })
    .await
}

/// Runs what waits for Kafka where waiting is allowed.
pub async fn blocking<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, SubjectFault> + Send + 'static,
) -> Result<T, SubjectFault> {
    tokio::task::spawn_blocking(question).await.unwrap_or_else(|_| Err(failed("the process is ending")))
}
