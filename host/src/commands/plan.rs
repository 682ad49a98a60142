//! `tidegate plan`: what is planned of a group's partitions, and an operator's word where the gateway may not decide.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, SecondsFormat};
use clap::{Args, Subcommand};
use serde::Serialize;
use tidegate_ledger::{Plan, Planned};

use super::test::Format;
use super::{UNUSABLE, number};
use crate::config::{GatewaySettings, PipelineSettings, discover};
use crate::kafka::{GroupCommit, KafkaSettings, Plans, TopicPartition};
use crate::logging;

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What `tidegate plan` is asked.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: PlanCommand,
}

/// What to do with plans.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Show the offset of each partition, and the ranges that are planned behind it.
    Show(ShowArguments),
    /// Give a partition's plan up and read its ranges again: none of their rows are lost, and those that were written are there twice.
    Abandon(DecideArguments),
    /// Take a partition's planned ranges for written: none of their rows are there twice, and those that were not written are lost.
    Force(DecideArguments),
}

/// What `tidegate plan show` is asked.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// Only this pipeline, `TENANT/PIPELINE`; all that have a file without it.
    pub pipeline: Option<String>,
    /// How it is told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What `tidegate plan abandon` and `force` are asked.
#[derive(Debug, Args)]
pub struct DecideArguments {
    /// The gateway's file.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
    /// The consumer group: `tidegate.TENANT.PIPELINE` unless the pipeline file names another.
    #[arg(long)]
    pub group: String,
    /// The partition, `TOPIC/PARTITION`.
    pub partition: String,
    /// Do it; without this it is only said what would be done.
    #[arg(long)]
    pub yes: bool,
}

/// A partition's commit.
#[derive(Debug, Serialize)]
struct Shown {
    pipeline: String,
    group: String,
    topic: String,
    partition: i32,
    offset: i64,
    lineage: Option<String>,
    planned: Vec<ShownRange>,
    /// Why its plan cannot be read.
    fault: Option<String>,
}

/// A range that is planned.
#[derive(Debug, Serialize)]
struct ShownRange {
    first: i64,
    next: i64,
    bundle: String,
    /// Records and rows that are left out.
    left_out: usize,
    /// When it was planned.
    at: String,
}

/// 0 where it was done, 1 where it could not be, 64 where what is asked cannot be meant.
pub fn plan(arguments: PlanArguments) -> ExitCode {
    logging::start();
    let config = match &arguments.command {
        PlanCommand::Show(ShowArguments { config, .. })
        | PlanCommand::Abandon(DecideArguments { config, .. })
        | PlanCommand::Force(DecideArguments { config, .. }) => config,
    };
    let settings = match GatewaySettings::read(config) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::from(UNUSABLE);
        }
    };
    let done = match &arguments.command {
        PlanCommand::Show(arguments) => show(&settings, arguments),
        PlanCommand::Abandon(arguments) => decide(&settings, arguments, Decision::Abandon),
        PlanCommand::Force(arguments) => decide(&settings, arguments, Decision::Force),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn kafka(settings: &GatewaySettings) -> anyhow::Result<KafkaSettings> {
    Ok(KafkaSettings::new(settings.kafka.clone())?)
}

fn show(settings: &GatewaySettings, arguments: &ShowArguments) -> anyhow::Result<()> {
    let kafka = kafka(settings)?;
    let files = discover(&settings.plugins).with_context(|| format!("read {}", settings.plugins.display()))?;
    let wanted = |name: &str| arguments.pipeline.as_ref().is_none_or(|wanted| wanted == name);
    let mut shown = Vec::new();
    let files: Vec<_> = files.into_iter().filter(|(name, _)| wanted(&name.to_string())).collect();
    if let (Some(pipeline), true) = (&arguments.pipeline, files.is_empty()) {
        bail!("there is no pipeline file of `{pipeline}` in {}; expected TENANT/PIPELINE", settings.plugins.display());
    }
    for (name, file) in files {
        let pipeline = PipelineSettings::read(&name, &file).map_err(|faults| anyhow::anyhow!("{faults}"))?;
        let plans = Plans::of(&kafka, &pipeline.group, PATIENCE).map_err(anyhow::Error::msg)?;
        for topic in &pipeline.topics {
            let commits = plans.read(topic).map_err(|fault| anyhow::anyhow!("pipeline {name}: {fault}"))?;
            shown.extend(commits.into_iter().map(|commit| Shown::of(&name.to_string(), &pipeline.group, commit)));
        }
    }
    match arguments.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&shown)?),
        Format::Text => shown.iter().for_each(|shown| print!("{}", shown.text())),
    }
    Ok(())
}

impl Shown {
    fn of(pipeline: &str, group: &str, commit: GroupCommit) -> Self {
        let GroupCommit { partition: TopicPartition { topic, partition }, offset, metadata } = commit;
        let (plan, fault) = match Plan::read(&metadata, offset) {
            Ok(plan) => (plan, None),
            Err(fault) => (Plan::default(), Some(fault.to_string())),
        };
        Self {
            pipeline: pipeline.to_owned(),
            group: group.to_owned(),
            topic: topic.to_string(),
            partition,
            offset,
            lineage: plan.lineage.map(|lineage| lineage.to_string()),
            planned: plan.ranges.iter().map(ShownRange::of).collect(),
            fault,
        }
    }

