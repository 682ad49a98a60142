//! The tap of a pipeline: a sample of what goes in and what comes of it, for people who look at a running gateway.
//!
//! `pipeline::deliver` shows every range that was transformed, on the worker that transformed it; `serve` hands samples to whoever listens
//! over HTTP; `commands::tap` is the listener at the other end. Where nobody listens, a range costs one load of an
//! atomic. Where somebody does, it costs what the listener's rate allows: nothing here waits, for a lock or for a reader.

mod escape;
mod find;
mod line;
mod listener;
mod members;
mod sample;
mod sampler;
mod serve;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::config::Target;
use crate::pipeline::{Range, TransformFault, Transformed};
use crate::plugin::Plugin;
use crate::rows::nearest;

pub use escape::{commands_terminal, escaped};
pub use line::{
    BytesLine, Columns, Count, End, HeaderLine, Line, LineFault, ProblemLine, RangeLine, RecordLine, RejectLine,
    RouteLine, RowLine, Start, harmless,
};
pub use members::Members;
pub use serve::{Access, Taps, router};
pub use wanted::{Extent, Only, PartitionName, Wanted, per_second, records};

use listener::{Listener, Queue};
use sample::Material;

/// How many may listen to a pipeline at once: it is for people, of whom a few look at the same thing.
const MOST_LISTENERS: usize = 4;

/// The tap of one pipeline.
#[derive(Default)]
pub struct Tap {
    /// How many listen; what a range looks at first.
    listening: AtomicUsize,
    listeners: Mutex<Vec<Arc<Listener>>>,
    /// Of the version that runs.
    source: Mutex<Option<Arc<Source>>>,
}

/// What makes the rows, and where they go.
pub struct Source {
    /// The plugin.
    pub plugin: Arc<dyn Plugin>,
    /// For each of its routes.
    pub targets: Vec<Target>,
}

/// Why a pipeline cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenFault {
    #[error("the pipeline is about to run")]
    NotOpen,
    #[error("{MOST_LISTENERS} others listen already, and no more may at once")]
    TooMany,
    #[error("{0}")]
    Route(String),
}

/// A place at a tap. Dropping it leaves.
pub(crate) struct Listening {
    tap: Arc<Tap>,
    listener: Arc<Listener>,
    queue: Queue,
}

impl Tap {
    /// Says what makes the rows from now on, and where they go.
    pub fn open(&self, source: Arc<Source>) {
        *self.source.lock() = Some(source);
    }

    /// Whether anybody listens. Who begins to listen is shown ranges from a moment later on.
    #[inline]
    pub fn is_tapped(&self) -> bool {
        self.listening.load(Ordering::Relaxed) > 0
    }

    /// Shows what came of a range, and what made it, before it goes to the sinks. Never waits.
    pub fn show(&self, source: &Source, transformed: &Transformed) {
        let Source { plugin, targets } = source;
        let material = Material { transformed, description: plugin.description(), targets };
        for listener in self.present() {
            listener.show(&material, Instant::now());
        }
    }

    /// Shows that nothing came of a range.
    pub fn show_fault(&self, range: &Range, fault: &TransformFault) {
        for listener in self.present() {
            listener.show_fault(range, fault);
        }
    }

    fn present(&self) -> Vec<Arc<Listener>> {
        self.listeners.lock().clone()
    }

    /// Begins to listen.
    pub(crate) fn listen(self: &Arc<Self>, wanted: Wanted) -> Result<Listening, ListenFault> {
        let source = self.source.lock().clone().ok_or(ListenFault::NotOpen)?;
        if let Some(name) = &wanted.route {
            source.check_route(name)?;
        }
        let (listener, queue) = Listener::new(wanted);
        let listener = Arc::new(listener);
        let mut listeners = self.listeners.lock();
        if listeners.len() >= MOST_LISTENERS {
            return Err(ListenFault::TooMany);
        }
        listeners.push(listener.clone());
        self.listening.store(listeners.len(), Ordering::Relaxed);
        drop(listeners);
        Ok(Listening { tap: self.clone(), listener, queue })
    }

    /// Where the rows of each route go.
    fn routes(&self) -> Vec<RouteLine> {
        let Some(source) = self.source.lock().clone() else { return Vec::new() };
        let Source { plugin, targets } = &*source;
        let routes = plugin.description().routes.iter().zip(targets);
        routes.map(|(route, target)| RouteLine { route: route.name.clone(), table: target.to_string() }).collect()
    }
}

impl Source {
    fn check_route(&self, name: &str) -> Result<(), ListenFault> {
        let description = self.plugin.description();
        description.route(name).map(drop).ok_or_else(|| {
            let names: Vec<&str> = description.routes.iter().map(|route| route.name.as_str()).collect();
            let hint = match nearest(name, &names) {
                Some(nearest) => format!("the nearest is `{nearest}`"),
                None => format!("it has `{}`", names.join("`, `")),
            };
            ListenFault::Route(format!("the plugin has no route `{name}`; {hint}"))
        })
    }
}

impl Listening {
    /// The next line. Waits until there is one.
    pub async fn next(&mut self) -> String {
        self.queue.next().await
    }

    /// How much has passed by so far.
    pub fn count(&self) -> Count {
        self.listener.count()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.tap.listeners.lock();
        listeners.retain(|other| !Arc::ptr_eq(other, &self.listener));
        self.tap.listening.store(listeners.len(), Ordering::Relaxed);
    }
}
