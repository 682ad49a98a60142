//! The life of a pipeline: finds a version that can run, consumes, and puts another version in its place when the files in the plugin directory
//! change. What is refused changes nothing of what runs.

use std::sync::Arc;

use chrono::Utc;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::consume::Consumer;
use super::deliver::Delivery;
use super::deployment::Deployment;
use super::golden;
use super::kept::Kept;
use super::past::Past;
use super::prepare::{Destination, Preparation, open};
use super::report::{self, RefusedVersion, RunningVersion};
use super::shared::Shared;
use super::status::{Phase, Status};
use super::turns::Turns;
use super::versions::{Turned, Versions};
use crate::config::{ConfigFaults, Fault, Guarantee, PipelineSettings, Target};
use crate::metrics::Swap;
use crate::rows::shortened;
use crate::sink::{Backoff, Table};
use crate::watch::Source;

/// The longest reason of a refusal that is told, in bytes.
const LONGEST_REASON: usize = 8 << 10;

/// What is to become of a pipeline.
#[derive(Clone)]
pub enum Wanted {
    /// These files are to run; what is wrong with them beside others is found already.
    Run(Arc<Source>, Vec<Fault>),
    /// Its file is gone: it drains and ends.
    Removed,
}

/// A pipeline from its files on.
pub struct Pipeline {
    shared: Shared,
    status: Arc<Status>,
    kept: Option<Arc<Mutex<Kept>>>,
}

/// What comes after a version.
enum Next {
    /// This one, between two ranges.
    Swap(Arc<Deployment>),
    /// This one, which subscribes to something else: the pipeline drains and joins anew.
    Anew(Arc<Deployment>),
    /// Nothing.
    Removed,
}

/// What a version is made for.
#[derive(Clone, Copy)]
enum Making {
    /// Nothing runs yet.
    First,
    /// It takes another's place.
    Swap,
}

impl Pipeline {
    /// A pipeline that was found but not looked at yet.
    pub fn new(shared: Shared, status: Arc<Status>) -> Self {
        let kept = shared.state.as_ref().map(|state| Arc::new(Mutex::new(Kept::open(state, status.name()))));
        Self { shared, status, kept }
    }

    /// Runs until the gateway stops or the pipeline is removed. Faults of its files are told, and what ran goes on.
    pub async fn run(self, mut wanted: watch::Receiver<Wanted>) {
        let mut next = None;
        loop {
            let version = match next.take() {
                Some(version) => version,
                None => match self.begin(&mut wanted).await {
                    Some(version) => version,
                    None => break,
                },
            };
            next = self.serve(version, &mut wanted).await;
            if next.is_none() {
                break;
            }
        }
        self.status.enter(Phase::Stopped);
        if matches!(&*wanted.borrow(), Wanted::Removed) {
            report::remove(self.status.file());
            if let Some(kept) = &self.kept {
                kept.lock().strip();
            }
        }
    }

