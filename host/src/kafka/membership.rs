//! Membership of a consumer group: who may read which partition, and the commits that only a member may make.
//!
//! An assignment is answered at once, and its partitions are taken when it is known where they begin: the group waits for
//! nobody's questions. A revocation is answered when the caller says so, not within librdkafka's callback: the other
//! partitions keep flowing while the revoked ones drain. Everything is called from the one thread that also fetches.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use tidegate_ledger::Plan;

use super::TopicPartition;
use super::beginning::Beginning;
use super::commit_fault::CommitFault;
use super::dead_letter::Letters;
use super::files;
use super::inquiry::{Asker, DEADLINE, Ends, HasPlanned, Inquiry, PROBE_DEADLINE, Positions, Progress};
use super::native::{self, Member, PartitionQueue, Wake};
use super::settings::KafkaSettings;
use super::transactions::{TransactionName, Transactions};
use super::trouble::Troubles;
use crate::config::Start;

/// A member of a consumer group.
pub struct Membership {
    consumer: Arc<BaseConsumer<Context>>,
    subscription: Subscription,
    wake: Wake,
    /// The partitions that are fetched: of those that are ours, the ones that were taken.
    taken: BTreeSet<TopicPartition>,
    settings: KafkaSettings,
    /// Whoever takes over finds it in the commits.
    transaction_name: TransactionName,
    /// Once there are letters.
    transactions: Option<Transactions>,
}

/// The queue of a partition of a [`Membership`].
pub type Queue = PartitionQueue<Context>;

/// What to read, as whom.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The consumer group.
    pub group: String,
    /// At least one.
    pub topics: Vec<String>,
    /// Where the group begins if it has no offset.
    pub start: Start,
    /// Whether partitions are read up to an end that is known before. Then it is told when a partition's end is reached, even if
    /// the last offsets are no records. librdkafka counts that word as if it were a record, so that after a rebalance it would
    /// go on one record too far: a partition must be put back once its end was told.
    pub bounded: bool,
}

/// An offset to commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Of which partition.
    pub partition: TopicPartition,
    /// The next offset to read.
    pub offset: i64,
    /// How the group began in its topic.
    pub beginning: Beginning,
    /// What is planned behind the offset.
    pub plan: Plan,
    /// What becomes dead letters of the ranges that it completes: they and the commit are one transaction.
    pub letters: Vec<Arc<Letters>>,
}

impl Commit {
    /// What its metadata says.
    pub fn metadata(&self) -> String {
        let Self { offset, beginning, plan, .. } = self;
        match plan.write(*offset) {
            plan if plan.is_empty() => beginning.to_string(),
            plan => format!("{beginning} {plan}"),
        }
    }
}

/// What happened to the membership.
#[derive(Debug)]
pub enum Event {
    /// These partitions are ours; each is fetched once it is taken by [`Membership::take`].
    Assigned(Vec<TopicPartition>),
    /// These partitions go to another member as soon as they are given up by [`Membership::give_up`].
    Revoked(Vec<TopicPartition>),
    /// These partitions are another's already: nothing of them may be committed.
    Lost(Vec<TopicPartition>),
    /// The broker's answer to the commit that was sent last.
    Committed(Result<(), CommitFault>),
    /// Dead letters were written, or tried to be: how long that took, and how much CPU time.
    Wrote(Duration, Duration),
    /// Something is wrong that may mend itself: a topic that does not exist, a broker that does not answer.
    Trouble(String),
    /// The membership is over; another must be begun.
    Fatal(String),
}

/// Why a membership cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("join consumer group `{group}`: {problem}")]
pub struct JoinFault {
    group: String,
    problem: String,
}

impl Membership {
    /// Subscribes; partitions come later, as [`Event::Assigned`]. `wake` is called whenever there is something to poll.
    ///
    /// # Errors
    /// Where librdkafka refuses the settings or the topics' names.
    pub fn join(settings: &KafkaSettings, subscription: &Subscription, wake: &Wake) -> Result<Self, JoinFault> {
        let fault = |problem: KafkaError| {
            let problem = files::reason(settings, &problem.to_string());
            JoinFault { group: subscription.group.clone(), problem }
        };
        let config = settings.consumer(subscription);
        let mut consumer: BaseConsumer<Context> = config.create_with_context(Context::new(settings)).map_err(fault)?;
        let waking = wake.clone();
        consumer.set_nonempty_callback(move || waking.wake());
        let topics: Vec<&str> = subscription.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(fault)?;
        Ok(Self {
            consumer: Arc::new(consumer),
            subscription: subscription.clone(),
            wake: wake.clone(),
            taken: BTreeSet::new(),
            settings: settings.clone(),
            transaction_name: TransactionName::mint(),
            transactions: None,
        })
    }

