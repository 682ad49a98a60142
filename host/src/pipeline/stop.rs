//! Why a partition stops, and what an operator is told to run then: whole commands with the names and places of this gateway, so that they can be
//! pasted. All stops that wait for a person are told by [`Remedies::tell`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::join::places;
use super::range::Range;
use crate::config::PipelineName;
use crate::kafka::{Moved, NotYet, TopicPartition};

/// Why a range cannot be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    reason: String,
    remedy: Remedy,
    /// Ranges of other partitions that are decided with it: partitions, first offsets and those behind.
    joined: Vec<(i32, i64, i64)>,
}

/// What helps.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Remedy {
    /// An operator says what became of the ranges from one offset to before another.
    Decide(i64, i64),
    /// The same where the tables cannot tell either.
    Forgotten(i64, i64),
    /// Giving up a plan that cannot be read.
    Abandon,
    /// Giving up a plan of records that the topic does not have any more, from one offset to before another.
    Elsewhere(i64, i64),
    /// Going on behind ranges of which records are gone, from one offset to before another.
    Gone(i64, i64),
    /// Another version, which makes something else of the records from one offset to before another.
    Mend(i64, i64),
    /// Beginning again.
    Again,
    /// An offset for a topic in which the group has lost its own.
    Reset,
}

/// What is named in the commands of a pipeline.
#[derive(Clone, Debug)]
pub struct Remedies {
    /// The gateway's file.
    pub config: PathBuf,
    /// The pipeline's.
    pub file: PathBuf,
    /// The pipeline.
    pub name: PipelineName,
    /// Its consumer group.
    pub group: String,
    /// `bootstrap.servers`.
    pub brokers: String,
    /// How long its members may take to leave.
    pub drain: Duration,
}

impl Stop {
    fn new(reason: impl Into<String>, remedy: Remedy) -> Self {
        Self { reason: reason.into(), remedy, joined: Vec::new() }
    }

    /// Whatever is decided is decided of these ranges of other partitions too.
    #[must_use]
    pub fn with(self, joined: impl IntoIterator<Item = (i32, i64, i64)>) -> Self {
        Self { joined: joined.into_iter().collect(), ..self }
    }

    /// Nobody can tell what of a range is written, or the range cannot be written as it is planned.
    pub fn undecided(reason: impl Into<String>, range: &Range) -> Self {
        Self::new(reason, Remedy::Decide(range.first, range.next))
    }

    /// Nobody can tell what of a range is written, and its tables do not know it any more.
    pub fn forgotten(reason: impl Into<String>, range: &Range) -> Self {
        Self::new(reason, Remedy::Forgotten(range.first, range.next))
    }

    /// The version makes nothing of these records that could be written.
    pub fn mend(reason: impl Into<String>, first: i64, next: i64) -> Self {
        Self::new(reason, Remedy::Mend(first, next))
    }

    /// It need not be so the next time.
    pub fn again(reason: impl Into<String>) -> Self {
        Self::new(reason, Remedy::Again)
    }

    /// A partition that cannot begin before somebody has decided; none where it waits for what comes by itself.
    pub fn of(not_yet: &NotYet) -> Option<Self> {
        let remedy = match not_yet {
            NotYet::Unreadable(_) => Remedy::Abandon,
            NotYet::InDoubt { first, lost_to, moved: Moved::Lost { .. }, .. } => Remedy::Gone(*first, *lost_to),
            NotYet::InDoubt { first, next, .. } => Remedy::Elsewhere(*first, *next),
            NotYet::Forgotten { .. } => Remedy::Reset,
            NotYet::Early { .. } | NotYet::Unknown(_) => return None,
        };
        let joined = match not_yet {
            NotYet::InDoubt { joined, .. } => places(joined),
            _ => Vec::new(),
        };
        Some(Self::new(not_yet.to_string(), remedy).with(joined))
    }
}

