//! Commits that carry dead letters: the letters of ranges and the commit that completes those are one transaction of Kafka's (KIP-98,
//! and KIP-447 for the group's generation), so that whoever reads only what is committed finds each letter once.
//!
//! librdkafka's transactional calls wait for the broker, so they are made on a thread of their own, one for each membership, with a
//! producer that is made when the first letters are on their way. One transaction at a time; each ends in a few seconds, well below
//! `max.poll.interval.ms`, or nobody knows how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::TopicPartition;
use super::commit_fault::CommitFault;
use super::dead_letter::{Letters, explain};
use super::files;
use super::letter_writer::{Context, Refusal};
use super::membership::Commit;
use super::native::{Member, OffsetsFault, Wake, send_offsets};
use super::settings::KafkaSettings;
use crate::cpu::thread_time;
use crate::stop_points;

/// How long a transaction may take from its first letter to the broker's last word. The broker itself ends one after
/// [`BROKER_DEADLINE`].
const DEADLINE: Duration = Duration::from_secs(7);

/// `transaction.timeout.ms`: what the broker gives a transaction of which nothing more comes. For this long at worst, and for as long again
/// as it takes the broker to look, a successor that cannot end the transaction itself waits for the group's offsets.
pub(super) const BROKER_DEADLINE: Duration = Duration::from_secs(15);

/// How long giving up may take.
const ABORT_DEADLINE: Duration = Duration::from_secs(3);

/// The longest single call, so that whoever ends the membership does not wait longer.
const SLICE: Duration = Duration::from_secs(1);

/// How long partitions rest whose letters could not be written: what is missing may come.
const REST: Duration = Duration::from_secs(2);

/// The same where a letter is too large, until somebody has raised the limit.
const LONG_REST: Duration = Duration::from_secs(20);

/// The word of a commit's metadata that names the transactions of who made it.
const WORD: &str = "txn";

/// The name of a membership's transactions, unique to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionName(String);

impl TransactionName {
    /// A name that nobody has.
    pub fn mint() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }

    /// The name in a commit's metadata, where it says one.
    pub fn read(metadata: &str) -> Option<Self> {
        let words = metadata.split(' ').filter_map(|word| word.split_once('='));
        let (_, name) = words.into_iter().find(|(key, _)| *key == WORD)?;
        let is_one = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self(name.to_owned()))
    }

    /// As a word of a commit's metadata.
    pub fn word(&self) -> String {
        format!("{WORD}={}", self.0)
    }

    /// The `transactional.id`: begins with the group's name, so that one rule allows a pipeline both.
    pub fn id(&self, group: &str) -> String {
        format!("{group}.{}", self.0)
    }
}

/// The transactions of a membership.
pub struct Transactions {
    requests: Option<Sender<Request>>,
    answers: Receiver<Answer>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How a transaction ended.
#[derive(Debug)]
pub struct Answer {
    /// As a commit's.
    pub result: Result<(), CommitFault>,
    /// How long it took.
    pub elapsed: Duration,
    /// What the thread used of the processor; librdkafka's own threads come on top.
    pub cpu: Duration,
}

struct Request {
    commits: Vec<Commit>,
    offsets: TopicPartitionList,
    member: Member,
}

impl Transactions {
    /// Starts the thread, which connects at once: letters are on their way, and the first transaction need not wait for that.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub fn start(settings: &KafkaSettings, id: String, wake: &Wake) -> Result<Self, String> {
        let (requests, received) = channel::<Request>();
        let (answered, answers) = channel();
        let closing = Arc::new(AtomicBool::new(false));
        let (settings, wake, is_closing) = (settings.clone(), wake.clone(), closing.clone());
        let thread = std::thread::Builder::new().name("transactions".to_owned()).spawn(move || {
            let mut writer = Writer { settings, id, producer: None, largest: None, closing: is_closing };
            // Where that fails, the first commit tries again and says why.
            writer.producer = writer.connect(Instant::now() + DEADLINE).ok();
            for request in received {
                let (started, before) = (Instant::now(), thread_time());
                let result = writer.commit(&request);
                let (elapsed, cpu) = (started.elapsed(), thread_time().saturating_sub(before));
                // Whoever does not listen any more has joined this thread, or is about to.
                let _ = answered.send(Answer { result, elapsed, cpu });
                wake.wake();
            }
        });
        let thread = thread.map_err(|fault| format!("start a thread for transactions: {fault}"))?;
        Ok(Self { requests: Some(requests), answers, closing, thread: Some(thread) })
    }