    /// All that has happened since the last call. Must be called at least every `max.poll.interval.ms`.
    pub fn poll(&self) -> Vec<Event> {
        // Rebalances, commits and lines of the log are handled within a poll that then returns nothing: one more finds the next.
        loop {
            let before = self.context().events.lock().len();
            match self.consumer.poll(Duration::ZERO) {
                Some(Err(fault)) => self.context().events.lock().extend(trouble(&fault)),
                Some(Ok(message)) => self.context().push(unexpected(&message)),
                None if self.context().events.lock().len() > before => {}
                None if self.context().logged.swap(false, Ordering::Relaxed) => {}
                None => break,
            }
        }
        let mut events: Vec<_> = self.context().events.lock().drain(..).collect();
        if let Some(answer) = self.transactions.as_ref().and_then(Transactions::answer) {
            events.extend([Event::Wrote(answer.elapsed, answer.cpu), Event::Committed(answer.result)]);
        }
        events
    }

    /// Answers an assignment: its partitions are ours, though none of them is fetched yet.
    ///
    /// # Errors
    /// The text of librdkafka's error.
    pub fn accept(&self) -> Result<(), String> {
        self.consumer.incremental_assign(&TopicPartitionList::new()).map_err(|fault| fault.to_string())
    }

    /// Begins to fetch a partition that is ours from an offset on, into a queue of its own.
    ///
    /// # Errors
    /// The text of librdkafka's error.
    pub fn take(&mut self, partition: &TopicPartition, offset: i64) -> Result<Queue, String> {
        // The queue is opened before, so that every record goes to it.
        let queue = PartitionQueue::open(self.consumer.clone(), partition, self.wake.clone());
        let queue = queue.ok_or_else(|| format!("partition {partition} has no queue"))?;
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(offset));
        added.and_then(|()| self.consumer.incremental_assign(&list)).map_err(|fault| fault.to_string())?;
        self.taken.insert(partition.clone());
        Ok(queue)
    }

    /// Stops fetching a partition that stays ours. What librdkafka had fetched of it is thrown away.
    ///
    /// # Errors
    /// The text of librdkafka's error.
    pub fn put_back(&mut self, partition: &TopicPartition) -> Result<(), String> {
        if !self.taken.remove(partition) {
            return Ok(());
        }
        self.consumer.incremental_unassign(&list([partition])).map_err(|fault| fault.to_string())
    }

    /// Answers a revocation. Nothing of these partitions may be committed any more.
    ///
    /// # Errors
    /// The text of librdkafka's error.
    pub fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<(), String> {
        // librdkafka refuses the whole list for one that was not taken.
        let fetched: Vec<_> = partitions.iter().filter(|partition| self.taken.remove(*partition)).collect();
        self.consumer.incremental_unassign(&list(fetched)).map_err(|fault| fault.to_string())
    }

    /// Sends a commit; the answer comes as [`Event::Committed`]. Only one may be on its way.
    ///
    /// One that carries letters is a transaction, and may only be of partitions whose present commit is this membership's and has a lineage: a successor finds
    /// there which transaction to end, should this one never come to its end.
    ///
    /// # Errors
    /// The text of librdkafka's error, where the commit was not even sent.
    pub fn commit(&mut self, commits: &[Commit]) -> Result<(), String> {
        if commits.iter().any(|commit| !commit.letters.is_empty()) {
            return self.commit_as_one(commits);
        }
        let list = self.list(commits)?;
        self.context().broken.store(false, Ordering::Release);
        native::commit(&self.consumer, &list).map_err(|fault| fault.to_string())
    }

    /// The same as a transaction, whether it carries letters or not: the broker takes all of it, or nothing.
    ///
    /// # Errors
    /// As for [`Self::commit`].
    pub fn commit_as_one(&mut self, commits: &[Commit]) -> Result<(), String> {
        let list = self.list(commits)?;
        let member = Member::of(&self.consumer).ok_or("the member has no generation just now")?;
        self.transactions()?.commit(commits.to_vec(), list, member)
    }

    fn list(&self, commits: &[Commit]) -> Result<TopicPartitionList, String> {
        let mut list = TopicPartitionList::new();
        for commit in commits {
            let TopicPartition { topic, partition } = &commit.partition;
            let mut element = list.add_partition(topic, *partition);
            element.set_offset(Offset::Offset(commit.offset)).map_err(|fault| fault.to_string())?;
            element.set_metadata(match commit.plan.lineage {
                Some(_) => format!("{} {}", commit.metadata(), self.transaction_name.word()),
                None => commit.metadata(),
            });
        }
        Ok(list)
    }

    /// A commit with letters is to come soon.
    pub fn expect_letters(&mut self) {
        // Where there is no thread to be had, the commit says so.
        let _ = self.transactions();
    }

    fn transactions(&mut self) -> Result<&Transactions, String> {
        let transactions = match self.transactions.take() {
            Some(transactions) => transactions,
            None => {
                let id = self.transaction_name.id(&self.subscription.group);
                Transactions::start(&self.settings, id, &self.wake)?
            }
        };
        Ok(self.transactions.insert(transactions))
    }

    /// Asks where partitions begin.
    pub fn ask_positions(&self, partitions: Vec<TopicPartition>, has_planned: Arc<HasPlanned>) -> Inquiry<Positions> {
        let (subscription, settings) = (self.subscription.clone(), self.settings.clone());
        self.ask(DEADLINE, move |asker| asker.positions(&partitions, &subscription, &*has_planned, &settings))
    }

    /// Asks where partitions end.
    pub fn ask_ends(&self, partitions: Vec<TopicPartition>) -> Inquiry<Ends> {
        self.ask(DEADLINE, move |asker| asker.ends(&partitions))
    }

    /// Asks how far the whole group is.
    pub fn ask_progress(&self) -> Inquiry<Progress> {
        let topics = self.subscription.topics.clone();
        self.ask(DEADLINE, move |asker| asker.progress(&topics))
    }

    /// Asks the broker which of the topics it does not have.
    pub fn ask_missing(&self) -> Inquiry<Vec<String>> {
        let topics = self.subscription.topics.clone();
        self.ask(PROBE_DEADLINE, move |asker| asker.missing(&topics))
    }

    fn ask<T: Send + 'static>(
        &self,
        deadline: Duration,
        question: impl FnOnce(&Asker) -> Result<T, String> + Send + 'static,
    ) -> Inquiry<T> {
        Inquiry::ask(self.consumer.clone(), self.wake.clone(), deadline, question)
    }

    /// Ends the membership; the group hears of it at once. All queues and inquiries must be dropped before.
    pub fn leave(mut self) {
        // What is not committed by now is given up.
        self.transactions = None;
        self.context().closing.store(true, Ordering::Release);
        // A rebalance that was told and is not answered yet would be waited for without an end.
        let _ = self.consumer.assignment().and_then(|taken| self.consumer.incremental_unassign(&taken));
        // Dropping the last reference leaves the group and answers the revocation that comes of it.
        drop(self.consumer);
    }

    fn context(&self) -> &Context {
        self.consumer.context()
    }
}

