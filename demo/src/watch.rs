//! Reads the gateway's counters and turns them into figures. Changes nothing.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::config::{OnReject, PipelineSettings, discover};
use tidegate::pipeline::{Phase, Stage, Status};

/// Long enough for a calm figure, short enough to see a change.
const RATE_WINDOW: Duration = Duration::from_secs(2);

/// Partitions of the topics that are read. More would only make more files.
pub const PARTITIONS: i32 = 4;

/// All pipelines of a gateway in this process.
pub struct Watch {
    pipelines: Vec<Watched>,
}

struct Watched {
    status: Arc<Status>,
    /// None where the file has faults; the status says which.
    settings: Option<PipelineSettings>,
    /// When how many records had been read, over the window.
    history: VecDeque<(Instant, u64)>,
}

/// A pipeline at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineFigures {
    /// `default/sales`
    pub name: String,
    /// How far it is.
    pub phase: Phase,
    /// Records that were fetched.
    pub read: u64,
    /// Records whose ranges are complete.
    pub completed: u64,
    /// Rows by route.
    pub routes: Vec<RouteFigures>,
    /// Records that became neither rows nor rejects.
    pub dropped: u64,
    /// Records that were rejected.
    pub rejected: u64,
    /// Records that are read in a second.
    pub rate: u64,
    /// Records between the last complete one and the end, as of the last commit.
    pub lag: u64,
    /// What is wrong just now.
    pub problems: Vec<String>,
}

/// A route at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFigures {
    /// The plugin's name for it.
    pub route: String,
    /// The table, without the sink.
    pub table: String,
    /// Rows written.
    pub rows: u64,
}

impl Watch {
    /// Watches the pipelines with these states, whose files lie in `plugins`.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn new(statuses: Vec<Arc<Status>>, plugins: &Path) -> std::io::Result<Self> {
        let files = discover(plugins)?;
        let watched = |status: Arc<Status>| {
            let file = files.iter().find(|(name, _)| name == status.name());
            let settings = file.and_then(|(name, file)| PipelineSettings::read(name, file).ok());
            Watched { status, settings, history: VecDeque::new() }
        };
        Ok(Self { pipelines: statuses.into_iter().map(watched).collect() })
    }

    /// The topics that are read.
    pub fn topics(&self) -> BTreeSet<String> {
        self.settings().flat_map(|settings| settings.topics.iter().cloned()).collect()
    }

    /// The topics of dead letters.
    pub fn dead_letter_topics(&self) -> BTreeSet<String> {
        self.settings().filter_map(dead_letter_topic).map(str::to_owned).collect()
    }

    /// By pipeline: the topics that it reads, and the one that its rejects go to.
    pub fn topics_by_pipeline(&self) -> Vec<(Vec<String>, Option<String>)> {
        let topics = |watched: &Watched| match &watched.settings {
            Some(settings) => (settings.topics.clone(), dead_letter_topic(settings).map(str::to_owned)),
            None => (Vec::new(), None),
        };
        self.pipelines.iter().map(topics).collect()
    }

    /// Counts how many records of a topic were read, by the pipeline that is furthest; `None` where none consumes it yet
    /// or any more.
    pub fn read_of(&self, topic: &str) -> impl Fn() -> Option<u64> + Send + use<> {
        let reads = |watched: &&Watched| {
            watched.settings.as_ref().is_some_and(|settings| settings.topics.iter().any(|read| read == topic))
        };
        let readers: Vec<_> = self.pipelines.iter().filter(reads).map(|watched| watched.status.clone()).collect();
        move || {
            let consuming = readers.iter().filter(|status| matches!(status.phase(), Phase::Starting | Phase::Running));
            consuming.map(|status| status.metrics().records.get()).max()
        }
    }

    /// The figures of every pipeline, in the order of their names.
    pub fn figures(&mut self, now: Instant) -> Vec<PipelineFigures> {
        self.pipelines.iter_mut().map(|watched| watched.figures(now)).collect()
    }

    fn settings(&self) -> impl Iterator<Item = &PipelineSettings> {
        self.pipelines.iter().filter_map(|watched| watched.settings.as_ref())
    }
}

impl Watched {
    fn figures(&mut self, now: Instant) -> PipelineFigures {
        let metrics = self.status.metrics();
        let read = metrics.records.get();
        let rate = rate(&mut self.history, read, now);
        let (mut routes, mut lag) = (Vec::new(), 0);
        if let Some(settings) = &self.settings {
            for (route, target) in &settings.routes {
                let rows = metrics.rows(route).get();
                routes.push(RouteFigures { route: route.clone(), table: target.table.clone(), rows });
            }
            for topic in &settings.topics {
                let lags = (0..PARTITIONS).filter_map(|partition| metrics.lag(topic, partition));
                lag += lags.filter_map(|lag| u64::try_from(lag).ok()).sum::<u64>();
            }
        }
        let problems = self.status.problems().into_iter();
        PipelineFigures {
            name: self.status.name().to_string(),
            phase: self.status.phase(),
            read,
            completed: metrics.completed.get(),
            routes,
            dropped: metrics.dropped.get(),
            rejected: Stage::ALL.map(|stage| metrics.rejects(stage.name()).get()).iter().sum(),
            rate,
            lag,
            problems: problems.map(|(subject, text)| format!("{subject}: {text}")).collect(),
        }
    }
}

fn dead_letter_topic(settings: &PipelineSettings) -> Option<&str> {
    match &settings.on_reject {
        OnReject::DeadLetter(topic) => Some(topic),
        OnReject::Stop | OnReject::Drop => None,
    }
}

/// Remembers a count and says by how much it grew in a second, over the window.
fn rate(history: &mut VecDeque<(Instant, u64)>, count: u64, now: Instant) -> u64 {
    history.push_back((now, count));
    while history.len() > 2 && history.get(1).is_some_and(|(then, _)| *then + RATE_WINDOW <= now) {
        history.pop_front();
    }
    let Some((then, before)) = history.front() else { return 0 };
    let seconds = now.saturating_duration_since(*then).as_secs_f64();
    if seconds == 0.0 { 0 } else { (count.saturating_sub(*before) as f64 / seconds).round() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_two_seconds() {
        let start = Instant::now();
        let mut history = VecDeque::new();
        let mut rates = Vec::new();
        for (second, count) in [(0, 0), (1, 100), (2, 200), (3, 200), (4, 200), (5, 900)] {
            rates.push(rate(&mut history, count, start + Duration::from_secs(second)));
        }
        assert_eq!(rates, [0, 100, 100, 50, 0, 350]);
    }
}