    /// Begins a transaction of the commits' letters and the commits, whose offsets and metadata `offsets` holds. `member` says as which
    /// member and in which generation: it is taken when the commit is decided, on the thread that hears of rebalances.
    ///
    /// # Errors
    /// Where the thread is gone.
    pub fn commit(&self, commits: Vec<Commit>, offsets: TopicPartitionList, member: Member) -> Result<(), String> {
        let sent = self.requests.as_ref().map(|requests| requests.send(Request { commits, offsets, member }));
        sent.and_then(Result::ok)
            .ok_or_else(|| "the thread of the transactions has ended, which is a defect".to_owned())
    }

    /// How a transaction ended, once it has.
    pub fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Transactions {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ends what a member that is gone has left open under this id, by taking its place. Waits until the broker has done so.
///
/// # Errors
/// What librdkafka says.
pub(super) fn end_for(settings: &KafkaSettings, id: &str, timeout: Duration) -> Result<(), String> {
    let deadline = Instant::now() + timeout;
    let config = settings.transactional_producer(id, None);
    let producer: KafkaResult<BaseProducer<Context>> = config.create_with_context(Context::new(settings));
    let ended = producer.map_err(CallFault::from);
    let ended = ended.and_then(|producer| persist(deadline, None, |slice| producer.init_transactions(slice)));
    ended.map_err(|fault| format!("end the transaction {id} of a member that is gone: {}", fault.text))
}

/// Calls again what may be called again, until the deadline.
fn persist<F: Into<CallFault>>(
    deadline: Instant,
    closing: Option<&AtomicBool>,
    mut call: impl FnMut(Duration) -> Result<(), F>,
) -> Result<(), CallFault> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let fault = match call(left.min(SLICE).max(Duration::from_millis(1))) {
            Ok(()) => return Ok(()),
            Err(fault) => fault.into(),
        };
        let is_closing = closing.is_some_and(|closing| closing.load(Ordering::Acquire));
        if fault.next != Next::Again || left.is_zero() || is_closing {
            return Err(fault);
        }
    }
}

/// What librdkafka says of a call that is part of a transaction.
struct CallFault {
    code: Option<RDKafkaErrorCode>,
    text: String,
    next: Next,
}

/// What is right after a call that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The same call goes on where it stopped.
    Again,
    /// The transaction can be given up.
    Abort,
    /// The producer can do nothing more: the broker takes it for gone, and ends what it began.
    Over,
}

impl From<KafkaError> for CallFault {
    fn from(fault: KafkaError) -> Self {
        let next = match &fault {
            KafkaError::Transaction(fault) if fault.is_retriable() => Next::Again,
            KafkaError::Transaction(fault) if fault.is_fatal() => Next::Over,
            // Of what is to be flushed, some is left.
            KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => Next::Again,
            _ => Next::Abort,
        };
        Self { code: fault.rdkafka_error_code(), text: fault.to_string(), next }
    }
}

impl From<OffsetsFault> for CallFault {
    fn from(OffsetsFault { code, text, is_retriable, is_fatal }: OffsetsFault) -> Self {
        let next = match (is_retriable, is_fatal) {
            (true, _) => Next::Again,
            (false, true) => Next::Over,
            (false, false) => Next::Abort,
        };
        Self { code: Some(code), text, next }
    }
}

/// Why a transaction was not committed.
enum Failed {
    /// Before the broker was asked to commit it.
    Before(CommitFault),
    /// Nobody knows what the broker makes of it.
    Within(String),
}

struct Writer {
    settings: KafkaSettings,
    id: String,
    producer: Option<BaseProducer<Context>>,
    /// No batch of letters is larger than this, where the topic's limit was met; a letter that is larger by itself is a batch of its own.
    largest: Option<usize>,
    closing: Arc<AtomicBool>,
}

impl Writer {
    fn commit(&mut self, request: &Request) -> Result<(), CommitFault> {
        let deadline = Instant::now() + DEADLINE;
        let largest = self.largest;
        let tried = self.attempt(request, deadline);
        // Batches were too large for the topic, which says nothing of the letters in them.
        if self.largest != largest { self.attempt(request, deadline) } else { tried }
    }

