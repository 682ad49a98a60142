//! Watches groups that have no member here, all of a gateway's through one client on one thread: where their partitions end,
//! how many there are, and what the groups have committed. Called by pipelines that are parked. It is no member of anything
//! and commits nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::inquiry::{Offsets, offsets};
use super::native::{GroupOffsets, group_offsets};
use super::settings::KafkaSettings;
use super::standing::{Partitions, Standing, standing};
use super::trouble::Troubles;
use super::{TopicPartition, files};

/// How often it is asked where partitions end. A record waits for half of it, as a mean; a question is a request to each broker
/// for every [`PARTITIONS_AT_ONCE`].
const INTERVAL: Duration = Duration::from_millis(200);

/// How often it is asked which partitions topics have: as often as members of groups ask.
const TOPICS_INTERVAL: Duration = Duration::from_secs(5);

/// How often a group's offsets are read again: an operator may set those of a group without members.
const OFFSETS_INTERVAL: Duration = Duration::from_secs(30);

/// How many groups are asked for at once: two small requests each.
const GROUPS_AT_ONCE: usize = 200;

/// How many partitions are asked for at once: librdkafka looks each up in the list that it belongs to.
const PARTITIONS_AT_ONCE: usize = 250;

/// How long an answer may take; the end of a gateway waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Watches groups. Its thread begins with the first that is watched and ends when this is dropped.
pub struct Watcher {
    settings: KafkaSettings,
    watched: Arc<Watched>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A group that is watched until this is dropped.
pub struct Watch {
    number: u64,
    watched: Arc<Watched>,
    standing: tokio::sync::watch::Receiver<Standing>,
}

#[derive(Default)]
struct Watched {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    groups: BTreeMap<u64, Group>,
    next: u64,
    closed: bool,
}

#[derive(Clone)]
struct Group {
    name: Arc<str>,
    topics: Arc<[String]>,
    /// None until they are known.
    committed: Option<Arc<GroupOffsets>>,
    /// When they were read.
    read_at: Option<Instant>,
    standing: tokio::sync::watch::Sender<Standing>,
}

impl Watcher {
    /// Connects to nothing yet.
    pub fn new(settings: &KafkaSettings) -> Self {
        Self { settings: settings.clone(), watched: Arc::default(), thread: Mutex::default() }
    }

    /// Watches a group in its topics. `committed` are its offsets, where they are known.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn watch(&self, group: &str, topics: &[String], committed: Option<GroupOffsets>) -> std::io::Result<Watch> {
        let (told, standing) = tokio::sync::watch::channel(Standing::Unknown);
        let group = Group {
            name: group.into(),
            topics: topics.into(),
            read_at: committed.as_ref().map(|_| Instant::now()),
            committed: committed.map(Arc::new),
            standing: told,
        };
        self.start()?;
        let mut state = self.watched.state.lock();
        let number = state.next;
        state.next += 1;
        state.groups.insert(number, group);
        self.watched.changed.notify_all();
        Ok(Watch { number, watched: self.watched.clone(), standing })
    }

    fn start(&self) -> std::io::Result<()> {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let (settings, watched) = (self.settings.clone(), self.watched.clone());
            *thread =
                Some(std::thread::Builder::new().name("ends".to_owned()).spawn(move || watched.serve(&settings))?);
        }
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watched.state.lock().closed = true;
        self.watched.changed.notify_all();
        if let Some(thread) = self.thread.get_mut().take() {
            let _ = thread.join();
        }
    }
}

