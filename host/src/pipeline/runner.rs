//! Begins a pipeline, keeps it going and ends it: loads the plugin, opens the tables, starts the reader, and begins again where
//! the membership was lost for good.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use chrono::Utc;
use parking_lot::Mutex;
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::batch::Bundle;
use super::budget::Budget;
use super::deliver::{Delivery, Job};
use super::lookups::LookupFiles;
use super::pace::{Pace, Slots, Targets};
use super::prepare::{Destination, Preparation, Prepared, open};
use super::reader::Reader;
use super::status::{Phase, Status};
use crate::config::{GatewaySettings, OnReject, PipelineName, PipelineSettings, Target};
use crate::kafka::{DeadLetters, KafkaSettings, Membership, Subscription, Wake};
use crate::plugin::PluginHash;
use crate::sink::{self, Backoff, Sink, Table};
use crate::workers::Workers;
use crate::{LoadPlugin, StateFolder};

/// What all pipelines of a gateway share.
#[derive(Clone)]
pub struct Shared {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// By the names of the gateway's file.
    pub sinks: BTreeMap<String, Arc<dyn Sink>>,
    /// Where guests run.
    pub workers: Arc<Workers>,
    /// Turns files into plugins.
    pub plugins: Arc<dyn LoadPlugin>,
    /// What outlives the process; none where nothing is to be kept.
    pub state: Option<StateFolder>,
    /// Bytes that a pipeline may hold.
    pub in_flight: usize,
    /// How long draining may take.
    pub drain: Duration,
    /// Whether pipelines end when they have completed what there is.
    pub until_caught_up: bool,
    /// Cancelled when the gateway shall drain and end.
    pub stop: CancellationToken,
}

impl Shared {
    /// What the gateway's file says, with threads for guests. Connects to nothing yet.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub fn new(
        settings: &GatewaySettings,
        kafka: KafkaSettings,
        plugins: Arc<dyn LoadPlugin>,
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let sinks = settings.sinks.iter().map(|(name, settings)| (name.clone(), sink::new(settings))).collect();
        Ok(Self {
            kafka,
            sinks,
            workers: Arc::new(Workers::start(settings.workers)?),
            plugins,
            state: None,
            in_flight: settings.in_flight.0,
            drain: settings.drain,
            until_caught_up: false,
            stop,
        })
    }
}

/// A pipeline from its file on.
pub struct Pipeline {
    name: PipelineName,
    file: PathBuf,
    shared: Shared,
    status: Arc<Status>,
}

/// How often lookup files are looked at: an operator who changed one hears of it soon, and a look costs nothing.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(2);

/// A pipeline that can consume.
struct Started {
    settings: PipelineSettings,
    delivery: Delivery,
    lookups: LookupFiles,
}

/// Why a pipeline does not start. Its files must be mended.
#[derive(Debug, thiserror::Error)]
enum StartFault {
    #[error("{0}")]
    File(String),
    #[error("the gateway is stopping")]
    Stopping,
}

impl Pipeline {
    /// A pipeline that was found but not looked at yet.
    pub fn new(name: PipelineName, file: PathBuf, shared: Shared, status: Arc<Status>) -> Self {
        Self { name, file, shared, status }
    }

    /// Runs until the gateway stops. Faults of its files end it, with the reason in its status; all else is tried again.
    pub async fn run(self) {
        let started = tokio::select! {
            started = self.start() => started,
            // Whatever a start waits for, a plugin or a database, ends with it.
            () = self.shared.stop.cancelled() => Err(StartFault::Stopping),
        };
        match started {
            Ok(Started { settings, delivery, lookups }) => {
                if let Some(usage) = delivery.plugin.usage() {
                    usage.count_in(self.status.metrics().clone());
                }
                delivery.open_tap();
                self.status.enter(Phase::Running);
                tokio::select! {
                    () = self.consume(&settings, delivery) => {}
                    () = self.watch(lookups) => {}
                }
                self.status.enter(Phase::Stopped);
            }
            Err(StartFault::Stopping) => self.status.enter(Phase::Stopped),
            Err(StartFault::File(text)) => {
                self.status.enter(Phase::Refused);
                self.status.problem("files", &text);
            }
        }
    }

    async fn start(&self) -> Result<Started, StartFault> {
        let prepared = Preparation::of(&self.name, &self.file, &self.shared).await.complete();
        let Prepared { settings, plugin, destinations, lookups } =
            prepared.map_err(|faults| StartFault::File(faults.to_string()))?;
        let description = plugin.description();
        tracing::info!(
            pipeline = %self.name, plugin = %plugin.hash(), name = description.name, version = description.version,
            stateless = description.stateless, "plugin loaded"
        );
        let tables = self.open(&destinations).await;
        let dead_letters = match &settings.on_reject {
            OnReject::DeadLetter(topic) => Some(DeadLetters::new(&self.shared.kafka, topic)),
            OnReject::Stop | OnReject::Drop => None,
        };
        let delivery = Delivery {
            plugin,
            tables,
            on_reject: settings.on_reject.clone(),
            dead_letters,
            workers: self.shared.workers.clone(),
            status: self.status.clone(),
        };
        Ok(Started { settings, delivery, lookups })
    }

