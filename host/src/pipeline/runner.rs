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
use super::pace::{Pace, Slots, Targets};
use super::reader::Reader;
use super::status::{Phase, Status};
use crate::config::{LookupSettings, OnReject, PipelineName, PipelineSettings, Target};
use crate::kafka::{DeadLetters, KafkaSettings, Membership, Subscription, Wake};
use crate::plugin::{InstanceSettings, LookupFault, LookupTable, Lookups, Plugin, PluginHash};
use crate::rows::nearest;
use crate::sink::{Backoff, Sink, Table};
use crate::workers::Workers;
use crate::{LoadPlugin, PluginRequest};

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
    /// Bytes that a pipeline may hold.
    pub in_flight: usize,
    /// How long draining may take.
    pub drain: Duration,
    /// Whether pipelines end when they have completed what there is.
    pub until_caught_up: bool,
    /// Cancelled when the gateway shall drain and end.
    pub stop: CancellationToken,
}

/// A pipeline from its file on.
pub struct Pipeline {
    name: PipelineName,
    file: PathBuf,
    shared: Shared,
    status: Arc<Status>,
}

/// Where a route's rows go.
type Destination = (Target, Arc<dyn Sink>);

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
            Ok((settings, delivery)) => {
                self.status.enter(Phase::Running);
                self.consume(&settings, delivery).await;
                self.status.enter(Phase::Stopped);
            }
            Err(StartFault::Stopping) => self.status.enter(Phase::Stopped),
            Err(StartFault::File(text)) => {
                self.status.enter(Phase::Refused);
                self.status.problem("files", &text);
            }
        }
    }

    async fn start(&self) -> Result<(PipelineSettings, Delivery), StartFault> {
        let settings =
            PipelineSettings::read(&self.name, &self.file).map_err(|faults| StartFault::File(faults.to_string()))?;
        let plugin = self.load(&settings).await?;
        let routes = self.routes(&settings, &*plugin)?;
        let mut tables = Vec::with_capacity(routes.len());
        for (route, (target, sink)) in plugin.description().routes.iter().zip(routes) {
            let table = self.open(&target, &*sink, &route.columns).await?;
            tables.push((target, table));
        }
        let dead_letters = match &settings.on_reject {
            OnReject::DeadLetter(topic) => {
                let dead_letters = DeadLetters::new(&self.shared.kafka, topic);
                Some(dead_letters.map_err(|fault| StartFault::File(fault.to_string()))?)
            }
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
        Ok((settings, delivery))
    }

    async fn load(&self, settings: &PipelineSettings) -> Result<Arc<dyn Plugin>, StartFault> {
        let file = |text: String| StartFault::File(text);
        let instance = InstanceSettings {
            pipeline: self.name.to_string(),
            settings: settings.settings.clone(),
            lookups: Arc::new(read_lookups(&settings.lookups).map_err(|fault| file(fault.to_string()))?),
            memory: settings.memory.0,
        };
        let request = PluginRequest { path: settings.plugin.clone(), instance };
        let plugins = self.shared.plugins.clone();
        // Compiling takes seconds; guests describe themselves on the workers, where a spinning one holds nobody.
        let loaded = self.shared.workers.spawn(async move { plugins.load(request).await }).await;
        let plugin = loaded.map_err(|fault| file(fault.to_string()))?;
        let description = plugin.description();
        tracing::info!(
            pipeline = %self.name, plugin = %plugin.hash(), name = description.name, version = description.version,
            stateless = description.stateless, "plugin loaded"
        );
        Ok(plugin)
    }

    /// Where each of the plugin's routes goes, in the plugin's order.
    fn routes(&self, settings: &PipelineSettings, plugin: &dyn Plugin) -> Result<Vec<Destination>, StartFault> {
        let described: Vec<&str> = plugin.description().routes.iter().map(|route| route.name.as_str()).collect();
        let sinks: Vec<&str> = self.shared.sinks.keys().map(String::as_str).collect();
        let file = self.file.display();
        let mut faults = Vec::new();
        for route in settings.routes.keys() {
            if !described.contains(&route.as_str()) {
                let known = described.join("`, `");
                faults.push(format!("{file}: `routes.{route}`: the plugin has no such route; it has `{known}`"));
            }
        }
        let mut routes = Vec::with_capacity(described.len());
        for route in described {
            let Some(target) = settings.routes.get(route) else {
                faults.push(format!("{file}: `routes.{route}`: is missing; every route of the plugin needs a table"));
                continue;
            };
            match self.shared.sinks.get(&target.sink) {
                Some(sink) => routes.push((target.clone(), sink.clone())),
                None => {
                    let hint = nearest(&target.sink, &sinks)
                        .map(|name| format!("; the nearest is \"{name}\""))
                        .unwrap_or_default();
                    let sink = &target.sink;
                    faults.push(format!("{file}: `routes.{route}`: names the sink \"{sink}\", which the gateway's file does not have{hint}"));
                }
            }
        }
        if faults.is_empty() { Ok(routes) } else { Err(StartFault::File(faults.join("\n"))) }
    }

    /// Opens a table, however long it takes until it can be: an operator may mend it meanwhile.
    async fn open(
        &self,
        target: &Target,
        sink: &dyn Sink,
        columns: &[crate::rows::Column],
    ) -> Result<Arc<dyn Table>, StartFault> {
        let subject = format!("sink {target}");
        let mut backoff = Backoff::default();
        loop {
            match sink.open(&target.table, columns).await {
                Ok(table) => {
                    self.status.solved(&subject);
                    return Ok(table);
                }
                Err(fault) => self.status.problem(&subject, &fault.to_string()),
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
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

fn read_lookups(settings: &BTreeMap<String, LookupSettings>) -> Result<Lookups, LookupFault> {
    let mut tables = BTreeMap::new();
    for (name, lookup) in settings {
        tables.insert(name.clone(), LookupTable::read_csv(&lookup.file, &lookup.key)?);
    }
    Ok(Lookups::new(tables))
}