pub(super) fn list<'p>(partitions: impl IntoIterator<Item = &'p TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for TopicPartition { topic, partition } in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

fn partitions(list: &TopicPartitionList) -> Vec<(TopicPartition, Offset)> {
    let elements = list.elements();
    elements
        .iter()
        .map(|element| {
            let partition = TopicPartition { topic: element.topic().into(), partition: element.partition() };
            (partition, element.offset())
        })
        .collect()
}

/// What an error of a poll means; none where [`Context::error`] has told of it already, with librdkafka's own words.
fn trouble(fault: &KafkaError) -> Option<Event> {
    match fault {
        KafkaError::MessageConsumptionFatal(code) => Some(Event::Fatal(code.to_string())),
        KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition) => {
            Some(Event::Trouble("a topic of the pipeline does not exist; waiting for it".to_owned()))
        }
        KafkaError::MessageConsumption(_) => None,
        fault => Some(Event::Trouble(fault.to_string())),
    }
}

/// Queues are opened before partitions are taken: a record on the main queue would be one that nobody counts.
fn unexpected(message: &BorrowedMessage<'_>) -> Event {
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    Event::Fatal(format!("record {topic}/{partition}/{offset} came outside of its partition's queue"))
}

/// By this facility of its log librdkafka tells of a connection that was up or was to be: `rd_kafka_broker_fail`.
pub(super) const BROKEN: &str = "FAIL";

