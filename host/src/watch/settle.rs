//! Which pipelines' files have come to rest: looked at again they are the same, for long enough that nobody is still writing. Pure: looks
//! and times are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::scan::Sighting;

/// How long a pipeline file must be missing before it counts as removed: what replaces a file, or a whole directory, mostly deletes it
/// before it makes it anew.
const REMOVED: Duration = Duration::from_secs(1);

/// What a look changes.
#[derive(Debug, PartialEq, Eq)]
pub enum Movement {
    /// These files are at rest, and others than when they were last.
    Settled(PathBuf, Sighting),
    /// The pipeline file is gone.
    Gone(PathBuf),
}

/// What was seen so far.
pub struct Settling {
    quiet: Duration,
    seen: BTreeMap<PathBuf, Seen>,
}

struct Seen {
    sighting: Sighting,
    /// When it was first seen to be like this.
    since: Instant,
    /// As it was when it was last at rest.
    settled: Option<Sighting>,
    missing_since: Option<Instant>,
}

impl Settling {
    /// Files are at rest when they have not changed for `quiet`.
    pub fn new(quiet: Duration) -> Self {
        Self { quiet, seen: BTreeMap::new() }
    }

    /// A look at `now`, by both clocks. What lies in the folders that cannot be read is as it was.
    pub fn observe(
        &mut self,
        mut found: BTreeMap<PathBuf, Sighting>,
        unreadable: &BTreeSet<PathBuf>,
        (now, wall): (Instant, SystemTime),
    ) -> Vec<Movement> {
        let mut movements = Vec::new();
        self.seen.retain(|file, seen| {
            if found.contains_key(file) || file.parent().is_some_and(|folder| unreadable.contains(folder)) {
                seen.missing_since = None;
                return true;
            }
            let since = *seen.missing_since.get_or_insert(now);
            let stays = now < since + REMOVED;
            if !stays {
                movements.push(Movement::Gone(file.clone()));
            }
            stays
        });
        while let Some((file, sighting)) = found.pop_first() {
            let old = is_old(&sighting, self.quiet, wall);
            let seen = self.seen.entry(file.clone()).or_insert_with(|| Seen {
                sighting: sighting.clone(),
                since: now,
                settled: None,
                missing_since: None,
            });
            if seen.sighting != sighting {
                seen.sighting = sighting;
                seen.since = now;
            }
            let at_rest = old || now >= seen.since + self.quiet;
            if at_rest && seen.settled.as_ref() != Some(&seen.sighting) {
                seen.settled = Some(seen.sighting.clone());
                movements.push(Movement::Settled(file, seen.sighting.clone()));
            }
        }
        movements
    }

    /// What was at rest turned out not to be.
    pub fn forget(&mut self, file: &Path) {
        if let Some(seen) = self.seen.get_mut(file) {
            seen.settled = None;
        }
    }

    /// How long until something may be at rest, or count as removed.
    pub fn next(&self, now: Instant) -> Option<Duration> {
        let times = self.seen.values().filter_map(|seen| match seen.missing_since {
            Some(since) => Some(since + REMOVED),
            None if seen.settled.as_ref() != Some(&seen.sighting) => Some(seen.since + self.quiet),
            None => None,
        });
        times.min().map(|time| time.saturating_duration_since(now))
    }
}