    fn text(&self) -> String {
        let Self { pipeline, topic, partition, offset, lineage, planned, fault, .. } = self;
        let lineage = lineage.as_deref().unwrap_or("none");
        let mut text = format!("{pipeline}  {topic}/{partition}  offset {offset}  lineage {lineage}\n");
        if let Some(fault) = fault {
            text.push_str(&format!("    {fault}\n"));
        }
        for ShownRange { first, next, bundle, left_out, at } in planned {
            let left_out = match left_out {
                0 => String::new(),
                count => format!(", {} left out", number(*count, "record or row")),
            };
            text.push_str(&format!("    {first} to before {next}, planned {at} with bundle {bundle}{left_out}\n"));
        }
        text
    }
}

impl ShownRange {
    fn of(range: &Planned) -> Self {
        let at = i64::try_from(range.at).ok().and_then(|at| DateTime::from_timestamp(at, 0)).unwrap_or_default();
        Self {
            first: range.first,
            next: range.next,
            bundle: range.bundle.to_string(),
            left_out: range.verdicts.len(),
            at: at.to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    Abandon,
    Force,
}

fn decide(settings: &GatewaySettings, arguments: &DecideArguments, decision: Decision) -> anyhow::Result<()> {
    let DecideArguments { group, partition, yes, .. } = arguments;
    let named = partition.rsplit_once('/').and_then(|(topic, number)| Some((topic, number.parse::<i32>().ok()?)));
    let Some((topic, number)) = named else {
        bail!("`{partition}` is no partition; expected TOPIC/PARTITION, such as sales/3")
    };
    let plans = Plans::of(&kafka(settings)?, group, PATIENCE).map_err(anyhow::Error::msg)?;
    let commits = plans.read(topic).map_err(anyhow::Error::msg)?;
    let commit = commits.into_iter().find(|commit| commit.partition.partition == number);
    let commit = commit.with_context(|| format!("group `{group}` has no offset in {partition}"))?;
    let before = commit.offset;
    let decided = decided(&commit, decision);
    let Some(decided) = decided else {
        println!("nothing is planned in {partition} behind offset {before}");
        return Ok(());
    };
    let what = match decision {
        Decision::Abandon => format!(
            "gives up the plan of {partition}: it is read again from offset {before}, and rows that were written already will be there twice"
        ),
        Decision::Force => format!(
            "takes {partition} up to offset {} for written: rows and dead letters that were not are lost",
            decided.offset
        ),
    };
    if !yes {
        println!("{what}; run it again with --yes to do it");
        return Ok(());
    }
    plans.set(&decided).map_err(anyhow::Error::msg)?;
    println!("{what}: done");
    Ok(())
}

/// The commit that takes the place of one; none where nothing is planned there. A plan that cannot be read can be given up, and not be
/// taken for written: nobody knows how far it goes.
fn decided(commit: &GroupCommit, decision: Decision) -> Option<GroupCommit> {
    let others = commit
        .metadata
        .split(' ')
        .filter(|word| !["lineage=", "bundles=", "plan="].iter().any(|own| word.starts_with(own)));
    let metadata = others.collect::<Vec<_>>().join(" ");
    let offset = match (Plan::read(&commit.metadata, commit.offset), decision) {
        (Ok(plan), Decision::Force) => plan.ranges.last()?.next,
        (Ok(plan), Decision::Abandon) if plan.ranges.is_empty() => return None,
        (Ok(_) | Err(_), Decision::Abandon) => commit.offset,
        (Err(_), Decision::Force) => return None,
    };
    Some(GroupCommit { offset, metadata, ..commit.clone() })
}

#[cfg(test)]
mod tests {
    use tidegate_ledger::{BundleId, Lineage, Verdicts};

    use super::*;

    fn commit(metadata: &str) -> GroupCommit {
        let partition = TopicPartition { topic: "t".into(), partition: 3 };
        GroupCommit { partition, offset: 100, metadata: metadata.to_owned() }
    }

    fn planned() -> String {
        let range = |first, next| Planned {
            first,
            next,
            bundle: BundleId(8),
            verdicts: Verdicts::default(),
            at: 1_795_000_000,
        };
        let plan = Plan { lineage: Some(Lineage(7)), ranges: vec![range(100, 120), range(120, 150)] };
        format!("tidegate/1 partitions=4 began=7 {} more=1", plan.write(100))
    }

    #[test]
    fn what_is_given_up_is_read_again_and_what_is_taken_for_written_is_passed_over() {
        let abandoned = decided(&commit(&planned()), Decision::Abandon).unwrap();
        assert_eq!((abandoned.offset, &*abandoned.metadata), (100, "tidegate/1 partitions=4 began=7 more=1"));
        let forced = decided(&commit(&planned()), Decision::Force).unwrap();
        assert_eq!((forced.offset, &*forced.metadata), (150, "tidegate/1 partitions=4 began=7 more=1"));
        for decision in [Decision::Abandon, Decision::Force] {
            assert_eq!(decided(&commit("tidegate/1 partitions=4 began=7"), decision), None);
        }
        let unreadable = commit("tidegate/1 lineage=later");
        assert_eq!(decided(&unreadable, Decision::Abandon).unwrap().metadata, "tidegate/1");
        assert_eq!(decided(&unreadable, Decision::Force), None);
    }

    #[test]
    fn a_plan_is_shown_range_by_range() {
        let text = Shown::of("acme/sales", "g", commit(&planned())).text();
        assert_eq!(
            text,
            "acme/sales  t/3  offset 100  lineage 00000000000000000000000000000007\n    \
             100 to before 120, planned 2026-11-18T11:06:40Z with bundle 00000000000000000000000000000008\n    \
             120 to before 150, planned 2026-11-18T11:06:40Z with bundle 00000000000000000000000000000008\n"
        );
    }
}