    fn attempt(&mut self, request: &Request, deadline: Instant) -> Result<(), CommitFault> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.connect(deadline).map_err(|problem| resting(request, problem))?,
        };
        producer.context().forget();
        match self.transact(&producer, request, deadline) {
            Ok(()) => {
                // A try that comes late would otherwise become part of the next transaction: the broker tells them apart by the producer.
                self.producer = Some(producer).filter(|producer| !producer.context().is_broken());
                Ok(())
            }
            // The producer goes with it: the next one takes its place at the broker, and with that ends what may be left.
            Err(Failed::Within(problem)) => Err(CommitFault::Unknown(problem)),
            Err(Failed::Before(fault)) => {
                let deadline = Instant::now() + ABORT_DEADLINE;
                producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
                let aborted = persist(deadline, None, |slice| {
                    producer.flush(slice).and_then(|()| producer.abort_transaction(slice))
                });
                // Without it the next producer ends the transaction; nobody can commit it any more.
                if aborted.is_ok() && self.largest.is_none() {
                    self.producer = Some(producer);
                }
                Err(fault)
            }
        }
    }

    fn connect(&self, deadline: Instant) -> Result<BaseProducer<Context>, String> {
        let config = self.settings.transactional_producer(&self.id, self.largest);
        let producer: KafkaResult<BaseProducer<Context>> = config.create_with_context(Context::new(&self.settings));
        let producer = producer.map_err(|fault| files::reason(&self.settings, &fault.to_string()))?;
        match persist(deadline, Some(&self.closing), |slice| producer.init_transactions(slice)) {
            Ok(()) => Ok(producer),
            Err(fault) => Err(match fault.code {
                Some(RDKafkaErrorCode::TransactionalIdAuthorizationFailed) => format!(
                    "the user may not use the transactional id `{}`; allow the operations Write and Describe on transactional ids with the \
                     group's name as their prefix",
                    self.id
                ),
                _ => producer.context().troubles.of_silence(&fault.text),
            }),
        }
    }

    fn transact(
        &mut self,
        producer: &BaseProducer<Context>,
        request: &Request,
        deadline: Instant,
    ) -> Result<(), Failed> {
        let closing = self.closing.clone();
        let closing = Some(&*closing);
        producer.begin_transaction().map_err(|fault| before(fault.into()))?;
        stop_points::pass("transaction-begun");
        self.write(producer, request, deadline)?;
        stop_points::pass("letters-sent");
        let sent = |slice| send_offsets(producer, &request.offsets, &request.member, slice);
        persist(deadline, closing, sent).map_err(before)?;
        stop_points::pass("offsets-sent");
        // From here on the broker may have it, whatever is heard.
        let committed = persist(deadline, None, |slice| producer.commit_transaction(slice));
        committed.map_err(|fault| match fault.next {
            // librdkafka found what forbids it before it asked, or the broker has said no.
            Next::Abort => before(fault),
            Next::Again | Next::Over => Failed::Within(fault.text),
        })?;
        stop_points::pass("transaction-committed");
        Ok(())
    }

    /// Hands all letters over, and waits until the broker has them.
    fn write(&mut self, producer: &BaseProducer<Context>, request: &Request, deadline: Instant) -> Result<(), Failed> {
        let letters: Vec<_> = request.letters().collect();
        for (index, (_, letters, at)) in letters.iter().enumerate() {
            let Some(letter) = letters.letters.get(*at) else { continue };
            let (mut record, headers) = (BaseRecord::with_opaque_to(&letters.topic, index), letter.headers());
            record.payload = letter.value.as_deref();
            record.key = letter.key.as_deref();
            record.timestamp = (letter.timestamp >= 0).then_some(letter.timestamp);
            record.headers = Some(headers);
            let mut offered: BaseRecord<'_, [u8], [u8], usize> = record;
            while let Err((fault, again)) = producer.send(offered) {
                let full = fault.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                if !full || Instant::now() >= deadline {
                    let problem = explain(&fault, &producer.context().troubles);
                    return Err(Failed::Before(resting(request, naming(&letters.topic, &problem))));
                }
                producer.poll(Duration::from_millis(10));
                offered = again;
            }
        }
        let flushed = persist(deadline, Some(&self.closing), |slice| producer.flush(slice));
        let refusals = producer.context().refusals();
        let Some(Refusal { fault, .. }) = refusals.first() else {
            return flushed.map_err(|fault| {
                Failed::Before(resting(request, producer.context().troubles.of_silence(&fault.text)))
            });
        };
        let of = |refusal: &Refusal| letters.get(refusal.index).copied();
        let is_size =
            |refusal: &&Refusal| refusal.fault.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge);
        let too_large: Vec<_> = refusals.iter().filter(is_size).filter_map(of).collect();
        if let Some((_, letters, _)) = too_large.first() {
            return Err(Failed::Before(self.too_large(&too_large, letters)));
        }
        let topic = refusals.first().and_then(of).map(|(_, letters, _)| letters.topic.clone()).unwrap_or_default();
        let problem = explain(fault, &producer.context().troubles);
        Err(Failed::Before(resting(request, naming(&topic, &problem))))
    }

    fn too_large(&mut self, refused: &[(&TopicPartition, &Letters, usize)], letters: &Letters) -> CommitFault {
        let limit = super::letter_writer::largest_message(&self.settings, &letters.topic);
        if self.largest.is_none() {
            // A letter is a batch by itself where nothing is known.
            self.largest = Some(limit.unwrap_or(1));
        }
        let mut partitions: Vec<_> = refused.iter().map(|(partition, ..)| (*partition).clone()).collect();
        partitions.dedup();
        let named = refused.first().and_then(|(partition, letters, at)| Some((partition, letters.letters.get(*at)?)));
        let limit = limit.map_or_else(String::new, |limit| format!(" of {limit} bytes"));
        let problem = match named {
            Some((TopicPartition { topic, .. }, letter)) => format!(
                "the letter of record {topic}/{}/{} has {} bytes, and the topic's limit{limit} does not allow that. Nothing of the partition is read \
                 until it does, and nothing is lost: `kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {} --add-config \
                 max.message.bytes={}` raises it; tried again every {} s",
                letter.partition,
                letter.offset,
                letter.bytes(),
                self.settings.brokers(),
                letters.topic,
                (letter.bytes() + letter.bytes() / 8).next_power_of_two(),
                LONG_REST.as_secs()
            ),
            None => "a letter is larger than the topic's `max.message.bytes`".to_owned(),
        };
        CommitFault::Letters { problem: naming(&letters.topic, &problem), partitions, rest: LONG_REST }
    }
}