/// Whether the files have not changed for so long by the file system's own clock, which no tool sets back: then nothing need be seen twice.
fn is_old(sighting: &Sighting, quiet: Duration, wall: SystemTime) -> bool {
    let now = wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let (Ok(now), Ok(quiet)) = (i128::try_from(now), i128::try_from(quiet.as_nanos())) else { return false };
    // A missing file may be about to come: that takes a second look.
    sighting.stamps.iter().all(|(path, stamp)| match stamp {
        Some((.., changed)) => now - changed >= quiet,
        None => path.extension().is_some_and(|ending| ending == "cases"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PipelineName;
    use crate::watch::scan::Stamp;

    const QUIET: Duration = Duration::from_millis(200);

    /// One pipeline whose plugin has this stamp, changed so many milliseconds after the beginning of time.
    fn look(stamp: Option<u64>) -> BTreeMap<PathBuf, Sighting> {
        let stamp = stamp.map(|changed| -> Stamp { (1, 1, changed, 0, i128::from(changed) * 1_000_000) });
        let name = PipelineName { tenant: "t".into(), pipeline: "p".into() };
        let stamps = vec![("p.toml".into(), Some((1, 2, 3, 4, 0))), ("p.wasm".into(), stamp)];
        BTreeMap::from([("p.toml".into(), Sighting { name, stamps })])
    }

    struct Clock(Instant);

    impl Clock {
        fn at(&self, millis: u64) -> (Instant, SystemTime) {
            let after = Duration::from_millis(millis);
            (self.0 + after, SystemTime::UNIX_EPOCH + after)
        }
    }

    fn settled(movements: &[Movement]) -> usize {
        movements.iter().filter(|movement| matches!(movement, Movement::Settled(..))).count()
    }

    #[test]
    fn a_file_that_is_still_written_is_not_at_rest_and_one_that_was_is_told_once() {
        let (mut settling, clock, none) = (Settling::new(QUIET), Clock(Instant::now()), BTreeSet::new());
        for time in [1_000, 1_150, 1_300, 1_450] {
            assert_eq!(settling.observe(look(Some(time)), &none, clock.at(time)), []);
            assert_eq!(settling.next(clock.at(time).0), Some(QUIET));
        }
        assert_eq!(settling.observe(look(Some(1_450)), &none, clock.at(1_640)), []);
        assert_eq!(settled(&settling.observe(look(Some(1_450)), &none, clock.at(1_650))), 1);
        assert_eq!(settling.observe(look(Some(1_450)), &none, clock.at(9_000)), []);
        assert_eq!(settling.next(clock.at(9_000).0), None);
    }

    #[test]
    fn what_has_lain_there_for_long_is_at_rest_at_the_first_look_unless_something_is_missing() {
        let (clock, none) = (Clock(Instant::now()), BTreeSet::new());
        assert_eq!(settled(&Settling::new(QUIET).observe(look(Some(500)), &none, clock.at(1_000))), 1);
        let mut settling = Settling::new(QUIET);
        assert_eq!(settling.observe(look(None), &none, clock.at(1_000)), []);
        assert_eq!(settled(&settling.observe(look(None), &none, clock.at(1_200))), 1, "nothing came");
    }

    #[test]
    fn a_file_is_removed_when_it_is_gone_for_long_and_not_while_its_folder_cannot_be_read() {
        let (mut settling, clock, none) = (Settling::new(QUIET), Clock(Instant::now()), BTreeSet::new());
        settling.observe(look(Some(500)), &none, clock.at(1_000));
        let unreadable = BTreeSet::from([PathBuf::from("")]);
        assert_eq!(settling.observe(BTreeMap::new(), &unreadable, clock.at(9_000)), []);
        assert_eq!(settling.observe(BTreeMap::new(), &none, clock.at(9_100)), []);
        // It came back as it was: nothing to tell.
        assert_eq!(settling.observe(look(Some(500)), &none, clock.at(9_200)), []);
        assert_eq!(settling.observe(BTreeMap::new(), &none, clock.at(9_300)), []);
        assert_eq!(settling.observe(BTreeMap::new(), &none, clock.at(10_299)), []);
        assert_eq!(settling.observe(BTreeMap::new(), &none, clock.at(10_300)), [Movement::Gone("p.toml".into())]);
    }

    #[test]
    fn what_changed_while_it_was_read_is_told_again() {
        let (mut settling, clock, none) = (Settling::new(QUIET), Clock(Instant::now()), BTreeSet::new());
        settling.observe(look(Some(500)), &none, clock.at(1_000));
        settling.forget(Path::new("p.toml"));
        assert_eq!(settled(&settling.observe(look(Some(500)), &none, clock.at(1_100))), 1);
    }
}