impl Remedies {
    /// Why a partition stopped and what to run.
    pub fn tell(&self, Stop { reason, remedy, joined }: &Stop, partition: &TopicPartition) -> String {
        let TopicPartition { topic, partition: number } = partition;
        let (config, name) = (quoted(&self.config), &self.name);
        let run = match remedy {
            Remedy::Decide(first, next) => format!(
                "`tidegate plan show --config {config} {name}` shows the plan, `{}` what of it is in the tables. Then `{}` counts offsets {first} to \
                 before {next} as written; with `force` in place of `accept` the version that is deployed writes what its tables do not have; with `abandon`, and the end of the \
                 last planned range as --to, all that is planned is read again, and what was written is there twice",
                self.audit(partition, Some((*first, *next))),
                self.decided("accept", partition, Some((*first, *next)))
            ),
            // Nothing of it can be read again, whatever its plan names.
            Remedy::Elsewhere(first, next) if !joined.is_empty() => format!(
                "`{}` goes on with what the topic has behind offset {next}",
                self.decided("accept", partition, Some((*first, *next)))
            ),
            Remedy::Elsewhere(first, next) => format!(
                "`{}` gives the plan up and reads all that the topic has: what of it was written already is there twice",
                self.decided("abandon", partition, Some((*first, *next)))
            ),
            Remedy::Forgotten(first, next) => format!(
                "`{}` shows what of it is in the tables. Where all is, `{}` counts offsets {first} to before {next} as written; where nothing is, \
                 `force` in place of `accept` has the version that is deployed write them, and what is there already twice",
                self.audit(partition, Some((*first, *next))),
                self.decided("accept", partition, Some((*first, *next)))
            ),
            Remedy::Gone(first, next) => format!(
                "`{}` shows what is in the tables. Then `{}` goes on behind offset {next}: what was not written before it and is not in the topic any \
                 more is lost, and what is planned behind it is written",
                self.audit(partition, None),
                self.decided("accept", partition, Some((*first, *next)))
            ),
            Remedy::Abandon => format!(
                "`{}` gives the plan up and reads again from the group's offset: what was written behind it is there twice",
                self.decided("abandon", partition, None)
            ),
            Remedy::Mend(first, next) => format!(
                "another version in the plugin directory goes on from here by itself. `tidegate replay --config {config} {name} --offsets \
                 {topic}/{number}:{first}-{next} --after-delete --plugin NEW.wasm` shows what it makes of these records; it writes nothing, since the group has not completed them"
            ),
            Remedy::Again => {
                format!("`{}` begins the partition again where the group's offset is", self.away_for(&self.rest()))
            }
            Remedy::Reset => {
                let reset = format!(
                    "kafka-consumer-groups.sh --bootstrap-server {} --group {} --topic {topic} --reset-offsets --to-earliest --execute",
                    self.brokers, self.group
                );
                format!("`{}` reads all there is once more", self.away_for(&format!("{}; {reset}", self.rest())))
            }
        };
        let text = format!("{reason}. To go on: {run}");
        if joined.is_empty() {
            return text;
        }
        let named = joined.iter().map(|(other, first, next)| format!("{first} to before {next} of partition {other}"));
        let looks = joined.iter().map(|(other, first, next)| {
            let other = TopicPartition { topic: topic.clone(), partition: *other };
            format!("`{}`", self.audit(&other, Some((*first, *next))))
        });
        format!(
            "{text}. It is written together with offsets {}, of which the same decides, and `abandon` is refused, since it would lose them; {} show what of them is in \
             the tables, and `tidegate replay --offsets` writes what is missing once it is decided",
            named.collect::<Vec<_>>().join(", "),
            looks.collect::<Vec<_>>().join(", ")
        )
    }

    /// A comparison of a partition with its tables.
    fn audit(&self, TopicPartition { topic, partition }: &TopicPartition, ranges: Option<(i64, i64)>) -> String {
        let (config, name, ranges) = (quoted(&self.config), &self.name, span(ranges));
        format!("tidegate audit --config {config} {name} --topic {topic} --partition {partition}{ranges}")
    }

    /// A decision about a partition.
    fn decided(&self, decision: &str, partition: &TopicPartition, ranges: Option<(i64, i64)>) -> String {
        let (config, group, ranges) = (quoted(&self.config), &self.group, span(ranges));
        self.away_for(&format!("tidegate plan {decision} --config {config} --group {group} {partition}{ranges} --yes"))
    }

    /// Until all members have left, also those that have a sink to wait for.
    fn rest(&self) -> String {
        format!("sleep {}", self.drain.as_secs() + 15)
    }

    /// A command that runs while the group has no member. It comes back whatever becomes of the command.
    fn away_for(&self, command: &str) -> String {
        let mut away = self.file.clone().into_os_string();
        away.push(".off");
        let (file, away) = (quoted(&self.file), quoted(Path::new(&away)));
        format!("mv {file} {away}; {command}; mv {away} {file}")
    }
}

