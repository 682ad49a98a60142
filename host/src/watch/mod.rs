//! The plugin directory while the gateway runs: which pipelines there are, and all of their files as they were read once they had
//! settled.
//!
//! `scan` looks at names and stamps, `settle` says which of them have come to rest, [`Source`] is what was read. A notice of the file
//! system (`notice`) only makes the next look come sooner: what a look finds is the truth, so that directories that are deleted and made
//! anew, symbolic links that are swapped, and file systems that tell nothing come out the same.

mod notice;
mod scan;
mod settle;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::UnboundedSender;

use self::notice::Notices;
use self::scan::{Look, Scanner};
use self::settle::{Movement, Settling};
pub use self::source::{LookupFile, STATUS, STATUS_NEW, Source};

/// How often the directory is looked at where nobody gives notice: a look costs some microseconds a file.
const INTERVAL: Duration = Duration::from_secs(2);

/// Notices come in bursts; a look for each would only be the same look again.
const SHORTEST: Duration = Duration::from_millis(20);

/// What became of the plugin directory.
#[derive(Clone)]
pub enum Change {
    /// A pipeline is there, or some of its files are others; all of them.
    Found(Arc<Source>),
    /// The pipeline of this file is gone.
    Gone(PathBuf),
    /// The directory, or a folder in it, cannot be read: what was there counts as being there still.
    Unreadable(String),
    /// All of it can be read again.
    Readable,
}

/// Looks at a plugin directory.
pub struct Watch {
    scanner: Scanner,
    settling: Settling,
    unreadable: Option<String>,
}

impl Watch {
    /// A watch of this directory, in which files count that have not changed for `settle`.
    pub fn new(plugins: PathBuf, settle: Duration) -> Self {
        Self { scanner: Scanner::new(plugins), settling: Settling::new(settle), unreadable: None }
    }

    /// The pipeline files that are there, settled or not.
    ///
    /// # Errors
    /// Where the directory itself cannot be read.
    pub fn files(&mut self) -> std::io::Result<Vec<(crate::config::PipelineName, PathBuf)>> {
        let look = self.scanner.look()?;
        Ok(look.sightings.into_iter().map(|(file, sighting)| (sighting.name, file)).collect())
    }

    /// Looks once, reads what has settled since the last look, and says what has changed.
    pub fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let look = match self.scanner.look() {
            Ok(look) => look,
            Err(problem) => {
                let place = self.scanner.plugins().display().to_string();
                self.tell(vec![format!("{place}: {problem}")], &mut changes);
                return changes;
            }
        };
        let Look { sightings, unreadable } = look;
        let folders = unreadable.iter().map(|(folder, _)| folder.clone()).collect();
        self.tell(unreadable.into_iter().map(|(_, problem)| problem).collect(), &mut changes);
        for movement in self.settling.observe(sightings, &folders, (Instant::now(), SystemTime::now())) {
            match movement {
                Movement::Gone(file) => changes.push(Change::Gone(file)),
                Movement::Settled(file, sighting) => {
                    let source = Source::read(&sighting.name, &file);
                    // What has changed while it was read has not settled.
                    if self.scanner.sighting(&sighting.name, &file).stamps == sighting.stamps {
                        changes.push(Change::Found(Arc::new(source)));
                    } else {
                        self.settling.forget(&file);
                    }
                }
            }
        }
        changes
    }

    /// How long until something that is there may have settled; none where all has.
    pub fn settles_in(&self) -> Option<Duration> {
        self.settling.next(Instant::now())
    }

    /// Says what cannot be read, when that is another than before.
    fn tell(&mut self, unreadable: Vec<String>, changes: &mut Vec<Change>) {
        let text = (!unreadable.is_empty()).then(|| unreadable.join("; "));
        if text != self.unreadable {
            changes.push(text.clone().map_or(Change::Readable, Change::Unreadable));
            self.unreadable = text;
        }
    }

    /// Looks whenever there is something to see, on a thread of its own, until nobody listens any more.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn start(mut self, changes: UnboundedSender<Vec<Change>>) -> std::io::Result<()> {
        let run = move || {
            let mut notices = Notices::new(self.scanner.plugins().to_owned());
            while !changes.is_closed() {
                let found = self.look();
                if !found.is_empty() && changes.send(found).is_err() {
                    return;
                }
                let wait = self.settling.next(Instant::now()).map_or(INTERVAL, |next| next.min(INTERVAL));
                notices.wait(wait.max(SHORTEST));
            }
        };
        std::thread::Builder::new().name("watch".into()).spawn(run).map(drop)
    }
}

#[cfg(test)]
mod tests;
