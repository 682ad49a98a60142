//! A run from its start to its summary: first a gateway that dies at each stop point and finds nothing else wrong, then two gateways
//! under load to which everything of the plan happens, and at last the count.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::account::Account;
use super::member::{Member, SESSION};
use super::pipelines::{Field, PIPELINES};
use super::plan::{STOP_POINTS, Step, plan};
use super::stand::Stand;
use super::stream::Stream;
use super::summary::{Happened, Summary};
use super::swaps::{Swaps, install};
use crate::harness::eventually;

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Numbers to write, at least.
    pub records: u64,
    /// Faults, at least; every kind and every stop point come in any case.
    pub faults: usize,
    /// Kinds of faults to keep to, by a part of their names; all where there is none.
    pub only: Vec<String>,
    /// What repeats the plan.
    pub seed: u64,
    /// `exactly-once` or `at-least-once`.
    pub delivery: String,
    /// Whether ranges are planned before they are sent.
    pub planned: bool,
    /// Whether tables refuse some rows.
    pub refusing: bool,
    /// Where logs and the summary go.
    pub folder: PathBuf,
}

impl Settings {
    /// A run as it comes with every change, by a seed of its own.
    pub fn usual(folder: PathBuf) -> Self {
        Self {
            records: 500_000,
            faults: 0,
            only: Vec::new(),
            seed: u64::from(rand::random::<u32>()),
            delivery: "exactly-once".to_owned(),
            planned: true,
            refusing: true,
            folder,
        }
    }
}

/// A run that is under way.
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) stand: Stand,
    pub(super) field: Field,
    pub(super) members: Vec<Member>,
    pub(super) stream: Stream,
    pub(super) happened: Happened,
    pub(super) began: Instant,
}

/// Partitions of each topic in the beginning.
const PARTITIONS: i32 = 4;

/// A run is laid out for so many seconds under load; what is not written by then comes in one go.
const LAID_OUT: f64 = 220.0;

/// The most that is written a second, which leaves the machine room for everything else.
const HIGHEST_RATE: f64 = 4_000.0;

/// The session of the gateway that dies alone: its successor waits for nothing else.
const SHORT_SESSION: Duration = Duration::from_millis(1_500);

/// Does what the settings say and counts what came of it.
///
/// # Errors
/// Where a service does not work, rows do not flow again after a fault, or a gateway ends by itself.
pub fn run(settings: Settings) -> anyhow::Result<(Summary, Account, Vec<&'static str>)> {
    println!("seed {}; the same plan again: SEED={}", settings.seed, settings.seed);
    std::fs::create_dir_all(&settings.folder).with_context(|| format!("make {}", settings.folder.display()))?;
    let folder = settings.folder.canonicalize().context("find the run's folder")?;
    let began = Instant::now();
    let stand = Stand::start(&folder.join("services"))?;
    let field = Field::new(&stand)?;
    field.make(PARTITIONS, settings.refusing)?;
    let members = (0..2).map(|index| {
        let member = Member::new(folder.join(format!("gateway-{index}")), SESSION, &stand)?;
        install(member.folder(), &settings.delivery).map(|()| member)
    });
    let members = members.collect::<anyhow::Result<Vec<_>>>()?;
    let topics = PIPELINES.iter().map(|pipeline| (pipeline.topic(), PARTITIONS)).collect();
    let rate = (settings.records as f64 / LAID_OUT).min(HIGHEST_RATE);
    let stream = Stream::start(field.kafka.brokers(), topics, rate, settings.records)?;
    let happened = Happened::default();
    let mut run = Run { settings, stand, field, members, stream, happened, began };
    run.say("services and topics are there, numbers flow");
    if run.wants("died at") {
        let mut alone = Member::new(folder.join("gateway-alone"), SHORT_SESSION, &run.stand)?;
        install(alone.folder(), &run.settings.delivery)?;
        run.die_alone(&mut alone)?;
    }
    run.suffer()?;
    run.end()
}

impl Run {
    /// Whether faults of this kind are to come.
    fn wants(&self, kind: &str) -> bool {
        let only = &self.settings.only;
        only.is_empty() || only.iter().any(|part| kind.contains(part.as_str()))
    }

    /// One gateway dies at each point of a range's way, one after the other; the next one goes on from there.
    fn die_alone(&mut self, alone: &mut Member) -> anyhow::Result<()> {
        for name in STOP_POINTS {
            match alone.dies(&self.points(&format!("{name}=return")))? {
                true => {
                    self.happened.stop_points.entry(name).or_default().alone += 1;
                    self.say(&format!("died at {name}, alone"));
                }
                false => self.did_not_die(name, "alone"),
            }
        }
        alone.start(&self.points(""))?;
        let took = self.flows_again(Instant::now(), &mut [alone])?;
        self.say(&format!("rows flow {took:.1?} after the last of these"));
        alone.stop()
    }

