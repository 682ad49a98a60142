//! Questions to the broker whose answers take a while. Each is asked on a thread of its own, so that the reader's goes on
//! with the partitions that need no answer, and each has a deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::Utc;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};

use super::TopicPartition;
use super::beginning::Beginning;
use super::committed::{committed, completed};
use super::membership::{self, Context, Subscription};
use super::native::{self, GroupCommits, Wake};
use super::position::{self, Begun, Bounds, Committed, NotYet, Position, Sought};
use super::settings::KafkaSettings;
use super::transactions::{self, TransactionName};

/// How long all requests of a question may take together: a broker that is there answers within milliseconds.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The same for the question whether there is a broker at all: one that says nothing shall be named soon.
pub(super) const PROBE_DEADLINE: Duration = Duration::from_secs(2);

/// A question that was asked. Dropping it waits for its thread, at most until its deadline.
pub struct Inquiry<T> {
    answer: Receiver<Result<T, String>>,
    thread: Option<JoinHandle<()>>,
}

/// Where partitions begin, or why one cannot yet.
pub type Positions = Vec<(TopicPartition, Result<Position, NotYet>)>;

/// Whether the group has ever planned ranges of a topic, or why that cannot be found out.
pub type HasPlanned = dyn Fn(&str) -> Result<bool, String> + Send + Sync;

/// Offsets behind the last records.
pub type Ends = BTreeMap<TopicPartition, i64>;

/// How far the whole group is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Of all partitions of the group's topics.
    pub ends: Ends,
    /// Of those that have one.
    pub committed: BTreeMap<TopicPartition, i64>,
}

impl<T: Send + 'static> Inquiry<T> {
    pub(super) fn ask(
        consumer: Arc<BaseConsumer<Context>>,
        wake: Wake,
        deadline: Duration,
        question: impl FnOnce(&Asker) -> Result<T, String> + Send + 'static,
    ) -> Self {
        let (answered, answer) = sync_channel(1);
        let thread = std::thread::Builder::new().name("inquiry".to_owned()).spawn(move || {
            let asker = Asker { consumer, deadline: Instant::now() + deadline };
            // The other end is there until it has joined this thread.
            let _ = answered.send(question(&asker));
            wake.wake();
        });
        // Without a thread there is no sender, which is told as no answer.
        Self { answer, thread: thread.ok() }
    }

    /// The answer, once it is there.
    pub fn answer(&self) -> Option<Result<T, String>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err("a question to Kafka found no thread, or ended without an answer".to_owned()))
            }
        }
    }
}

impl<T> Drop for Inquiry<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The broker's answers, one a partition.
#[derive(Default)]
pub(super) struct Offsets {
    pub known: Ends,
    /// Why there is no answer, of those that the broker gave none of: a partition without a leader, most likely.
    pub unknown: BTreeMap<TopicPartition, String>,
}

impl Offsets {
    /// The offset, where there must be one.
    fn known(&self, partition: &TopicPartition) -> Result<i64, String> {
        self.settled(partition)?.ok_or_else(|| format!("the broker says no offset of {partition}"))
    }

    /// The offset, if there is one of what was asked.
    fn settled(&self, partition: &TopicPartition) -> Result<Option<i64>, String> {
        match self.unknown.get(partition) {
            Some(fault) => Err(format!("{partition}: {fault}")),
            None => Ok(self.known.get(partition).copied()),
        }
    }
}

/// Asks on behalf of a member, within a deadline.
pub(super) struct Asker {
    consumer: Arc<BaseConsumer<Context>>,
    deadline: Instant,
}

impl Asker {
    /// Which of the topics the broker does not have. Fails where no broker answers, or the certificate of one is refused.
    pub fn missing(&self, topics: &[String]) -> Result<Vec<String>, String> {
        let mut missing = Vec::new();
        for topic in topics {
            if self.partition_count(topic)?.is_none() {
                missing.push(topic.clone());
            }
        }
        let answered = self.consumer.context().troubles.answered();
        if missing.is_empty() {
            answered?;
        }
        Ok(missing)
    }

