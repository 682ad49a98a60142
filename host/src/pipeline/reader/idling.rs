//! When the reader has nothing more to do: nothing came for a while, all is committed, and that holds for the whole group. Then
//! the membership may be given up, and another is begun when there is something to read.
//!
//! The group counts and not this member's partitions alone: a member that left while others work would give them its
//! partitions, join again at their next record, and move partitions for nothing.

use std::time::{Duration, Instant};

use super::{Partition, Reader};
use crate::kafka::{Ends, GroupOffsets, Inquiry, Progress};

/// How long a member is idle that has not fetched anything yet: it joined to commit where the group begins, or in vain.
const VAIN: Duration = Duration::from_secs(5);

/// What is known of nothing happening.
#[derive(Default)]
pub(super) struct Idleness {
    /// Since when there is nothing to do.
    since: Option<Instant>,
    /// Whether anything ever came.
    has_fetched: bool,
    inquiry: Option<Inquiry<Progress>>,
    /// Not before this.
    again_at: Option<Instant>,
    /// Where the partitions ended the last time, those of other members among them.
    ends: Option<Ends>,
}

impl Reader {
    /// What the group has committed, once there is nothing to do for it: where to go on from if the membership ends now.
    pub(super) fn find_idle(&mut self, fetched: usize, now: Instant) -> Option<GroupOffsets> {
        let after = self.park_after?;
        let idleness = &mut self.state.idleness;
        idleness.has_fetched |= fetched > 0;
        let patience = if idleness.has_fetched { after } else { after.min(VAIN) };
        let answer = idleness.inquiry.as_ref().and_then(Inquiry::answer);
        if answer.is_some() {
            self.state.idleness.inquiry = None;
        }
        if fetched > 0 || !self.is_quiet() {
            self.state.idleness.since = None;
            return None;
        }
        if let Some(Ok(progress)) = answer {
            return self.judge(progress, patience, now);
        }
        let idleness = &mut self.state.idleness;
        let due = now >= *idleness.since.get_or_insert(now) + patience;
        let early = idleness.again_at.is_some_and(|again_at| now < again_at);
        // A pipeline with a problem stays where people look for it.
        if due && !early && idleness.inquiry.is_none() && self.status.problems().is_empty() {
            idleness.again_at = Some(now + patience);
            idleness.inquiry = Some(self.membership.ask_progress());
        }
        None
    }

    /// Whether nothing is under way and nothing is to be committed.
    fn is_quiet(&self) -> bool {
        let state = &self.state;
        let busy = state.in_flight > 0 || !state.commit_outstanding.is_empty() || state.draining.is_some();
        !busy && state.revocations.is_empty() && state.partitions.values().all(Partition::is_at_rest)
    }

    fn judge(&mut self, progress: Progress, patience: Duration, now: Instant) -> Option<GroupOffsets> {
        let Progress { ends, committed } = progress;
        let partitions = &self.state.partitions;
        // What came since was fetched, and stands behind the end that was told.
        let read = partitions.iter().all(|(key, partition)| partition.position() == ends.get(key).copied());
        let caught_up = read && ends.iter().all(|(key, end)| committed.get(key) == Some(end));
        let alone = ends.keys().all(|key| partitions.contains_key(key));
        let others_idle = self.state.idleness.ends.as_ref() == Some(&ends);
        if caught_up && (alone || others_idle) {
            return Some(committed);
        }
        self.state.idleness.ends = Some(ends);
        self.state.idleness.again_at = Some(now + patience);
        None
    }
}