/// What librdkafka calls the connection that commits go by; it stands in each line that is about it.
const COORDINATOR: &str = "GroupCoordinator";

/// Collects what librdkafka says within a poll.
pub struct Context {
    events: Mutex<VecDeque<Event>>,
    closing: AtomicBool,
    /// Whether the connection to the group's coordinator broke since a commit was sent, which may have been on it.
    broken: AtomicBool,
    /// Whether a line of the log has come.
    logged: AtomicBool,
    /// What librdkafka said of the connections.
    pub(super) troubles: Troubles,
}

impl Context {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self {
            events: Mutex::default(),
            closing: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            logged: AtomicBool::new(false),
            troubles: Troubles::new(settings),
        }
    }

    fn push(&self, event: Event) {
        self.events.lock().push_back(event);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let concerned: Vec<_> = partitions(list).into_iter().map(|(partition, _)| partition).collect();
        if self.closing.load(Ordering::Acquire) {
            // Nobody is left to answer; all is drained or abandoned already. What is assigned was taken, and can be less than
            // what is ours.
            let _ = match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => {
                    consumer.assignment().and_then(|taken| consumer.incremental_unassign(&taken))
                }
                _ => consumer.unassign(),
            };
            return;
        }
        self.push(match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assigned(concerned),
            _ if consumer.assignment_lost() => Event::Lost(concerned),
            _ => Event::Revoked(concerned),
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        let result = match self.broken.load(Ordering::Acquire) {
            false => result.map_err(|fault| CommitFault::of(&fault)),
            true => Err(CommitFault::Unknown("the connection broke before it was answered".to_owned())),
        };
        self.push(Event::Committed(result));
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters comes as an event as well; these are for looking closer.
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
        self.logged.store(true, Ordering::Relaxed);
        if facility == BROKEN && message.contains(COORDINATOR) {
            self.broken.store(true, Ordering::Release);
        }
        // At the level of debugging the same comes once more.
        if level as i32 >= RDKafkaLogLevel::Debug as i32 {
            return;
        }
        if let Some(text) = self.troubles.overhear(facility, message) {
            self.push(Event::Trouble(text));
        }
    }

    fn error(&self, fault: KafkaError, reason: &str) {
        let code = fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        if let Some(text) = self.troubles.hear(code, reason) {
            self.push(Event::Trouble(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::KafkaValue;

    /// What becomes of a commit during which librdkafka has said this.
    fn committed(level: RDKafkaLogLevel, line: &str) -> Result<(), CommitFault> {
        let brokers = ("bootstrap.servers".to_owned(), KafkaValue::Plain("127.0.0.1:1".to_owned()));
        let context = Context::new(&KafkaSettings::new(BTreeMap::from([brokers])).unwrap());
        context.log(level, BROKEN, line);
        context.commit_callback(Ok(()), &TopicPartitionList::new());
        let events: Vec<_> = context.events.lock().drain(..).collect();
        let answer = events.into_iter().find_map(|event| match event {
            Event::Committed(answer) => Some(answer),
            _ => None,
        });
        answer.unwrap()
    }

    #[test]
    fn a_commits_fate_is_unknown_where_its_own_connection_broke_and_nowhere_else() {
        let words = "Disconnected: connection closed by peer: receive 0 after POLLIN (after 3123ms in state UP)";
        let of = |broker: &str| format!("[thrd:{broker}]: {broker}: {words}");
        for other in ["10.0.0.1:9092/1", "sasl_ssl://broker-1:9093/bootstrap"] {
            assert_eq!(committed(RDKafkaLogLevel::Info, &of(other)), Ok(()));
        }
        for level in [RDKafkaLogLevel::Info, RDKafkaLogLevel::Debug] {
            assert!(matches!(committed(level, &of("GroupCoordinator")), Err(CommitFault::Unknown(_))));
        }
        // The second time within half a minute, which is told to whoever debugs and to nobody else.
        let again = format!("{}: identical to last error: error log suppressed", of("GroupCoordinator"));
        assert!(matches!(committed(RDKafkaLogLevel::Debug, &again), Err(CommitFault::Unknown(_))));
    }
}