    /// The first version that can run; none where the pipeline ends before there is one.
    async fn begin(&self, wanted: &mut watch::Receiver<Wanted>) -> Option<Arc<Deployment>> {
        loop {
            let Wanted::Run(source, faults) = wanted.borrow_and_update().clone() else { return None };
            self.status.enter(Phase::Starting);
            tokio::select! {
                version = self.first(&source, &faults) => match version {
                    Some(version) => return Some(version),
                    None => self.status.enter(Phase::Refused),
                },
                changed = wanted.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return None,
                },
                // Whatever a start waits for, a plugin or a database, ends with it.
                () = self.shared.stop.cancelled() => return None,
            }
            if self.shared.until_caught_up {
                // Nobody looks at the directory any more.
                return None;
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return None },
                () = self.shared.stop.cancelled() => return None,
            }
        }
    }

    /// The last good version, where these files are others: they take over like any other swap, or do not. Else what these files make.
    async fn first(&self, source: &Arc<Source>, faults: &[Fault]) -> Option<Arc<Deployment>> {
        // What it claims beside others is no matter of its versions.
        if !faults.is_empty() {
            self.refuse(source, &ConfigFaults { file: source.file.clone(), faults: faults.to_vec() }.to_string());
            return None;
        }
        let good = self.last_good(source).map(Arc::new);
        let alike = good.as_ref().is_some_and(|good| subscribes_like(good, source));
        if let Some(good) = good.as_ref().filter(|_| alike)
            && let Some(version) = self.again(good).await
        {
            return Some(version);
        }
        match self.make(source, faults, Making::First).await {
            Ok(version) => {
                self.accept();
                return Some(version);
            }
            Err(reason) => self.refuse(source, &reason),
        }
        match good.filter(|_| !alike) {
            Some(good) => self.again(&good).await,
            None => None,
        }
    }

    /// A version that ran before.
    async fn again(&self, good: &Arc<Source>) -> Option<Arc<Deployment>> {
        let made = self.make(good, &[], Making::First).await;
        made.inspect_err(|reason| tracing::warn!(pipeline = %self.status.name(), "the last good version: {reason}"))
            .ok()
    }

    /// The version to begin with where these files are not known to be good.
    fn last_good(&self, source: &Source) -> Option<Source> {
        // A run that ends by itself is about these files and no others.
        let kept = self.kept.as_ref().filter(|_| !self.shared.until_caught_up)?.lock();
        kept.good().filter(|good| good.hash() != source.hash())
    }

    /// Makes files ready to run, or says why they cannot.
    async fn make(&self, source: &Arc<Source>, faults: &[Fault], making: Making) -> Result<Arc<Deployment>, String> {
        if let Some(rolled_back) = self.kept.as_ref().and_then(|kept| kept.lock().rolled_back(source).cloned()) {
            return Err(rolled_back.reason);
        }
        if !faults.is_empty() {
            return Err(ConfigFaults { file: source.file.clone(), faults: faults.to_vec() }.to_string());
        }
        let prepared = Preparation::of(source, &self.shared).await.complete();
        let prepared = prepared.map_err(|faults| faults.to_string())?;
        if let (Some(cases), Some(Ok(file))) = (&source.cases, &source.plugin) {
            golden::check(cases.clone(), source, &prepared.settings, file.clone(), &self.shared).await?;
        }
        let tables = self.open(&prepared.destinations, prepared.guarantee, source, making).await;
        Ok(Arc::new(Deployment::new(source.clone(), prepared, tables, &self.shared, &self.status)))
    }

    /// Opens all tables, however long it takes until they can be: an operator may mend them meanwhile.
    async fn open(
        &self,
        destinations: &[Destination],
        guarantee: Guarantee,
        source: &Source,
        making: Making,
    ) -> Vec<(Target, Arc<dyn Table>)> {
        // Nothing runs until the first version does.
        let mut backoff = match making {
            Making::First => Backoff::of_sink(),
            Making::Swap => Backoff::default(),
        };
        loop {
            let (mut tables, mut waits) = (Vec::with_capacity(destinations.len()), Vec::new());
            for (Destination { target, .. }, opened) in destinations.iter().zip(open(destinations, guarantee).await) {
                let subject = format!("sink {target}");
                match (opened, making) {
                    (Ok(table), _) => {
                        self.status.solved(&subject);
                        tables.push((target.clone(), table));
                    }
                    (Err(fault), Making::First) => self.status.problem(&subject, &fault.to_string()),
                    // The version that runs has its own word on the same table.
                    (Err(fault), Making::Swap) => waits.push(format!("{subject}: {fault}")),
                }
            }
            if tables.len() == destinations.len() {
                return tables;
            }
            if !waits.is_empty() {
                self.tell_refused(source, &format!("waits for its tables: {}", waits.join("; ")));
            }
            let wait = backoff.next(&mut rand::rng());
            tokio::time::sleep(wait).await;
        }
    }

    /// Consumes with a version, and with those that take its place, until the pipeline ends or a version needs another membership.
    async fn serve(&self, version: Arc<Deployment>, wanted: &mut watch::Receiver<Wanted>) -> Option<Arc<Deployment>> {
        let versions = Arc::new(Versions::new(version.clone()));
        self.take_over(&versions, "runs");
        self.prove(&version).await;
        self.status.enter(Phase::Running);
        let stop = self.shared.stop.child_token();
        let consumer = Consumer {
            shared: self.shared.clone(),
            settings: version.settings.clone(),
            delivery: Arc::new(Delivery {
                versions: versions.clone(),
                tenant: self.shared.tenants.of(&self.status.name().tenant),
                status: self.status.clone(),
                turns: Turns::default(),
                past: Past::new(self.shared.clone()),
            }),
            stop: stop.clone(),
        };
        drop(version);
        let mut consume = std::pin::pin!(consumer.run());
        loop {
            let mut next = std::pin::pin!(self.next(wanted, &versions));
            let next = loop {
                tokio::select! {
                    () = &mut consume => return None,
                    turned = versions.turned() => self.turned(turned, &versions).await,
                    next = &mut next => break next,
                }
            };
            match next {
                Next::Swap(version) => {
                    let probation = version.settings.probation;
                    versions.swap(version, probation);
                    self.status.metrics().swapped(Swap::Live);
                    forget_kept(&versions);
                    self.take_over(&versions, "live");
                    self.prove_in(&versions.current(), &versions).await;
                }
                Next::Anew(version) => {
                    tracing::info!(pipeline = %self.status.name(), "drains and joins anew, for another subscription");
                    stop.cancel();
                    consume.await;
                    self.status.metrics().swapped(Swap::Live);
                    return Some(version);
                }
                Next::Removed => {
                    stop.cancel();
                    consume.await;
                    return None;
                }
            }
        }
    }

    /// The next version that can run.
    async fn next(&self, wanted: &mut watch::Receiver<Wanted>, versions: &Versions) -> Next {
        loop {
            let Wanted::Run(source, faults) = wanted.borrow_and_update().clone() else { return Next::Removed };
            let current = versions.current();
            let hash = source.hash();
            let proven = versions.proven();
            if hash == current.source.hash() && faults.is_empty() {
                self.accept();
            } else if hash == proven.source.hash() && faults.is_empty() {
                // Somebody thought better of it while the new version was on probation.
                self.accept();
                return Next::Swap(proven);
            } else {
                tokio::select! {
                    made = self.make(&source, &faults, Making::Swap) => match made {
                        // It was compared with what runs no more.
                        Ok(_) if !Arc::ptr_eq(&current, &versions.current()) => continue,
                        Ok(version) if version.is_like(&current) => {
                            // Other words for the same: nothing takes over.
                            self.accept();
                            self.prove_in(&version, versions).await;
                        }
                        Ok(version) => {
                            self.accept();
                            return if version.subscribes_like(&current) { Next::Swap(version) } else { Next::Anew(version) };
                        }
                        Err(reason) => self.refuse(&source, &reason),
                    },
                    changed = wanted.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => std::future::pending().await,
                    },
                }
            }
            if wanted.changed().await.is_err() {
                // The gateway is ending.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn turned(&self, turned: Turned, versions: &Versions) {
        match turned {
            Turned::Proven(version) => {
                self.take_over(versions, "proven");
                self.prove(&version).await;
            }
            Turned::RolledBack(refused, reason) => {
                self.status.metrics().swapped(Swap::RolledBack);
                forget_kept(versions);
                if let Some(kept) = &self.kept
                    && let Err(problem) = kept.lock().roll_back(&refused.source, refused.bundle.plugin, &reason)
                {
                    self.status.problem("state", &format!("what was rolled back cannot be kept: {problem}"));
                }
                self.take_over(versions, "runs again");
                self.tell_refused(&refused.source, &reason);
            }
        }
    }

    /// A version has taken over.
    fn take_over(&self, versions: &Versions, how: &str) {
        let (version, on_probation) = (versions.current(), versions.is_on_probation());
        let running = RunningVersion::of(&version, on_probation);
        tracing::info!(
            pipeline = %self.status.name(), plugin = running.plugin, name = running.name, version = running.version,
            on_probation, stateless = version.plugin.description().stateless, "version {how}"
        );
        self.status.tap().open(version.shown.clone());
        self.status.report(|report| report.running = Some(running));
    }

    /// A version is as good as can be known: it is what the next start begins with.
    async fn prove(&self, version: &Arc<Deployment>) {
        let Some(kept) = self.kept.clone() else { return };
        let version = version.clone();
        // Files may be large.
        let keep = tokio::task::spawn_blocking(move || kept.lock().keep(&version.source, &version.settings));
        match keep.await {
            Ok(Ok(())) => self.status.solved("state"),
            Ok(Err(problem)) => self.status.problem("state", &format!("the running version cannot be kept: {problem}")),
            // The runtime is ending.
            Err(_) => {}
        }
    }

    /// A version is proven where the one that runs is: it is that one, or says the same in other words.
    async fn prove_in(&self, version: &Arc<Deployment>, versions: &Versions) {
        if !versions.is_on_probation() {
            self.prove(version).await;
        }
    }

    /// What lies there cannot run.
    fn refuse(&self, source: &Source, reason: &str) {
        self.status.metrics().swapped(Swap::Refused);
        self.tell_refused(source, reason);
    }

    fn tell_refused(&self, source: &Source, reason: &str) {
        // Much of it may be a plugin's own words.
        let reason = &*shortened(reason.to_owned(), LONGEST_REASON);
        let plugin = source.plugin.iter().flatten().next().map(|file| file.hash().to_string());
        self.status.problem("files", reason);
        let refused = RefusedVersion { plugin, since: Utc::now(), reason: reason.to_owned() };
        self.status.report(|report| report.refused = Some(refused));
    }

    /// What lies there is what runs, or is about to.
    fn accept(&self) {
        self.status.solved("files");
        self.status.report(|report| report.refused = None);
    }
}

/// Whether the files say the same of what is read, and as whom.
fn subscribes_like(one: &Source, other: &Source) -> bool {
    let subscription = |source: &Source| source.draft.value.as_ref().map(PipelineSettings::subscription);
    subscription(one).is_some_and(|of_one| subscription(other).is_none_or(|of_other| of_one == of_other))
}

/// Ranges that another version makes are a hole in the state that one has kept.
fn forget_kept(versions: &Versions) {
    for version in [versions.current(), versions.proven()] {
        version.plugin.forget_all();
    }
}