impl Watch {
    /// How the group stands, once that is another than the last time.
    pub async fn next(&mut self) -> Standing {
        match self.standing.changed().await {
            Ok(()) => self.standing.borrow_and_update().clone(),
            // Nobody looks any more: the gateway is ending.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.state.lock().groups.remove(&self.number);
    }
}

impl Watched {
    /// Looks and tells until nobody wants to know any more.
    fn serve(&self, settings: &KafkaSettings) {
        let mut client = None;
        let mut next = Instant::now();
        while let Some(groups) = self.wait(next) {
            next = Instant::now() + INTERVAL;
            let looked = match &mut client {
                Some(client) => Client::look(client, &groups),
                // Made here, since a file that it needs may come later.
                None => Client::new(settings, &groups).and_then(|made| client.insert(made).look(&groups)),
            };
            let no_partitions = Partitions::new();
            let partitions = client.as_ref().map_or(&no_partitions, |client| &client.partitions);
            self.tell(looked, partitions);
        }
    }

    /// The groups, once there are some and it is time; none when it is over.
    fn wait(&self, next: Instant) -> Option<BTreeMap<u64, Group>> {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            if state.closed {
                return None;
            } else if state.groups.is_empty() {
                self.changed.wait(&mut state);
            } else if now < next {
                self.changed.wait_for(&mut state, next - now);
            } else {
                return Some(state.groups.clone());
            }
        }
    }

    fn tell(&self, looked: Result<Looked, String>, partitions: &Partitions) {
        let mut state = self.state.lock();
        let looked = match looked {
            Ok(looked) => looked,
            Err(fault) => {
                let fault = Standing::Unanswered(fault);
                return state.groups.values().for_each(|group| group.tell(fault.clone()));
            }
        };
        for (number, committed) in looked.committed {
            let Some(group) = state.groups.get_mut(&number) else { continue };
            group.read_at = Some(Instant::now());
            match committed {
                // All of its topics' partitions have an offset or not, whatever else the group was used for.
                Ok(committed) => group.committed = Some(Arc::new(committed)),
                // A member finds out more, and says what is wrong.
                Err(fault) if group.committed.is_none() => {
                    let reason = format!("its offsets are not known: {fault}");
                    group.tell(Standing::Behind { reason, lags: BTreeMap::new() });
                }
                Err(fault) => tracing::debug!(group = %group.name, "read the group's offsets: {fault}"),
            }
        }
        for (number, group) in &state.groups {
            // Those that came while others were looked at have their turn the next time.
            if let Some(committed) = group.committed.as_ref().filter(|_| looked.groups.contains(number)) {
                group.tell(standing(&group.topics, committed, partitions, &looked.ends));
            }
        }
    }
}

impl Group {
    fn tell(&self, standing: Standing) {
        self.standing.send_if_modified(|told| {
            let differs = *told != standing;
            *told = standing;
            differs
        });
    }

    fn is_to_be_read(&self, now: Instant) -> bool {
        self.read_at.is_none_or(|read_at| now >= read_at + OFFSETS_INTERVAL)
    }
}

/// What the broker said.
struct Looked {
    groups: BTreeSet<u64>,
    committed: Vec<(u64, Result<GroupOffsets, String>)>,
    ends: Offsets,
}

struct Client {
    consumer: BaseConsumer<Context>,
    partitions: Partitions,
    /// The topics that they were asked for.
    topics: BTreeSet<String>,
    partitions_read_at: Option<Instant>,
}

impl Client {
    fn new(settings: &KafkaSettings, groups: &BTreeMap<u64, Group>) -> Result<Self, String> {
        let context = Context { troubles: Troubles::new(settings) };
        let mut config = settings.looker();
        // It joins no group. But librdkafka (2.12, `rd_kafka_handle_OffsetFetch`) follows a null pointer where a group's
        // coordinator has moved and the client that asks has no group of its own; any that its user may see will do.
        if let Some(group) = groups.values().next() {
            config.set("group.id", &*group.name);
        }
        let consumer = config.create_with_context(context);
        let consumer = consumer.map_err(|fault| files::reason(settings, &fault.to_string()))?;
        Ok(Self { consumer, partitions: Partitions::new(), topics: BTreeSet::new(), partitions_read_at: None })
    }

