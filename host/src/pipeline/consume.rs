//! A pipeline's memberships, one after the other: each from joining the group to leaving it, with the reader's thread, and the batches that are
//! under way beside it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use chrono::Utc;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tidegate_ledger::Promise;
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::deliver::{Delivery, Job, Report, Reports};
use super::pace::{Pace, Slots, Targets};
use super::park::{Berth, Entrance};
use super::reader::{self, Ending, Reader};
use super::shared::Shared;
use super::stop::Remedies;
use crate::config::{Guarantee, PipelineSettings};
use crate::kafka::{HasPlanned, Membership, Subscription, Wake};
use crate::sink::Backoff;

/// What a pipeline consumes, and what becomes of it.
pub struct Consumer {
    /// What all pipelines share.
    pub shared: Shared,
    /// Which topics as which group; the same for all versions that take over meanwhile.
    pub settings: PipelineSettings,
    /// What brings batches to their end.
    pub delivery: Arc<Delivery>,
    /// Cancelled when the pipeline shall drain and end.
    pub stop: CancellationToken,
}

impl Consumer {
    /// Consumes until `stop` is cancelled, or all is done that was to be done.
    pub async fn run(self) {
        let pace = Arc::new(Mutex::new(self.pace()));
        let (settings, status) = (&self.settings, &self.delivery.status);
        let mut berth = Berth::new(&self.shared.parking, settings, status, &pace.lock());
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            if berth.is_to_wait() {
                self.delivery.rest().await;
            }
            let entrance = tokio::select! {
                entrance = berth.rest() => entrance,
                () = self.stop.cancelled() => return,
            };
            let fault = match self.membership(&pace, entrance).await {
                Ok(Ending::Drained) => return,
                Ok(Ending::Idle(committed)) => {
                    berth.park(committed);
                    continue;
                }
                Err(fault) => fault,
            };
            self.delivery.status.problem("kafka", &fault);
            let wait = backoff.next(&mut rand::rng());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    fn pace(&self) -> Pace {
        match &self.settings.schedule {
            // What there is is taken now: whoever starts this is the schedule.
            _ if self.shared.until_caught_up => Pace::UntilCaughtUp(Targets::default()),
            Some(schedule) => Pace::Scheduled(Slots::new(schedule.clone(), Utc::now())),
            None => Pace::Stream,
        }
    }

    /// One membership from joining to leaving.
    async fn membership(&self, pace: &Arc<Mutex<Pace>>, entrance: Entrance) -> Result<Ending, String> {
        let (jobs, mut received) = channel::<Job>(Reader::MOST_RANGES);
        // Each range may be told of twice before the reader has heard of either, and no more often: it waits for an answer in between.
        let (finished, done) = sync_channel(2 * Reader::MOST_RANGES);
        let (woken, wake) = tokio::sync::oneshot::channel();
        let reader = self.reader(pace.clone(), entrance);
        let thread =
            std::thread::Builder::new().name(format!("reader {}", self.delivery.status.name())).spawn(move || {
                let wake = Wake::this_thread();
                // The other end waits for this; where it does not, the pipeline is ending.
                let _ = woken.send(wake.clone());
                reader(wake, jobs, done)
            });
        let thread = thread.map_err(|fault| format!("start the reader's thread: {fault}"))?;
        let Ok(wake) = wake.await else { return Err("the reader's thread ended at once".to_owned()) };
        let reports = Reports { sender: finished, wake: wake.clone() };
        let mut under_way = JoinSet::new();
        let mut told = false;
        let mut made_ready = pin!(self.delivery.make_ready().fuse());
        loop {
            tokio::select! {
                () = &mut made_ready => {}
                job = received.recv() => match job {
                    Some(job) => {
                        let delivery = self.delivery.clone();
                        let turn = delivery.turn(&job);
                        let reports = reports.clone();
                        under_way.spawn(async move { delivery.deliver(job, turn, &reports).await });
                    }
                    // The reader has ended.
                    None => break,
                },
                Some(ended) = under_way.join_next() => {
                    if let Ok(done) = ended {
                        reports.send(Report::Done(done));
                    }
                }
                () = self.stop.cancelled(), if !told => {
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
        pace: Arc<Mutex<Pace>>,
        entrance: Entrance,
    ) -> impl FnOnce(Wake, tokio::sync::mpsc::Sender<Job>, std::sync::mpsc::Receiver<Report>) -> Result<Ending, String>
    + Send
    + 'static {
        let subscription = Subscription {
            group: self.settings.group.clone(),
            topics: self.settings.topics.clone(),
            start: self.settings.start.clone(),
            bounded: pace.lock().is_bounded(),
        };
        // What is read up to a known end is read by members.
        let park_after = self.shared.parking.after.filter(|_| !subscription.bounded);
        let (shared, stop) = (self.shared.clone(), self.stop.clone());
        let (status, versions) = (self.delivery.status.clone(), self.delivery.versions.clone());
        let remedies = Remedies {
            config: shared.config.clone(),
            file: status.file().to_owned(),
            name: status.name().clone(),
            group: subscription.group.clone(),
            brokers: shared.kafka.brokers().to_owned(),
            drain: shared.drain,
        };
        let promise = match versions.current().guarantee {
            Guarantee::AtLeastOnce => Promise::AtLeastOnce,
            Guarantee::ExactlyOnce => Promise::ExactlyOnce,
        };
        let (memory, workers) = (self.delivery.tenant.memory.clone(), self.delivery.tenant.workers.clone());
        move |wake, jobs, done| {
            let membership =
                Membership::join(&shared.kafka, &subscription, &wake).map_err(|fault| fault.to_string())?;
            let bundles = shared.bundles.clone();
            let has_planned: Arc<HasPlanned> = match promise {
                Promise::AtLeastOnce => Arc::new(|_| Ok(false)),
                Promise::ExactlyOnce => Arc::new(move |topic| bundles.has_planned(&subscription.group, topic)),
            };
            let reader = Reader {
                membership,
                has_planned,
                promise,
                jobs,
                done,
                budget: Budget::within(memory, shared.in_flight),
                limits: versions.limits(),
                pace,
                workers,
                versions,
                status,
                remedies,
                stop,
                drain: shared.drain,
                park_after,
                entrance: Some(entrance),
                state: reader::State::default(),
            };
            reader.run()
        }
    }
}