/// Which offsets a command is about; all without it.
fn span(ranges: Option<(i64, i64)>) -> String {
    ranges.map_or_else(String::new, |(first, next)| format!(" --from {first} --to {next}"))
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use tidegate_ledger::Plan;

    use super::*;

    fn told(stop: &Stop) -> String {
        let remedies = Remedies {
            config: "/etc/tide gate/gateway.toml".into(),
            file: "/etc/tide gate/plugins/acme/sales.toml".into(),
            name: PipelineName { tenant: "acme".into(), pipeline: "sales".into() },
            group: "tidegate.acme.sales".into(),
            brokers: "broker-1:9092".into(),
            drain: Duration::ZERO,
        };
        remedies.tell(stop, &TopicPartition { topic: "sales".into(), partition: 3 })
    }

    const AWAY: &str = "mv '/etc/tide gate/plugins/acme/sales.toml' '/etc/tide gate/plugins/acme/sales.toml.off'; ";
    const BACK: &str = "; mv '/etc/tide gate/plugins/acme/sales.toml.off' '/etc/tide gate/plugins/acme/sales.toml'`";

    #[test]
    fn every_stop_ends_with_whole_commands() {
        let range = Range { topic: "sales".into(), partition: 3, first: 100, next: 120 };
        let text = told(&Stop::undecided("it is not known", &range));
        for part in [
            "it is not known. To go on: `tidegate plan show --config '/etc/tide gate/gateway.toml' acme/sales` shows".to_owned(),
            "`tidegate audit --config '/etc/tide gate/gateway.toml' acme/sales --topic sales --partition 3 --from 100 --to 120`".to_owned(),
            format!(
                "`{AWAY}tidegate plan accept --config '/etc/tide gate/gateway.toml' --group tidegate.acme.sales sales/3 --from 100 --to 120 --yes{BACK}"
            ),
        ] {
            assert!(text.contains(&part), "`{part}` is not in:\n{text}");
        }
        let text = told(&Stop::undecided("it is not known", &range).with([(5, 70, 90)]));
        for part in [
            "It is written together with offsets 70 to before 90 of partition 5",
            "acme/sales --topic sales --partition 5 --from 70 --to 90`",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        let text = told(&Stop::mend("record 100 is rejected", 100, 101));
        assert!(text.contains("acme/sales --offsets sales/3:100-101 --after-delete --plugin NEW.wasm`"), "{text}");
        let text = told(&Stop::again("a defect"));
        assert!(text.contains(&format!("`{AWAY}sleep 15{BACK}")), "{text}");
    }

    #[test]
    fn a_partition_that_cannot_begin_by_itself_says_what_to_run_and_one_that_can_waits() {
        let fault = Plan::read("lineage=later", 5).unwrap_err();
        let text = told(&Stop::of(&NotYet::Unreadable(fault)).unwrap());
        let abandon =
            "tidegate plan abandon --config '/etc/tide gate/gateway.toml' --group tidegate.acme.sales sales/3 --yes";
        assert!(text.contains(&format!("`{AWAY}{abandon}{BACK}")), "{text}");
        let moved = Moved::Lost { wanted: 100, oldest: 110 };
        let text = told(
            &Stop::of(&NotYet::InDoubt { ranges: 2, first: 100, lost_to: 120, next: 140, moved, joined: Vec::new() })
                .unwrap(),
        );
        assert!(text.contains("--group tidegate.acme.sales sales/3 --from 100 --to 120 --yes"), "{text}");
        let moved = Moved::Beyond { wanted: 100, oldest: 0, end: 90 };
        let text = told(
            &Stop::of(&NotYet::InDoubt { ranges: 2, first: 100, lost_to: 120, next: 140, moved, joined: Vec::new() })
                .unwrap(),
        );
        assert!(text.contains(&format!("`{AWAY}tidegate plan abandon")) && !text.contains("accept"), "{text}");
        let forgotten = NotYet::Forgotten { group: "tidegate.acme.sales".into(), topic: "sales".into() };
        let text = told(&Stop::of(&forgotten).unwrap());
        let reset = "kafka-consumer-groups.sh --bootstrap-server broker-1:9092 --group tidegate.acme.sales --topic sales --reset-offsets";
        assert!(text.contains(&format!("`{AWAY}sleep 15; {reset}")), "{text}");
        assert_eq!(Stop::of(&NotYet::Early { wanted: 7, end: 5 }), None);
        assert_eq!(Stop::of(&NotYet::Unknown("no leader".into())), None);
    }
}
