//! `tidegate plan show`: what can be shown is shown; what cannot is named with its reason.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde::Serialize;
use tidegate_ledger::{BundleId, Joined, Plan, Planned};

use super::super::number;
use super::super::test::Format;
use super::{PATIENCE, ShowArguments};
use crate::config::{GatewaySettings, PipelineName, PipelineSettings, discover};
use crate::kafka::{GroupCommit, KafkaSettings, Plans, TopicPartition};
use crate::time::told;

/// All that is shown.
#[derive(Debug, Default, Serialize)]
struct Overview {
    partitions: Vec<Shown>,
    /// Topics in which a group has no offset of some partitions.
    without_offset: Vec<WithoutOffset>,
    /// What could not be shown, and why.
    faults: Vec<String>,
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
    /// None where the version that is deployed is to process it.
    bundle: Option<String>,
    /// Records and rows that are left out.
    left_out: usize,
    /// What is written with it.
    joined: Vec<ShownJoined>,
    /// When it was planned.
    at: String,
}

/// A range of another partition of the topic that is written with a planned one.
#[derive(Debug, Serialize)]
struct ShownJoined {
    partition: i32,
    first: i64,
    next: i64,
    left_out: usize,
}

/// Partitions of a topic that the group has no offset of.
#[derive(Debug, Serialize)]
struct WithoutOffset {
    pipeline: String,
    topic: String,
    /// How many.
    partitions: usize,
    /// Of so many.
    of: usize,
}

/// Shows all pipelines, or one. The code is 1 where something could not be shown.
pub fn show(settings: &GatewaySettings, kafka: &KafkaSettings, arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let files = discover(&settings.plugins).with_context(|| format!("read {}", settings.plugins.display()))?;
    let wanted = |name: &str| arguments.pipeline.as_ref().is_none_or(|wanted| wanted == name);
    let files: Vec<_> = files.into_iter().filter(|(name, _)| wanted(&name.to_string())).collect();
    if let (Some(pipeline), true) = (&arguments.pipeline, files.is_empty()) {
        bail!("there is no pipeline file of `{pipeline}` in {}; expected TENANT/PIPELINE", settings.plugins.display());
    }
    // For all of them together: where no broker answers, it need not be found out for each.
    let until = Instant::now() + PATIENCE;
    let mut overview = Overview::default();
    for (name, file) in files {
        match PipelineSettings::read(&name, &file) {
            Ok(pipeline) => overview.add(&name, &pipeline, kafka, until),
            Err(faults) => overview.faults.push(format!("pipeline {name}: {faults}")),
        }
    }
    let text = match arguments.format {
        Format::Json => serde_json::to_string_pretty(&overview)? + "\n",
        Format::Text => overview.text(),
    };
    // A reader that is gone has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if overview.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Overview {
    fn add(&mut self, name: &PipelineName, pipeline: &PipelineSettings, kafka: &KafkaSettings, until: Instant) {
        let plans = match Plans::of(kafka, &pipeline.group, until) {
            Ok(plans) => plans,
            Err(fault) => return self.faults.push(format!("pipeline {name}: {fault}")),
        };
        for topic in &pipeline.topics {
            match plans.read(topic) {
                Ok(commits) => {
                    let (of, with) = (commits.partitions, commits.commits.len());
                    if with < of {
                        let (pipeline, topic, partitions) = (name.to_string(), topic.clone(), of - with);
                        self.without_offset.push(WithoutOffset { pipeline, topic, partitions, of });
                    }
                    let shown = commits.commits.into_iter();
                    self.partitions.extend(shown.map(|commit| Shown::of(&name.to_string(), &pipeline.group, commit)));
                }
                Err(fault) => self.faults.push(format!("pipeline {name}: {fault}")),
            }
        }
    }

    fn text(&self) -> String {
        let mut text: String = self.partitions.iter().map(Shown::text).collect();
        for WithoutOffset { pipeline, topic, partitions, of } in &self.without_offset {
            let of = number(*of, "partition");
            text.push_str(&format!("{pipeline}  {topic}  the group has no offset in {partitions} of {of}\n"));
        }
        if self.partitions.iter().all(|shown| shown.planned.is_empty() && shown.fault.is_none()) {
            text.push_str(match self.faults.is_empty() {
                true => "nothing is planned\n",
                false => "nothing is planned in what could be read\n",
            });
        }
        for fault in &self.faults {
            text.push_str(&format!("cannot be shown: {fault}\n"));
        }
        text
    }
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
        let nothing = if planned.is_empty() && fault.is_none() { "  nothing is planned" } else { "" };
        let mut text = format!("{pipeline}  {topic}/{partition}  offset {offset}  lineage {lineage}{nothing}\n");
        if let Some(fault) = fault {
            text.push_str(&format!("    {fault}\n"));
        }
        for range in planned {
            text.push_str(&format!("    {}\n", range.text()));
        }
        text
    }
}