    /// Both gateways, and everything that the plan has for them.
    fn suffer(&mut self) -> anyhow::Result<()> {
        let points = self.points("");
        self.members.iter_mut().try_for_each(|member| member.start(&points))?;
        let took = self.flows_again_here(Instant::now())?;
        self.say(&format!("two gateways; rows flow after {took:.1?}"));
        let folders = self.members.iter().map(|member| member.folder().to_owned()).collect();
        let swaps = Swaps::start(folders, &self.settings.delivery);
        let steps = plan(self.settings.seed, self.settings.faults);
        let steps: Vec<Step> = steps.into_iter().filter(|step| self.wants(&step.fault.kind())).collect();
        for (index, step) in steps.iter().enumerate() {
            std::thread::sleep(step.pause);
            let what = format!("{} of {}: {:?}", index + 1, steps.len(), step.fault);
            let Some(over) = self.inject(&step.fault).with_context(|| what.clone())? else {
                self.say(&format!("{what} did not come about"));
                self.happened.missed.push(what);
                continue;
            };
            self.happened.note(&step.fault);
            if !step.waits {
                self.say(&what);
                continue;
            }
            let took = self.flows_again_here(over).with_context(|| what.clone())?;
            self.happened.recovered(&step.fault, took);
            self.say(&format!("{what}; rows flow after {took:.2?}"));
        }
        self.happened.swaps = swaps.finish()?;
        Ok(())
    }

    /// Waits until all that was written is done with, ends the gateways, and counts.
    fn end(self) -> anyhow::Result<(Summary, Account, Vec<&'static str>)> {
        let Self { settings, stand: _stand, field, mut members, stream, happened, began } = self;
        let lasts = stream.finish()?;
        println!("[{:6.1} s] all is written: {lasts:?}", began.elapsed().as_secs_f64());
        for pipeline in PIPELINES {
            let group = field.kafka.group(&pipeline.group(), &pipeline.topic())?;
            let (mut standing, mut moved) = (Vec::new(), Instant::now());
            while let Err(fault) = group.has_caught_up() {
                members.iter_mut().try_for_each(Member::is_alive)?;
                // One that does not answer has not gone on.
                let committed = group.committed().unwrap_or_default();
                if !committed.is_empty() && committed != standing {
                    (standing, moved) = (committed, Instant::now());
                }
                ensure!(moved.elapsed() < FLOW_PATIENCE, "for {FLOW_PATIENCE:?} nothing goes on: {fault:#}");
                std::thread::sleep(LOOK);
            }
        }
        println!("[{:6.1} s] all is complete", began.elapsed().as_secs_f64());
        members.iter_mut().try_for_each(Member::stop)?;
        let mut account = Account::default();
        for (pipeline, last) in PIPELINES.iter().zip(lasts) {
            account
                .count(&field, pipeline, last, settings.refusing)
                .with_context(|| format!("count {}", pipeline.name))?;
        }
        let unhit = happened.unhit();
        let (by, how) = ((settings.seed, began.elapsed()), (settings.delivery.as_str(), settings.planned));
        Ok((Summary::new(by, how, happened, &account), account, unhit))
    }

    /// What a gateway's environment says of its stop points.
    pub(super) fn points(&self, point: &str) -> String {
        let skipped = if self.settings.planned { "" } else { "skip-plan=return;" };
        format!("{skipped}{point}")
    }

    fn flows_again_here(&mut self, over: Instant) -> anyhow::Result<Duration> {
        let mut members = std::mem::take(&mut self.members);
        let took = self.flows_again(over, &mut members.iter_mut().collect::<Vec<_>>());
        self.members = members;
        took
    }

    /// How long after `over` every partition of every topic has a row, in every table, of a record that was written after now.
    fn flows_again(&self, over: Instant, members: &mut [&mut Member]) -> anyhow::Result<Duration> {
        let mut marks = Vec::new();
        for pipeline in PIPELINES {
            // A broker that has just come back does not lead its partitions at once.
            let ends = eventually("Kafka says where topics end", || self.field.kafka.ends(&pipeline.topic()))?;
            marks.push((pipeline, ends));
        }
        for (pipeline, ends) in &marks {
            for target in pipeline.targets {
                let (mut standing, mut moved) = (Vec::new(), Instant::now());
                loop {
                    let last = self.field.last_offsets(&target, i32::try_from(ends.len())?);
                    // A database that does not answer has not gone on.
                    if let Ok(last) = &last {
                        let behind = last.iter().zip(ends).enumerate().filter(|(_, (last, end))| last < end);
                        let behind: Vec<_> = behind.map(|(partition, (last, _))| (partition, *last)).collect();
                        if behind.is_empty() {
                            break;
                        }
                        // Each of them must go on: of those that stood still one does not.
                        if standing.is_empty() || standing.iter().all(|place| !behind.contains(place)) {
                            (standing, moved) = (behind, Instant::now());
                        }
                    }
                    members.iter_mut().try_for_each(|member| member.is_alive())?;
                    ensure!(
                        moved.elapsed() < FLOW_PATIENCE,
                        "for {FLOW_PATIENCE:?} rows stand still in some of the partitions into {}: {last:?} of {ends:?}",
                        target.table
                    );
                    std::thread::sleep(LOOK);
                }
            }
        }
        Ok(over.elapsed())
    }

    /// A gateway that was to die at a stop point has not come there.
    pub(super) fn did_not_die(&mut self, name: &str, how: &str) {
        self.happened.missed.push(format!("died at {name}, {how}"));
        self.say(&format!("did not get to {name}, {how}"));
    }

    pub(super) fn say(&self, what: &str) {
        println!("[{:6.1} s] {what}", self.began.elapsed().as_secs_f64());
    }
}

/// How long rows may stand still after a fault is over before the run fails.
const FLOW_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
