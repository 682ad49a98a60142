//! Parking: a pipeline that has nothing to read leaves its group, and joins again when there is something. A parked pipeline has
//! no thread, no connection and no instance of its plugin; one watcher of the gateway looks after all of them. Called by
//! `runner` between two memberships. Nothing is given up while anything is uncommitted: `reader` says when that is so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use rand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::Pace;
use super::status::Status;
use crate::config::PipelineSettings;
use crate::kafka::{GroupOffsets, KafkaSettings, Standing, TopicPartition, Watch, Watcher};

/// How many pipelines may be joining at once: each starts threads and connections, and a broker that lets members of a new
/// group wait for others (3 s by default) is not to be waited for one by one.
const JOINING: usize = 64;

/// How long a pipeline that joins keeps others from joining: by then it has partitions, or waits for something that may last.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);

/// How long a pipeline stays parked when nothing happens. Kafka forgets the offsets of a group that had no member for
/// `offsets.retention.minutes`, seven days by default; a moment's membership makes it count anew.
const LONGEST_REST: Duration = Duration::from_secs(6 * 3600);

/// The subject of what parked pipelines tell, as of those that run.
const SUBJECT: &str = "kafka";

/// The note that says that a pipeline is parked.
const NOTE: &str = "parked";

/// What the pipelines of a gateway share so that idle ones cost little.
#[derive(Clone)]
pub struct Parking {
    /// How long a pipeline is idle before it is parked; never without it.
    pub after: Option<Duration>,
    watcher: Arc<Watcher>,
    joining: Arc<Semaphore>,
}

impl Parking {
    /// Connects to nothing yet.
    pub fn new(after: Option<Duration>, kafka: &KafkaSettings) -> Self {
        let watcher = Arc::new(Watcher::new(kafka));
        Self { after, watcher, joining: Arc::new(Semaphore::new(JOINING)) }
    }
}

/// Where one pipeline is parked.
pub struct Berth<'p> {
    parking: &'p Parking,
    settings: &'p PipelineSettings,
    status: &'p Arc<Status>,
    next: Next,
}

/// What comes before the next membership.
enum Next {
    /// A look at the group: it may have nothing to read.
    Look,
    /// Nothing: there is something to do.
    Join,
    /// A rest, until there is something to read behind these offsets.
    Rest(GroupOffsets),
}

/// The right to join now; given back when the pipeline has partitions.
pub struct Entrance {
    _joining: Option<OwnedSemaphorePermit>,
    until: Instant,
    _lag: ToldLag,
}

/// The lag that is told while no reader tells it; forgotten with this.
struct ToldLag {
    status: Arc<Status>,
    partitions: BTreeSet<TopicPartition>,
}

impl<'p> Berth<'p> {
    /// Looks before it joins, unless the pipeline never parks.
    pub fn new(parking: &'p Parking, settings: &'p PipelineSettings, status: &'p Arc<Status>, pace: &Pace) -> Self {
        let parks = parking.after.is_some() && matches!(pace, Pace::Stream);
        Self { parking, settings, status, next: if parks { Next::Look } else { Next::Join } }
    }

    /// The next membership is begun when there is something to read behind what the group has committed.
    pub fn park(&mut self, committed: GroupOffsets) {
        self.next = Next::Rest(committed);
    }

    /// Whether records may be long in coming.
    pub fn is_to_wait(&self) -> bool {
        !matches!(self.next, Next::Join)
    }

    /// Waits until there is something to do, and then until few enough others are joining.
    pub async fn rest(&mut self) -> Entrance {
        let mut lag = ToldLag { status: self.status.clone(), partitions: BTreeSet::new() };
        match std::mem::replace(&mut self.next, Next::Join) {
            Next::Join => {}
            Next::Look => self.wait(None, &mut lag).await,
            Next::Rest(committed) => self.wait(Some(committed), &mut lag).await,
        }
        // It is never closed.
        let joining = self.parking.joining.clone().acquire_owned().await.ok();
        Entrance { _joining: joining, until: Instant::now() + JOIN_PATIENCE, _lag: lag }
    }

    /// Parked, until there is something to do.
    async fn wait(&self, committed: Option<GroupOffsets>, lag: &mut ToldLag) {
        let PipelineSettings { group, topics, .. } = self.settings;
        let watch = match self.parking.watcher.watch(group, topics, committed) {
            Ok(watch) => watch,
            Err(fault) => {
                tracing::warn!(pipeline = %self.status.name(), "cannot be parked: start a thread: {fault}");
                return;
            }
        };
        let _parked = Parked(self.status);
        // Pipelines that were parked together do not all join together.
        let rest = LONGEST_REST.mul_f64(rand::rng().random_range(0.5..1.0));
        if tokio::time::timeout(rest, self.watch(watch, lag)).await.is_err() {
            tracing::info!(pipeline = %self.status.name(), "joins its group for a moment, so that Kafka keeps its offsets");
        }
    }

    async fn watch(&self, mut watch: Watch, lag: &mut ToldLag) {
        let metrics = self.status.metrics();
        loop {
            match watch.next().await {
                Standing::Unknown => {}
                Standing::CaughtUp(committed) => {
                    self.status.solved(SUBJECT);
                    if metrics.parked.get() == 0 {
                        let since = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
                        self.status.note(NOTE, &format!("since {since}; joins its group when records come"));
                        tracing::info!(pipeline = %self.status.name(), "parked");
                        metrics.parked.set(1);
                    }
                    let of_ours = committed.keys().filter(|partition| self.is_ours(partition));
                    of_ours.for_each(|partition| lag.tell(partition, 0));
                }
                Standing::Behind { reason, lags } => {
                    self.status.solved(SUBJECT);
                    tracing::info!(pipeline = %self.status.name(), reason, "joins its group");
                    lags.iter().for_each(|(partition, records)| lag.tell(partition, *records));
                    return;
                }
                Standing::Unanswered(fault) => self.status.problem(SUBJECT, &fault),
            }
        }
    }

    fn is_ours(&self, partition: &TopicPartition) -> bool {
        self.settings.topics.iter().any(|topic| **topic == *partition.topic)
    }
}

/// While it is there the pipeline may say that it is parked.
struct Parked<'s>(&'s Status);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.metrics().parked.set(0);
        self.0.forget_note(NOTE);
    }
}

impl Entrance {
    /// Whether it has been kept for long enough.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }
}

impl ToldLag {
    fn tell(&mut self, partition: &TopicPartition, records: i64) {
        self.status.metrics().set_lag(&partition.topic, partition.partition, records);
        self.partitions.insert(partition.clone());
    }
}

impl Drop for ToldLag {
    fn drop(&mut self) {
        for partition in &self.partitions {
            self.status.metrics().forget_lag(&partition.topic, partition.partition);
        }
    }
}