impl ShownRange {
    fn of(range: &Planned) -> Self {
        Self {
            first: range.first,
            next: range.next,
            bundle: (range.bundle != BundleId::DEPLOYED).then(|| range.bundle.to_string()),
            left_out: range.verdicts.len(),
            joined: range.joined.iter().map(ShownJoined::of).collect(),
            at: told(range.at),
        }
    }

    fn text(&self) -> String {
        let Self { first, next, bundle, left_out, joined, at } = self;
        let by = match bundle {
            Some(bundle) => format!("with bundle {bundle}"),
            None => "with the version that is deployed".to_owned(),
        };
        let mut text = format!("{first} to before {next}, planned {at} {by}{}", told_left_out(*left_out));
        if !joined.is_empty() {
            let joined: Vec<_> = joined.iter().map(ShownJoined::text).collect();
            text.push_str(&format!(", together with {}", joined.join(", ")));
        }
        text
    }
}

impl ShownJoined {
    fn of(joined: &Joined) -> Self {
        let Joined { partition, first, next, verdicts } = joined;
        Self { partition: *partition, first: *first, next: *next, left_out: verdicts.len() }
    }

    fn text(&self) -> String {
        let Self { partition, first, next, left_out } = self;
        format!("{first} to before {next} of partition {partition}{}", told_left_out(*left_out))
    }
}

fn told_left_out(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(", {count} left out"),
    }
}

/// Ranges of other partitions in a line.
pub fn in_words(joined: &[Joined]) -> String {
    joined.iter().map(|joined| ShownJoined::of(joined).text()).collect::<Vec<_>>().join(", ")
}

/// A planned range in a line.
pub fn in_a_line(range: &Planned) -> String {
    ShownRange::of(range).text()
}

#[cfg(test)]
mod tests {
    use super::super::decide::tests::{commit, planned};
    use super::*;

    #[test]
    fn a_plan_is_shown_range_by_range() {
        let text = Shown::of("acme/sales", "g", commit(&planned())).text();
        assert_eq!(
            text,
            "acme/sales  t/3  offset 100  lineage 00000000000000000000000000000007\n    \
             100 to before 120, planned 2026-11-18T11:06:40Z with bundle 00000000000000000000000000000008\n    \
             120 to before 150, planned 2026-11-18T11:06:40Z with bundle 00000000000000000000000000000008\n    \
             150 to before 170, planned 2026-11-18T11:06:40Z with bundle 00000000000000000000000000000009, 2 left out\n"
        );
    }

    #[test]
    fn that_nothing_is_planned_is_said() {
        let done = Shown::of("acme/sales", "g", commit("tidegate/1 partitions=4 began=7"));
        let overview = Overview { partitions: vec![done], ..Overview::default() };
        let text = "acme/sales  t/3  offset 100  lineage none  nothing is planned\nnothing is planned\n";
        assert_eq!(overview.text(), text);
        assert_eq!(Overview::default().text(), "nothing is planned\n");
        let faults = vec!["pipeline acme/x: topic `u` does not exist".to_owned()];
        let overview = Overview { faults, ..Overview::default() };
        let text =
            "nothing is planned in what could be read\ncannot be shown: pipeline acme/x: topic `u` does not exist\n";
        assert_eq!(overview.text(), text);
    }
}