impl Request {
    /// Each letter by whose it is, among which, and where it stands there.
    fn letters(&self) -> impl Iterator<Item = (&TopicPartition, &Letters, usize)> {
        let ranges =
            self.commits.iter().flat_map(|commit| commit.letters.iter().map(|range| (&commit.partition, &**range)));
        ranges.flat_map(|(partition, range)| (0..range.letters.len()).map(move |at| (partition, range, at)))
    }
}

fn naming(topic: &str, problem: &str) -> String {
    format!("write dead letters to topic `{topic}`: {problem}")
}

fn before(CallFault { text, next, .. }: CallFault) -> Failed {
    match next {
        Next::Over => Failed::Within(text),
        Next::Again | Next::Abort => Failed::Before(CommitFault::Refused(text)),
    }
}

/// The letters could not be written; the partitions that they are of rest a while. Where there are none, it is the commit that could not be.
fn resting(request: &Request, problem: String) -> CommitFault {
    let with_letters = request.commits.iter().filter(|commit| !commit.letters.is_empty());
    let partitions: Vec<_> = with_letters.map(|commit| commit.partition.clone()).collect();
    if partitions.is_empty() {
        return CommitFault::Refused(problem);
    }
    CommitFault::Letters { problem, partitions, rest: REST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_transactions_is_read_from_a_commits_metadata() {
        let name = TransactionName::mint();
        let metadata = format!("tidegate/1 partitions=4 began=7 lineage=00 {}", name.word());
        assert_eq!(TransactionName::read(&metadata), Some(name.clone()));
        assert!(name.id("tidegate.acme.sales").starts_with("tidegate.acme.sales."));
        for other in ["", "tidegate/1 partitions=4", "tidegate/1 txn=", "tidegate/1 txn=zzzzzzzzzzzzzzzz", "txn=1234"] {
            assert_eq!(TransactionName::read(other), None, "{other}");
        }
    }
}
