//! What the commits of a group say, read and set by who is no member of it: for an operator's commands. The broker takes commits of no
//! member only while the group has none.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::TopicPartition;
use super::committed::committed;
use super::files;
use super::membership::Context;
use super::position::Committed;
use super::settings::KafkaSettings;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How long to wait before it is looked once more whether members have left.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The commits of one group.
pub struct Plans {
    settings: KafkaSettings,
    consumer: BaseConsumer<Context>,
    group: String,
    until: Instant,
}

/// A group's commits in a topic.
#[derive(Clone, Debug)]
pub struct TopicCommits {
    /// How many partitions the topic has.
    pub partitions: usize,
    /// Of those that have one.
    pub commits: Vec<GroupCommit>,
}

/// A group's commit of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCommit {
    /// Which partition.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: i64,
    /// What is said besides.
    pub metadata: String,
}

impl Plans {
    /// Joins nothing. All that is asked for has to be answered before `until`.
    ///
    /// # Errors
    /// Where librdkafka refuses the settings.
    pub fn of(settings: &KafkaSettings, group: &str, until: Instant) -> Result<Self, String> {
        let mut config = settings.looker();
        config.set("group.id", group).set("enable.auto.commit", "false");
        let made = config.create_with_context(Context::new(settings));
        let consumer = made.map_err(|fault: KafkaError| files::reason(settings, &fault.to_string()))?;
        Ok(Self { settings: settings.clone(), consumer, group: group.to_owned(), until })
    }

    /// The group's commits in a topic.
    ///
    /// # Errors
    /// Where no broker answers, or there is no such topic.
    pub fn read(&self, topic: &str) -> Result<TopicCommits, String> {
        let metadata = self.consumer.fetch_metadata(Some(topic), self.left()).map_err(|fault| self.reason(&fault))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let found = found.filter(|found| !found.partitions().is_empty());
        let found = found.ok_or_else(|| format!("topic `{topic}` does not exist, or may not be seen"))?;
        let mut list = TopicPartitionList::new();
        for partition in found.partitions() {
            list.add_partition(topic, partition.id());
        }
        let commits = committed(&self.consumer, list, self.until).map_err(|fault| self.reason(&fault))?;
        let commit = |(partition, Committed { offset, metadata })| GroupCommit { partition, offset, metadata };
        let commits = commits.into_iter().map(commit).collect();
        Ok(TopicCommits { partitions: found.partitions().len(), commits })
    }

    /// Returns once the group has no member: from then on only whoever is no member commits.
    ///
    /// # Errors
    /// Where members stay, or no broker answers.
    pub fn wait_until_empty(&self) -> Result<(), String> {
        let mut told = false;
        loop {
            let list = self.consumer.fetch_group_list(Some(&self.group), ANSWER);
            let list = list.map_err(|fault| self.reason(&fault))?;
            let members: usize = list.groups().iter().map(|group| group.members().len()).sum();
            if members == 0 {
                return Ok(());
            }
            if Instant::now() >= self.until {
                return Err(self.has_members(&format!("still has members ({members})")));
            }
            if !std::mem::replace(&mut told, true) {
                let group = &self.group;
                eprintln!(
                    "group `{group}` has members ({members}), which alone may commit while they are there; waiting until they have left"
                );
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn has_members(&self, how: &str) -> String {
        format!(
            "group `{}` {how}, and only they may commit: move the pipeline file out of every gateway's plugin directory (mv sales.toml \
             sales.toml.off), run this again, and put it back",
            self.group
        )
    }

    /// Sets a commit.
    ///
    /// # Errors
    /// Where the group has members, or the broker refuses it otherwise.
    pub fn set(&self, commit: &GroupCommit) -> Result<(), String> {
        let TopicPartition { topic, partition } = &commit.partition;
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(topic, *partition);
        element.set_offset(Offset::Offset(commit.offset)).map_err(|fault| self.reason(&fault))?;
        element.set_metadata(&commit.metadata);
        self.consumer.commit(&list, CommitMode::Sync).map_err(|fault| match fault.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::IllegalGeneration) => {
                self.has_members("has members again")
            }
            _ => self.reason(&fault),
        })
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    fn reason(&self, fault: &KafkaError) -> String {
        // Errors of connections are told within a poll.
        let _ = self.consumer.poll(Duration::ZERO);
        let told = self.consumer.context().troubles.of_silence(&fault.to_string());
        files::reason(&self.settings, &told)
    }
}
