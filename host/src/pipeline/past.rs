//! Versions of former times: a range that was planned is processed again by the bundle of its plan, whatever lies in the plugin directory by now.
//! What a bundle consists of is kept in Kafka, where every gateway finds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_ledger::BundleId;
use tokio::sync::Mutex;

use super::deployment::Deployment;
use super::prepare::{Preparation, Prepared, open};
use super::range::{Range, Records};
use super::shared::Shared;
use super::status::Status;
use crate::bundles::BundleFault;
use crate::config::PipelineSettings;
use crate::kafka::{Excerpts, KafkaSettings, Kept, Most, TopicPartition};
use crate::sink::Backoff;

/// What is told of a bundle that cannot be stored or read just now.
const SUBJECT: &str = "bundles";

/// What is told of records of other partitions that cannot be read just now.
const JOINED: &str = "joined ranges";

/// How long the broker may take to answer, or to send the next record.
const ANSWER: Duration = Duration::from_secs(10);

/// The bundles of a pipeline.
pub struct Past {
    shared: Shared,
    /// Versions that were made again; a few, until the ranges are complete that need them.
    made: Mutex<BTreeMap<BundleId, Arc<Deployment>>>,
}

impl Past {
    /// Nothing is made again yet.
    pub fn new(shared: Shared) -> Self {
        Self { shared, made: Mutex::default() }
    }

    /// Has a version's bundle stored before anything is planned with it. Waits until that can be done.
    ///
    /// # Errors
    /// Where it never can.
    pub async fn store(&self, version: &Deployment, status: &Status) -> Result<(), String> {
        let Deployment { bundle, source, settings, .. } = version;
        let stored = version.stored.get_or_try_init(|| async {
            let mut backoff = Backoff::default();
            while let Err(fault) = self.shared.bundles.store(bundle, source, settings).await {
                wait(fault, &mut backoff, status).await?;
            }
            status.solved(SUBJECT);
            Ok(())
        });
        stored.await.copied()
    }

    /// Has it noted that ranges of a topic are planned from now on. Waits as [`Self::store`] does.
    ///
    /// # Errors
    /// As for [`Self::store`].
    pub async fn note(&self, version: &Deployment, topic: &str, status: &Status) -> Result<(), String> {
        let mut backoff = Backoff::default();
        while let Err(fault) = self.shared.bundles.note(&version.settings.group, topic).await {
            wait(fault, &mut backoff, status).await?;
        }
        status.solved(SUBJECT);
        Ok(())
    }

    /// The version that a bundle makes, of a pipeline that otherwise is like another version. Waits until it can be read, and until its tables can
    /// be opened.
    ///
    /// # Errors
    /// Where it is missing, or is not what it was.
    pub async fn version(
        &self,
        bundle: BundleId,
        like: &PipelineSettings,
        status: &Arc<Status>,
    ) -> Result<Arc<Deployment>, String> {
        let mut made = self.made.lock().await;
        if let Some(version) = made.get(&bundle) {
            return Ok(version.clone());
        }
        let mut backoff = Backoff::default();
        let source = loop {
            match self.shared.bundles.fetch(bundle, like, status.file()).await {
                Ok(Some(source)) => break Arc::new(source),
                Ok(None) => return Err(format!("bundle {bundle} is not in topic {}", self.shared.bundles.topic())),
                Err(fault) if fault.is_final() => return Err(fault.to_string()),
                Err(fault) => status.problem(SUBJECT, &fault.to_string()),
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        };
        status.solved(SUBJECT);
        tracing::info!(pipeline = %status.name(), %bundle, "makes a former version again, for ranges that were planned with it");
        let prepared = Preparation::of(&source, &self.shared).await.complete();
        let prepared = prepared.map_err(|faults| format!("its bundle cannot run here: {faults}"))?;
        let tables = self.open(&prepared, status).await;
        let version = Arc::new(Deployment::new(source, prepared, tables, &self.shared, status));
        if version.bundle.id() != bundle {
            return Err(format!("its bundle comes out as {} here", version.bundle.id()));
        }
        // It was planned with, so it is there.
        let _ = version.stored.set(());
        made.insert(bundle, version.clone());
        Ok(version)
    }

    /// The records of ranges that are written with one of another partition. They may be other members'. Waits until they can be read.
    ///
    /// # Errors
    /// Where the topic does not have them any more.
    pub async fn records(&self, ranges: &[Range], group: &str, status: &Status) -> Result<Vec<Records>, String> {
        let mut backoff = Backoff::default();
        loop {
            let (kafka, group, ranges) = (self.shared.kafka.clone(), group.to_owned(), ranges.to_vec());
            let read = tokio::task::spawn_blocking(move || read(&kafka, &group, &ranges)).await;
            match read.map_err(|fault| fault.to_string()).and_then(|read| read) {
                Ok(read) => {
                    status.solved(JOINED);
                    return read;
                }
                Err(fault) => status.problem(JOINED, &fault),
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    async fn open(
        &self,
        prepared: &Prepared,
        status: &Status,
    ) -> Vec<(crate::config::Target, Arc<dyn crate::sink::Table>)> {
        let mut backoff = Backoff::of_sink();
        loop {
            let mut tables = Vec::with_capacity(prepared.destinations.len());
            for (destination, opened) in
                prepared.destinations.iter().zip(open(&prepared.destinations, prepared.guarantee).await)
            {
                let subject = format!("sink {}", destination.target);
                match opened {
                    Ok(table) => {
                        status.solved(&subject);
                        tables.push((destination.target.clone(), table));
                    }
                    Err(fault) => status.problem(&subject, &fault.to_string()),
                }
            }
            if tables.len() == prepared.destinations.len() {
                return tables;
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }
}

/// The records of ranges, or why there are none.
///
/// # Errors
/// Where they cannot be read just now.
fn read(kafka: &KafkaSettings, group: &str, ranges: &[Range]) -> Result<Result<Vec<Records>, String>, String> {
    let excerpts = Arc::new(Excerpts::new(kafka, group, ANSWER)?);
    let of = |range: &Range| TopicPartition { topic: range.topic.clone(), partition: range.partition };
    let kept = excerpts.kept(&ranges.iter().map(of).collect::<Vec<_>>())?;
    let mut all = Vec::with_capacity(ranges.len());
    for range in ranges {
        if let Some(Kept { first, next }) = kept.get(&of(range)).filter(|kept| !kept.has(range)) {
            return Ok(Err(format!(
                "of range {range}, which is written with it, the topic has only {first} to {next}"
            )));
        }
        let mut excerpt = excerpts.read(range, Most { records: usize::MAX, bytes: usize::MAX })?;
        let mut records = Records::default();
        while let Some((_, piece)) = excerpt.piece()? {
            records.append(&piece);
        }
        all.push(records);
    }
    Ok(Ok(all))
}

/// Tells what is in the way, and waits before it is tried again.
///
/// # Errors
/// Where that would be in vain.
async fn wait(fault: BundleFault, backoff: &mut Backoff, status: &Status) -> Result<(), String> {
    if fault.is_final() {
        return Err(fault.to_string());
    }
    status.problem(SUBJECT, &fault.to_string());
    let wait = backoff.next(&mut rand::rng());
    tokio::time::sleep(wait).await;
    Ok(())
}
