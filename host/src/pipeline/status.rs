//! What is wrong with a pipeline just now. A problem is logged when it begins, when its text changes and when it is over: not
//! at every try.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::report::{self, VersionReport};
use crate::config::PipelineName;
use crate::metrics::PipelineMetrics;
use crate::tap::Tap;

/// The state of one pipeline, for logs, metrics and people.
pub struct Status {
    name: PipelineName,
    /// The pipeline's file, beside which its versions are reported.
    file: PathBuf,
    metrics: PipelineMetrics,
    tap: Arc<Tap>,
    late: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    problems: BTreeMap<String, String>,
    notes: BTreeMap<&'static str, String>,
    caught_up: bool,
    versions: VersionReport,
}

/// How far a pipeline is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Its plugin is loaded, its tables are opened.
    #[default]
    Starting,
    /// Records are consumed.
    Running,
    /// Its files have faults, and no version ran before: it consumes nothing until they are mended.
    Refused,
    /// Its plugin fails on everything: it consumes nothing until its files change.
    Paused,
    /// It has drained.
    Stopped,
}

impl Status {
    /// A pipeline that starts.
    pub fn new(name: PipelineName, file: PathBuf, metrics: PipelineMetrics) -> Self {
        Self { name, file, metrics, tap: Arc::default(), late: AtomicBool::new(false), state: Mutex::default() }
    }

    /// The pipeline's name.
    pub fn name(&self) -> &PipelineName {
        &self.name
    }

    /// It came after the gateway had started, which is ready without it.
    pub fn came_late(&self) {
        self.late.store(true, Ordering::Relaxed);
    }

    /// Whether it came after the gateway had started.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// The pipeline's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Which version runs, and which was refused.
    pub fn versions(&self) -> VersionReport {
        self.state.lock().versions.clone()
    }

    /// Something about its versions is otherwise than before: written beside its file.
    pub fn report(&self, change: impl FnOnce(&mut VersionReport)) {
        let mut state = self.state.lock();
        let before = state.versions.clone();
        change(&mut state.versions);
        // What was refused before for the same reason was not refused anew.
        if let (Some(before), Some(now)) = (&before.refused, &mut state.versions.refused)
            && (&before.plugin, &before.reason) == (&now.plugin, &now.reason)
        {
            now.since = before.since;
        }
        let now = state.versions.clone();
        drop(state);
        if now != before {
            report::write(&self.file, &now);
        }
    }

    /// The pipeline's metrics.
    pub fn metrics(&self) -> &PipelineMetrics {
        &self.metrics
    }

    /// Where its records and rows can be looked at.
    pub fn tap(&self) -> &Arc<Tap> {
        &self.tap
    }

    /// Goes on to another phase.
    pub fn enter(&self, phase: Phase) {
        self.metrics.running.set(i64::from(phase == Phase::Running));
        self.state.lock().phase = phase;
        tracing::info!(pipeline = %self.name, "{}", phase.name());
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Something is wrong with `subject`: a sink, a partition, Kafka.
    pub fn problem(&self, subject: &str, text: &str) {
        let mut state = self.state.lock();
        let before = state.problems.insert(subject.to_owned(), text.to_owned());
        self.metrics.problems.set(i64::try_from(state.problems.len()).unwrap_or(i64::MAX));
        drop(state);
        if before.as_deref() != Some(text) {
            tracing::error!(pipeline = %self.name, subject, "{text}");
        }
    }

    /// What was wrong with `subject` is over, if anything was.
    pub fn solved(&self, subject: &str) {
        let mut state = self.state.lock();
        let before = state.problems.remove(subject);
        self.metrics.problems.set(i64::try_from(state.problems.len()).unwrap_or(i64::MAX));
        drop(state);
        if before.is_some() {
            tracing::info!(pipeline = %self.name, subject, "goes on");
        }
    }

    /// Something that people want to know and that is not wrong.
    pub fn note(&self, subject: &'static str, text: &str) {
        let mut state = self.state.lock();
        if state.notes.get(subject).is_none_or(|before| before != text) {
            state.notes.insert(subject, text.to_owned());
        }
    }

    /// What was to be known of `subject` is over.
    pub fn forget_note(&self, subject: &'static str) {
        self.state.lock().notes.remove(subject);
    }

    /// All that is to be known besides what is wrong: subjects and texts.
    pub fn notes(&self) -> Vec<(&'static str, String)> {
        self.state.lock().notes.iter().map(|(subject, text)| (*subject, text.clone())).collect()
    }

    /// All that there was when the pipeline started is complete and committed.
    pub fn set_caught_up(&self) {
        self.state.lock().caught_up = true;
    }

    /// Whether all that there was when the pipeline started is complete and committed. Only a pipeline that ends by
    /// itself finds out.
    pub fn has_caught_up(&self) -> bool {
        self.state.lock().caught_up
    }

    /// All that is wrong: subjects and texts.
    pub fn problems(&self) -> Vec<(String, String)> {
        self.state.lock().problems.iter().map(|(subject, text)| (subject.clone(), text.clone())).collect()
    }
}

impl Phase {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Refused => "refused",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}
