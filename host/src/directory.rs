//! From what lies in the plugin directory to the pipelines that run: each file that comes, changes or goes reaches its pipeline, and what is wrong
//! with one reaches no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{Claimant, Claims, Fault, PipelineName};
use crate::metrics::Metrics;
use crate::pipeline::{Pipeline, Shared, Status, Statuses, Wanted, renamed_from};
use crate::watch::{Change, Source};

/// All pipelines of a gateway.
pub struct Directory {
    shared: Shared,
    metrics: Arc<Metrics>,
    statuses: Statuses,
    /// By pipeline file.
    sources: BTreeMap<PathBuf, Arc<Source>>,
    held: BTreeMap<PipelineName, Held>,
    running: JoinSet<PipelineName>,
}

/// A pipeline that was begun.
struct Held {
    status: Arc<Status>,
    wanted: watch::Sender<Wanted>,
    /// What it was told last.
    source: Arc<Source>,
    faults: Vec<Fault>,
    /// Its file is gone: it drains.
    leaves: bool,
}

impl Directory {
    /// A directory in which nothing was seen yet. `statuses` holds those of the pipelines that were found before.
    pub fn new(shared: Shared, metrics: Arc<Metrics>, statuses: Statuses) -> Self {
        Self { shared, metrics, statuses, sources: BTreeMap::new(), held: BTreeMap::new(), running: JoinSet::new() }
    }

    /// Passes on what has changed.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Found(source) => _ = self.sources.insert(source.file.clone(), source),
                Change::Gone(file) => _ = self.sources.remove(&file),
                Change::Unreadable(problem) => {
                    tracing::error!("the plugin directory cannot be read, what runs goes on: {problem}");
                }
                Change::Readable => tracing::info!("the plugin directory can be read again"),
            }
        }
        self.reconcile();
    }

    /// Waits until a pipeline has ended; none where none runs.
    pub async fn ended(&mut self) -> Option<()> {
        let name = self.running.join_next().await?;
        // A panic is a defect, which the log has: the pipeline stands as it stood.
        let Ok(name) = name else { return Some(()) };
        if self.held.get(&name).is_some_and(|held| held.leaves) {
            self.forget(&name);
            // Its file may have come again while it drained.
            self.reconcile();
        }
        Some(())
    }

    fn forget(&mut self, name: &PipelineName) {
        if let Some(held) = self.held.remove(name) {
            held.status.metrics().forget();
            self.statuses.remove(name);
        }
    }

    fn reconcile(&mut self) {
        // Those that run come first: what is granted is theirs before it is a newcomer's.
        let mut sources: Vec<_> = self.sources.values().collect();
        sources.sort_by_key(|source| !self.runs(&source.name));
        let claimants =
            sources.into_iter().map(|source| Claimant { name: &source.name, file: &source.file, draft: &source.draft });
        let claims = Claims::among(&claimants.collect::<Vec<_>>(), self.shared.tenants.grants());
        let mut found = BTreeMap::<PipelineName, Arc<Source>>::new();
        for source in self.sources.values() {
            let holds = self.held.get(&source.name).is_some_and(|held| held.source.file == source.file);
            if holds || !found.contains_key(&source.name) {
                found.insert(source.name.clone(), source.clone());
            }
        }
        for (name, held) in &mut self.held {
            if !found.contains_key(name) && !held.leaves {
                held.leaves = true;
                tracing::info!(pipeline = %name, "its file is gone: drains and ends");
                held.wanted.send_replace(Wanted::Removed);
            }
        }
        for (name, source) in found {
            let mut faults = claims.faults(&source.file).to_vec();
            match self.held.get_mut(&name) {
                // It goes on when it has drained.
                Some(held) if held.leaves => {}
                Some(held) => held.tell(source, faults),
                None => {
                    faults.extend(self.renamed(&source));
                    self.begin(source, faults);
                }
            }
        }
    }

    fn runs(&self, name: &PipelineName) -> bool {
        self.held.get(name).is_some_and(|held| held.faults.is_empty() && !held.leaves)
    }

    fn begin(&mut self, source: Arc<Source>, faults: Vec<Fault>) {
        let name = source.name.clone();
        let status = self.statuses.get(&name).unwrap_or_else(|| {
            let counted = self.metrics.pipeline(&name.tenant, &name.pipeline);
            let status = Arc::new(Status::new(name.clone(), source.file.clone(), counted));
            status.came_late();
            self.statuses.insert(status.clone());
            status
        });
        let (wanted, receiver) = watch::channel(Wanted::Run(source.clone(), faults.clone()));
        let pipeline = Pipeline::new(self.shared.clone(), status.clone());
        self.held.insert(name.clone(), Held { status, wanted, source, faults, leaves: false });
        self.running.spawn(async move {
            pipeline.run(receiver).await;
            name
        });
    }

    /// What is wrong with a file that had another name before: it would silently begin a new consumer group.
    fn renamed(&self, source: &Source) -> Option<Fault> {
        let state = self.shared.state.as_ref()?;
        if source.draft.places.has("group") {
            return None;
        }
        let group = &source.draft.value.as_ref()?.group;
        // By what lies there now: that its old file is gone is noticed a second later than that the new one has come.
        let (before, old) = renamed_from(state, source, Path::exists)?;
        let problem = format!(
            "is missing, and this was the pipeline {before}, of the group \"{old}\", before it was renamed; expected group = \"{old}\" to go \
             on where that stopped, or group = \"{group}\" to begin anew"
        );
        Some(source.draft.places.fault("group", problem))
    }
}

impl Held {
    fn tell(&mut self, source: Arc<Source>, faults: Vec<Fault>) {
        let changed = !Arc::ptr_eq(&source, &self.source);
        // What came later claims what this one has: it is the later one's fault.
        let later = !changed && self.faults.is_empty() && self.status.versions().running.is_some();
        if (changed || faults != self.faults) && !later {
            self.source = source.clone();
            self.faults = faults.clone();
            self.wanted.send_replace(Wanted::Run(source, faults));
        }
    }
}
