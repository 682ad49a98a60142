//! Watches groups that have no member here, all of a gateway's through one client on one thread: where their partitions end,
//! how many there are, and what the groups have committed. Called by pipelines that are parked. It is no member of anything
//! and commits nothing.

mod client;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use self::client::{Client, Looked};
use super::native::GroupOffsets;
use super::settings::KafkaSettings;
use super::standing::{Partitions, Standing, standing};

/// How often it is asked where partitions end. A record waits for half of it, as a mean; a question is a few requests.
const INTERVAL: Duration = Duration::from_millis(200);

/// How often a group's offsets are read again: an operator may set those of a group without members.
const OFFSETS_INTERVAL: Duration = Duration::from_secs(30);

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