    /// Where partitions begin.
    pub fn positions(
        &self,
        partitions: &[TopicPartition],
        Subscription { start, group, .. }: &Subscription,
        has_planned: &HasPlanned,
        settings: &KafkaSettings,
    ) -> Result<Positions, String> {
        let topics: BTreeSet<_> = partitions.iter().map(|partition| partition.topic.to_string()).collect();
        let all = self.all_partitions(topics.into_iter())?;
        let committed = self.commits_of_group(group, partitions, &all, settings)?;
        let now = Utc::now();
        let begun = |topic: &str| -> (Beginning, Begun) {
            let commits =
                committed.iter().filter(|(partition, _)| &*partition.topic == topic).map(|(_, commit)| commit);
            let count = all.iter().filter(|partition| &*partition.topic == topic).count();
            position::beginning(commits, i32::try_from(count).unwrap_or(i32::MAX), now)
        };
        let (partitions, forgotten) = self.forgotten(partitions, &committed, group, has_planned)?;
        let sought: Vec<_> = partitions
            .iter()
            .map(|partition| {
                let begun = begun(&partition.topic);
                let offset = committed.get(partition).map(|commit| commit.offset);
                (partition, position::sought(partition, offset, begun, start), begun.0)
            })
            .collect();
        // Before the times: a record that comes in between lies behind this end and is read.
        let ends = self.offsets(partitions.iter().map(|partition| (partition, Offset::End)))?;
        let oldest = self.offsets(partitions.iter().map(|partition| (partition, Offset::Beginning)))?;
        let times = sought.iter().filter_map(|(partition, sought, _)| match sought {
            Sought::Time(time) => Some((*partition, Offset::Offset(time.timestamp_millis().max(0)))),
            _ => None,
        });
        let at_times = self.offsets(times)?;
        let settle = |(partition, sought, beginning): (&TopicPartition, Sought, Beginning)| {
            // A partition without a leader waits for it alone.
            let bounds = || {
                let (oldest, end) = (oldest.known(partition)?, ends.known(partition)?);
                Ok(Bounds { oldest, end, at_time: at_times.settled(partition)? })
            };
            let settled =
                bounds().map_err(NotYet::Unknown).and_then(|bounds| position::settle(sought, bounds, beginning));
            let settled = match committed.get(partition) {
                Some(commit) => settled.and_then(|position| position::with_plan(position, commit)),
                None => settled,
            };
            (partition.clone(), settled)
        };
        Ok(sought.into_iter().map(settle).chain(forgotten).collect())
    }

    /// Those of the partitions that may begin, and those of topics in which the group has planned ranges and has no offset any more.
    fn forgotten(
        &self,
        partitions: &[TopicPartition],
        committed: &BTreeMap<TopicPartition, Committed>,
        group: &str,
        has_planned: &HasPlanned,
    ) -> Result<(Vec<TopicPartition>, Positions), String> {
        let mut known = BTreeMap::new();
        let (mut may_begin, mut forgotten) = (Vec::new(), Positions::new());
        for partition in partitions {
            let topic = &partition.topic;
            let is_new = committed.keys().all(|other| other.topic != *topic);
            if is_new && !known.contains_key(topic) {
                known.insert(topic.clone(), has_planned(topic)?);
            }
            if is_new && known.get(topic) == Some(&true) {
                let fault = NotYet::Forgotten { group: group.to_owned(), topic: topic.to_string() };
                forgotten.push((partition.clone(), Err(fault)));
            } else {
                may_begin.push(partition.clone());
            }
        }
        Ok((may_begin, forgotten))
    }

    /// The group's commits in these topics, of the partitions that are asked about as they will stay: those of others are only looked at.
    fn commits_of_group(
        &self,
        group: &str,
        asked: &[TopicPartition],
        all: &[TopicPartition],
        settings: &KafkaSettings,
    ) -> Result<GroupCommits, String> {
        let look = || {
            let commits = native::group_commits(&self.consumer, &[group], self.remaining()).pop();
            commits.unwrap_or_else(|| Err("there is no answer".to_owned())).map_err(reading)
        };
        let mut others = if asked.len() < all.len() { look()? } else { GroupCommits::new() };
        others.retain(|partition, _| !asked.contains(partition) && all.contains(partition));
        let mut ended = BTreeSet::new();
        // Asked first: for offsets that are to stay librdkafka waits as long as it may.
        while let Ok(unsettled) = native::in_transactions(&self.consumer, group, self.remaining())
            && asked.iter().any(|partition| unsettled.contains(partition))
            && Instant::now() < self.deadline
        {
            // A member that is gone has left a transaction open, which the broker would end in its own time.
            let seen = look()?;
            let left = asked.iter().filter(|partition| unsettled.contains(partition));
            let commits = left.filter_map(|partition| seen.get(partition));
            let names = commits.filter_map(|commit| TransactionName::read(&commit.metadata));
            let names: BTreeSet<_> = names.filter(|name| !ended.contains(name)).collect();
            if names.is_empty() {
                break;
            }
            for name in &names {
                let id = name.id(group);
                tracing::info!(group, id, "ends the transaction of a member that is gone");
                transactions::end_for(settings, &id, self.remaining())?;
            }
            ended.extend(names);
        }
        let mut commits = self.committed(asked)?;
        commits.append(&mut others);
        Ok(commits)
    }