    /// Opens all tables, however long it takes until they can be: an operator may mend them meanwhile.
    async fn open(&self, destinations: &[Destination]) -> Vec<(Target, Arc<dyn Table>)> {
        let mut backoff = Backoff::default();
        loop {
            let mut tables = Vec::with_capacity(destinations.len());
            for (Destination { target, .. }, opened) in destinations.iter().zip(open(destinations).await) {
                let subject = format!("sink {target}");
                match opened {
                    Ok(table) => {
                        self.status.solved(&subject);
                        tables.push((target.clone(), table));
                    }
                    Err(fault) => self.status.problem(&subject, &fault.to_string()),
                }
            }
            if tables.len() == destinations.len() {
                return tables;
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    /// Tells of lookup files that change. Never ends.
    async fn watch(&self, mut lookups: LookupFiles) {
        const SUBJECT: &str = "lookups";
        loop {
            if lookups.is_empty() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LOOKUP_INTERVAL).await;
            let looked = tokio::task::spawn_blocking(move || {
                let changes = lookups.changes();
                (lookups, changes)
            });
            // The runtime is ending.
            let Ok((files, changes)) = looked.await else { return std::future::pending().await };
            lookups = files;
            match changes {
                Some(text) => self.status.problem(SUBJECT, &text),
                None => self.status.solved(SUBJECT),
            }
        }
    }

    async fn consume(&self, settings: &PipelineSettings, delivery: Delivery) {
        let delivery = Arc::new(delivery);
        let bundle = Arc::new(Bundle {
            plugin: delivery.plugin.hash(),
            settings: PluginHash::of(format!("{settings:?}").as_bytes()),
        });
        let pace = Arc::new(Mutex::new(self.pace(settings)));
        let mut backoff = Backoff::default();
        while !self.shared.stop.is_cancelled() {
            let Err(fault) = self.membership(settings, &delivery, &bundle, &pace).await else { return };
            self.status.problem("kafka", &fault);
            let wait = backoff.next(&mut rand::rng());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shared.stop.cancelled() => return,
            }
        }
    }

    fn pace(&self, settings: &PipelineSettings) -> Pace {
        match &settings.schedule {
            // What there is is taken now: whoever starts this is the schedule.
            _ if self.shared.until_caught_up => Pace::UntilCaughtUp(Targets::default()),
            Some(schedule) => Pace::Scheduled(Slots::new(schedule.clone(), Utc::now())),
            None => Pace::Stream,
        }
    }

    /// One membership from joining to leaving.
    async fn membership(
        &self,
        settings: &PipelineSettings,
        delivery: &Arc<Delivery>,
        bundle: &Arc<Bundle>,
        pace: &Arc<Mutex<Pace>>,
    ) -> Result<(), String> {
        let (jobs, mut received) = channel::<Job>(Reader::MOST_RANGES);
        let (finished, done) = sync_channel(Reader::MOST_RANGES);
        let (woken, wake) = tokio::sync::oneshot::channel();
        let reader = self.reader(settings, bundle.clone(), pace.clone());
        let thread = std::thread::Builder::new().name(format!("reader {}", self.name)).spawn(move || {
            let wake = Wake::this_thread();
            // The other end waits for this; where it does not, the pipeline is ending.
            let _ = woken.send(wake.clone());
            reader(wake, jobs, done)
        });
        let thread = thread.map_err(|fault| format!("start the reader's thread: {fault}"))?;
        let Ok(wake) = wake.await else { return Err("the reader's thread ended at once".to_owned()) };
        let mut under_way = JoinSet::new();
        let mut told = false;
        loop {
            tokio::select! {
                job = received.recv() => match job {
                    Some(job) => {
                        let delivery = delivery.clone();
                        under_way.spawn(async move { delivery.deliver(job).await });
                    }
                    // The reader has ended.
                    None => break,
                },
                Some(ended) = under_way.join_next() => {
                    if let Ok(done) = ended {
                        // There is room for as many as may be in flight.
                        let _ = finished.try_send(done);
                    }
                    wake.wake();
                }
                () = self.shared.stop.cancelled(), if !told => {
                    told = true;
                    wake.wake();
                }
            }
        }
        // Nothing that is left can be committed any more.
        under_way.shutdown().await;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await;
        match ended {
            Ok(Ok(result)) => result,
            _ => Err("the reader's thread ended by a panic, which is a defect".to_owned()),
        }
    }

    /// What the reader's thread runs. The membership begins on that thread, since only it may poll.
    fn reader(
        &self,
        settings: &PipelineSettings,
        bundle: Arc<Bundle>,
        pace: Arc<Mutex<Pace>>,
    ) -> impl FnOnce(
        Wake,
        tokio::sync::mpsc::Sender<Job>,
        std::sync::mpsc::Receiver<super::deliver::Done>,
    ) -> Result<(), String>
    + Send
    + 'static {
        let subscription = Subscription {
            group: settings.group.clone(),
            topics: settings.topics.clone(),
            start: settings.start.clone(),
            bounded: pace.lock().is_bounded(),
        };
        let (shared, status, limits) = (self.shared.clone(), self.status.clone(), settings.batch);
        move |wake, jobs, done| {
            let membership =
                Membership::join(&shared.kafka, &subscription, &wake).map_err(|fault| fault.to_string())?;
            let reader = Reader {
                membership,
                jobs,
                done,
                budget: Budget::new(shared.in_flight),
                limits,
                pace,
                bundle,
                status,
                stop: shared.stop,
                drain: shared.drain,
                state: super::reader::State::default(),
            };
            reader.run()
        }
    }
}
