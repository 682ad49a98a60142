//! Notices of the file system that something in the plugin directory has changed. Where it gives none, or no more watches are to be
//! had, the directory is looked at now and then.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::source::is_ours;

/// The shortest time between two looks that notices ask for.
const COALESCE: Duration = Duration::from_millis(20);

pub(super) struct Notices {
    plugins: PathBuf,
    /// Which directory is watched: a name may lead to another one later.
    watched: Option<(Identity, RecommendedWatcher)>,
    sender: Sender<()>,
    receiver: Receiver<()>,
    told: bool,
}

/// Device and inode.
type Identity = (u64, u64);

impl Notices {
    pub fn new(plugins: PathBuf) -> Self {
        let (sender, receiver) = channel();
        Self { plugins, watched: None, sender, receiver, told: false }
    }

    /// Waits for a notice, at most this long.
    pub fn wait(&mut self, most: Duration) {
        self.follow();
        if self.receiver.recv_timeout(most).is_ok() {
            // What belongs together mostly comes together.
            std::thread::sleep(COALESCE);
            while self.receiver.try_recv().is_ok() {}
        }
    }

    /// Watches the directory that the name leads to now.
    fn follow(&mut self) {
        let identity = std::fs::metadata(&self.plugins).ok().map(|metadata: Metadata| (metadata.dev(), metadata.ino()));
        let Some(identity) = identity else {
            self.watched = None;
            return;
        };
        if self.watched.as_ref().is_some_and(|(watched, _)| *watched == identity) {
            return;
        }
        self.watched = None;
        match watch(&self.plugins, self.sender.clone()) {
            Ok(watcher) => {
                // What happened before the watch began was seen by nobody.
                let _ = self.sender.send(());
                self.watched = Some((identity, watcher));
            }
            Err(problem) if !self.told => {
                self.told = true;
                tracing::warn!(plugins = %self.plugins.display(), "no notices of changes, looking every 2 s: {problem}");
            }
            Err(_) => {}
        }
    }
}

fn watch(plugins: &Path, sender: Sender<()>) -> notify::Result<RecommendedWatcher> {
    let tell = move |event: notify::Result<Event>| {
        // An error says that notices were lost: a look is due as well.
        let matters = event.as_ref().map_or(true, |event| {
            !matches!(event.kind, EventKind::Access(_)) && !event.paths.iter().all(|path| is_ours(path))
        });
        if matters {
            // The other end waits, or the gateway ends.
            let _ = sender.send(());
        }
    };
    // A tenant's link may lead anywhere. What is behind one is seen by the next look, and `..data` is renamed where it lies.
    let mut watcher = RecommendedWatcher::new(tell, Config::default().with_follow_symlinks(false))?;
    watcher.watch(plugins, RecursiveMode::Recursive)?;
    Ok(watcher)
}