    /// Offsets before ends: where both are the same, all was read when the ends were.
    fn look(&mut self, groups: &BTreeMap<u64, Group>) -> Result<Looked, String> {
        // Errors of connections are told within a poll.
        let _ = self.consumer.poll(Duration::ZERO);
        let looked = self.read_committed(groups).and_then(|committed| {
            self.read_partitions(groups)?;
            let ends = self.read_ends(groups)?;
            Ok(Looked { groups: groups.keys().copied().collect(), committed, ends })
        });
        let troubles = &self.consumer.context().troubles;
        match looked {
            Ok(looked) => {
                let _ = troubles.answered();
                Ok(looked)
            }
            Err(fault) => {
                self.partitions_read_at = None;
                let _ = self.consumer.poll(Duration::ZERO);
                Err(self.consumer.context().troubles.of_silence(&fault))
            }
        }
    }

    fn read_committed(
        &self,
        groups: &BTreeMap<u64, Group>,
    ) -> Result<Vec<(u64, Result<GroupOffsets, String>)>, String> {
        let now = Instant::now();
        let mut due: Vec<_> = groups.iter().filter(|(_, group)| group.is_to_be_read(now)).collect();
        // Those first of which nothing is known.
        due.sort_by_key(|(_, group)| group.read_at);
        due.truncate(GROUPS_AT_ONCE);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = due.iter().map(|(_, group)| &*group.name).collect();
        let answers = group_offsets(&self.consumer, &names, PATIENCE);
        Ok(due.into_iter().map(|(number, _)| *number).zip(answers).collect())
    }

    fn read_partitions(&mut self, groups: &BTreeMap<u64, Group>) -> Result<(), String> {
        let now = Instant::now();
        let topics: BTreeSet<&str> =
            groups.values().flat_map(|group| group.topics.iter().map(String::as_str)).collect();
        let due = self.partitions_read_at.is_none_or(|read_at| now >= read_at + TOPICS_INTERVAL);
        if !due && topics.iter().all(|topic| self.topics.contains(*topic)) {
            return Ok(());
        }
        // All topics of the cluster: one request, where asking for each would be thousands.
        let metadata = self.consumer.fetch_metadata(None, PATIENCE).map_err(|fault| fault.to_string())?;
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        let wanted = there.filter(|topic| topics.contains(topic.name()));
        self.partitions = wanted.map(|topic| (topic.name().to_owned(), partitions(topic))).collect();
        self.topics = topics.into_iter().map(str::to_owned).collect();
        self.partitions_read_at = Some(now);
        Ok(())
    }

    fn read_ends(&self, groups: &BTreeMap<u64, Group>) -> Result<Offsets, String> {
        let topics: BTreeSet<&String> = groups.values().flat_map(|group| group.topics.iter()).collect();
        let all: Vec<_> = topics.into_iter().filter_map(|topic| self.partitions.get(topic)).flatten().collect();
        let mut ends = Offsets::default();
        for some in all.chunks(PARTITIONS_AT_ONCE) {
            let more = offsets(&self.consumer, some.iter().map(|partition| (*partition, Offset::End)), PATIENCE)?;
            ends.known.extend(more.known);
            ends.unknown.extend(more.unknown);
        }
        Ok(ends)
    }
}

fn partitions(topic: &rdkafka::metadata::MetadataTopic) -> Vec<TopicPartition> {
    let name: Arc<str> = topic.name().into();
    let partition = |id: i32| TopicPartition { topic: name.clone(), partition: id };
    topic.partitions().iter().map(|found| partition(found.id())).collect()
}

/// Keeps what librdkafka says of the connections.
struct Context {
    troubles: Troubles,
}

impl ConsumerContext for Context {}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
        let _ = self.troubles.overhear(facility, message);
    }

    fn error(&self, fault: KafkaError, reason: &str) {
        let code = fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.troubles.hear(code, reason);
    }
}