    /// Where partitions end.
    pub fn ends(&self, partitions: &[TopicPartition]) -> Result<Ends, String> {
        let ends = self.offsets(partitions.iter().map(|partition| (partition, Offset::End)))?;
        partitions.iter().map(|partition| Ok((partition.clone(), ends.known(partition)?))).collect()
    }

    /// How far the group is in all partitions of these topics.
    pub fn progress(&self, topics: &[String]) -> Result<Progress, String> {
        let all = self.all_partitions(topics.iter().cloned())?;
        let committed = self.committed(&all)?;
        Ok(Progress { ends: self.ends(&all)?, committed: completed(&committed)? })
    }

    fn all_partitions(&self, topics: impl Iterator<Item = String>) -> Result<Vec<TopicPartition>, String> {
        let mut all = Vec::new();
        for topic in topics {
            let count = self.partition_count(&topic)?.ok_or_else(|| format!("topic {topic} does not exist"))?;
            let topic: Arc<str> = topic.into();
            all.extend((0..count).map(|partition| TopicPartition { topic: topic.clone(), partition }));
        }
        Ok(all)
    }

    fn partition_count(&self, topic: &str) -> Result<Option<i32>, String> {
        let troubles = &self.consumer.context().troubles;
        let metadata = self.consumer.fetch_metadata(Some(topic), self.remaining());
        let metadata = metadata.map_err(|fault| troubles.of_silence(&fault.to_string()))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let count = found.map(|found| found.partitions().len()).filter(|count| *count > 0);
        Ok(count.and_then(|count| i32::try_from(count).ok()))
    }

    /// The group's offsets, of those partitions that have one. Waits for transactions that may change them.
    fn committed(&self, partitions: &[TopicPartition]) -> Result<GroupCommits, String> {
        let list = membership::list(partitions);
        committed(&self.consumer, list, self.deadline).map_err(|fault| reading(fault.to_string()))
    }

    fn offsets<'p>(&self, times: impl Iterator<Item = (&'p TopicPartition, Offset)>) -> Result<Offsets, String> {
        offsets(&self.consumer, times, self.remaining())
    }

    fn remaining(&self) -> Duration {
        // librdkafka takes no time at all for a poll of what is there already.
        self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
}

fn reading(fault: String) -> String {
    format!("read the group's offsets: {fault}")
}

/// Offsets of times, in one request a broker. `Offset::Beginning` and `Offset::End` stand for the times that Kafka's
/// protocol means by the same numbers: the oldest record, and behind the newest that can be read. A time that no record
/// has reached has no offset.
pub(super) fn offsets<'p, C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    times: impl Iterator<Item = (&'p TopicPartition, Offset)>,
    timeout: Duration,
) -> Result<Offsets, String> {
    let mut list = TopicPartitionList::new();
    for (TopicPartition { topic, partition }, time) in times {
        list.add_partition_offset(topic, *partition, time).map_err(|fault| fault.to_string())?;
    }
    if list.count() == 0 {
        return Ok(Offsets::default());
    }
    let list = consumer.offsets_for_times(list, timeout);
    let list = list.map_err(|fault| format!("read the partitions' offsets: {fault}"))?;
    let mut offsets = Offsets::default();
    for element in list.elements() {
        let partition = TopicPartition { topic: element.topic().into(), partition: element.partition() };
        match (element.error(), element.offset()) {
            (Err(fault), _) => _ = offsets.unknown.insert(partition, fault.to_string()),
            (Ok(()), Offset::Offset(offset)) => _ = offsets.known.insert(partition, offset),
            (Ok(()), _) => {}
        }
    }
    Ok(offsets)
}
