//! Where a partition that was just assigned begins: at the group's offset, at what `start` says, or at its beginning. Pure: the
//! broker's answers are arguments.

use chrono::{DateTime, Utc};

use tidegate_ledger::{Joined, Plan, PlanFault, Planned};

use super::TopicPartition;
use super::beginning::Beginning;
use crate::config::{Start, StartPoint};

/// A commit, as the broker keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset.
    pub offset: i64,
    /// Ours or another's text.
    pub metadata: String,
}

/// A place that is looked for in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Where the group stopped.
    Committed(i64),
    /// Where an operator wants it to start.
    Named(i64),
    /// The oldest record kept.
    Oldest,
    /// Behind the newest record.
    End,
    /// The first record of this time or later.
    Time(DateTime<Utc>),
}

/// What a partition holds, as the broker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The offset of the oldest record kept.
    pub oldest: i64,
    /// The offset behind the newest record that can be read.
    pub end: i64,
    /// The offset of the time sought, if there is a record of that time or later.
    pub at_time: Option<i64>,
}

/// Where a partition begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The first offset to read.
    pub offset: i64,
    /// Whether the group's offset is there already.
    pub committed: bool,
    /// The offset behind the newest record just now.
    pub end: i64,
    /// What further commits carry.
    pub beginning: Beginning,
    /// Why it is not the place that was sought, where it is not.
    pub moved: Option<Moved>,
    /// What the group's commit says of the ranges behind it.
    pub plan: Plan,
}

/// Why a partition does not begin where it was to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Records that the group has not read are gone.
    Lost {
        /// Where the group stopped.
        wanted: i64,
        /// Where it goes on.
        oldest: i64,
    },
    /// `start` names an offset that is gone.
    Gone {
        /// What it names.
        wanted: i64,
        /// Where it begins.
        oldest: i64,
    },
    /// The group's offset is beyond the end: the topic was made anew, or has lost its newest records.
    Beyond {
        /// Where the group stopped.
        wanted: i64,
        /// Where it goes on.
        oldest: i64,
        /// The end.
        end: i64,
    },
}

/// Why a partition cannot begin yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    /// `start` names an offset that is to come.
    #[error("`start` names the offset {wanted}, but the partition ends at {end}; waiting until it gets there")]
    Early {
        /// What `start` names.
        wanted: i64,
        /// The end.
        end: i64,
    },
    /// The commit's metadata is beyond what this version understands.
    #[error("{0}; nothing is read until a version that can takes over, or the plan is given up")]
    Unreadable(PlanFault),
    /// Ranges that were sent, wholly or in part, cannot be read again, so that nobody can tell whether all of their rows are there.
    #[error(
        "{ranges} ranges from offset {first} to before {next} were planned and may have been written in part, but {moved}. Nothing is read until an \
         operator decides"
    )]
    InDoubt {
        /// How many.
        ranges: usize,
        /// Where the first of them begins.
        first: i64,
        /// Behind the last of those that lack records.
        lost_to: i64,
        /// Behind the last of them.
        next: i64,
        /// What has become of them.
        moved: Moved,
        /// What is written with them.
        joined: Vec<Joined>,
    },
    /// A group that has planned ranges has no offset, and nobody says why.
    #[error(
        "the group `{group}` has no offset in topic `{topic}`, though it has processed records of it exactly once: the offset has expired, or the \
         topic was made anew. Beginning again would write rows twice; nothing is read until an operator has set the offset"
    )]
    Forgotten {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
    /// The broker that leads it does not say which offsets it has.
    #[error("find out where it begins: {0}")]
    Unknown(String),
}

/// How the group began in a topic of so many partitions, of which `commits` are all that it has.
pub fn beginning<'c>(
    commits: impl Iterator<Item = &'c Committed> + Clone,
    partitions: i32,
    now: DateTime<Utc>,
) -> (Beginning, Begun) {
    if let Some(beginning) = Beginning::of(commits.clone().map(|commit| commit.metadata.as_str())) {
        return (beginning, Begun::Before);
    }
    match commits.count() {
        0 => (Beginning { partitions, time: now }, Begun::Now),
        // Commits of an operator's, or of a version that did not say: what has none counts as added later.
        _ => (Beginning { partitions: 0, time: now }, Begun::Before),
    }
}

/// Whether a group has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It has offsets in the topic.
    Before,
    /// It begins with this.
    Now,
}

/// The place to look for.
pub fn sought(
    partition: &TopicPartition,
    committed: Option<i64>,
    (beginning, begun): (Beginning, Begun),
    start: &Start,
) -> Sought {
    if let Some(offset) = committed {
        return Sought::Committed(offset);
    }
    if partition.partition >= beginning.partitions {
        return Sought::Oldest;
    }
    if let Some(offset) = start.offsets.get(&(partition.topic.to_string(), partition.partition)) {
        return Sought::Named(*offset);
    }
    match (start.otherwise, begun) {
        (StartPoint::Earliest, _) => Sought::Oldest,
        (StartPoint::Latest, Begun::Now) => Sought::End,
        // Another member began with the other partitions, and this one is late: what came in between is not passed over.
        (StartPoint::Latest, Begun::Before) => Sought::Time(beginning.time),
        (StartPoint::Time(time), _) => Sought::Time(time),
    }
}

/// Where the place that was sought is.
///
/// # Errors
/// Where it is still to come.
pub fn settle(sought: Sought, bounds: Bounds, beginning: Beginning) -> Result<Position, NotYet> {
    let Bounds { oldest, end, at_time } = bounds;
    let plan = Plan::default;
    let position = |offset, moved| Position { offset, committed: false, end, beginning, moved, plan: plan() };
    Ok(match sought {
        Sought::Committed(wanted) if wanted < oldest => position(oldest, Some(Moved::Lost { wanted, oldest })),
        // Whether the topic was made anew or lost its end, nobody can tell: reading too much loses nothing.
        Sought::Committed(wanted) if wanted > end => position(oldest, Some(Moved::Beyond { wanted, oldest, end })),
        Sought::Committed(offset) => Position { committed: true, ..position(offset, None) },
        Sought::Named(wanted) if wanted < oldest => position(oldest, Some(Moved::Gone { wanted, oldest })),
        Sought::Named(wanted) if wanted > end => return Err(NotYet::Early { wanted, end }),
        Sought::Named(offset) => position(offset, None),
        Sought::Oldest => position(oldest, None),
        Sought::End => position(end, None),
        Sought::Time(_) => position(at_time.unwrap_or(end), None),
    })
}

/// The same position with what the group's commit there says.
///
/// # Errors
/// Where that cannot be followed, or what it names cannot be read any more.
pub fn with_plan(position: Position, committed: &Committed) -> Result<Position, NotYet> {
    let plan = Plan::read(&committed.metadata, committed.offset).map_err(NotYet::Unreadable)?;
    match (position.moved, plan.ranges.as_slice()) {
        (Some(moved), [first, ..]) => {
            let next = plan.ranges.last().map_or(first.next, |last| last.next);
            let lacks = |range: &&Planned| !matches!(&moved, Moved::Lost { oldest, .. } if range.first >= *oldest);
            let lost_to = plan.ranges.iter().rfind(lacks).map_or(next, |last| last.next);
            let (ranges, first) = (plan.ranges.len(), first.first);
            let joined = plan.ranges.into_iter().flat_map(|range| range.joined).collect();
            Err(NotYet::InDoubt { ranges, first, lost_to, next, moved, joined })
        }
        // It is read again, or records are gone: a new lineage.
        (Some(_), []) => Ok(position),
        (None, _) => Ok(Position { plan, ..position }),
    }
}

impl Moved {
    /// How many records the group wanted and will never get, as far as offsets tell.
    pub fn lost(&self) -> u64 {
        match self {
            Self::Lost { wanted, oldest } => u64::try_from(oldest - wanted).unwrap_or_default(),
            Self::Gone { .. } | Self::Beyond { .. } => 0,
        }
    }
}

impl std::fmt::Display for Moved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost { wanted, oldest } => {
                let lost = self.lost();
                write!(
                    f,
                    "offset {wanted} is gone, the oldest kept is {oldest}: {lost} records were deleted before they were \
                     read; going on at {oldest}"
                )
            }
            Self::Gone { wanted, oldest } => {
                write!(f, "`start` names the offset {wanted}, but the oldest kept is {oldest}; beginning at {oldest}")
            }
            Self::Beyond { wanted, oldest, end } => write!(
                f,
                "the group's offset {wanted} is beyond the end {end}: the topic was made anew or has lost records; \
                 reading it again from the oldest kept, {oldest}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BOUNDS: Bounds = Bounds { oldest: 10, end: 50, at_time: Some(30) };

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn commit(metadata: &str) -> Committed {
        Committed { offset: 20, metadata: metadata.to_owned() }
    }

    /// Where a partition without an offset is sought if these are the group's commits in its topic of 4 partitions.
    fn sought_without_offset(number: i32, commits: &[Committed], start: &Start) -> Sought {
        let partition = TopicPartition { topic: "t".into(), partition: number };
        sought(&partition, None, beginning(commits.iter(), 4, time(1_000)), start)
    }

    #[test]
    fn a_group_without_commits_begins_where_start_says() {
        let offsets = BTreeMap::from([(("t".to_owned(), 1), 17), (("u".to_owned(), 0), 99)]);
        let start = Start { offsets, otherwise: StartPoint::Latest };
        assert_eq!(sought_without_offset(0, &[], &start), Sought::End);
        assert_eq!(sought_without_offset(1, &[], &start), Sought::Named(17));
        assert_eq!(sought_without_offset(0, &[], &Start::default()), Sought::Oldest);
        let at = Start::all(StartPoint::Time(time(5)));
        assert_eq!(sought_without_offset(0, &[], &at), Sought::Time(time(5)));
    }

    #[test]
    fn a_partition_that_was_added_later_begins_at_its_beginning_whatever_start_says() {
        let began = [commit("tidegate/1 partitions=2 began=500000"), commit("tidegate/1 partitions=2 began=500000")];
        let offsets = BTreeMap::from([(("t".to_owned(), 2), 17)]);
        let start = Start { offsets, otherwise: StartPoint::Latest };
        assert_eq!(sought_without_offset(2, &began, &start), Sought::Oldest);
        assert_eq!(sought_without_offset(3, &began, &start), Sought::Oldest);
        assert_eq!(beginning(began.iter(), 4, time(1_000)).0.partitions, 2, "what the group began with is carried on");
    }

    #[test]
    fn a_member_that_is_late_begins_at_the_time_when_the_group_did() {
        let began = [commit("tidegate/1 partitions=4 began=500000")];
        assert_eq!(sought_without_offset(3, &began, &Start::all(StartPoint::Latest)), Sought::Time(time(500)));
        assert_eq!(sought_without_offset(3, &began, &Start::default()), Sought::Oldest);
        let at = Start::all(StartPoint::Time(time(5)));
        assert_eq!(sought_without_offset(3, &began, &at), Sought::Time(time(5)));
    }

    #[test]
    fn where_commits_do_not_say_how_the_group_began_nothing_is_passed_over() {
        for foreign in ["", "another's"] {
            let latest = Start::all(StartPoint::Latest);
            assert_eq!(sought_without_offset(0, &[commit(foreign)], &latest), Sought::Oldest);
        }
    }

    #[test]
    fn a_commit_comes_before_anything_that_start_says() {
        let partition = TopicPartition { topic: "t".into(), partition: 0 };
        let start = Start { offsets: BTreeMap::from([(("t".to_owned(), 0), 17)]), otherwise: StartPoint::Latest };
        let began = beginning([].iter(), 4, time(0));
        assert_eq!(sought(&partition, Some(20), began, &start), Sought::Committed(20));
    }

    fn settled(sought: Sought, bounds: Bounds) -> Result<(i64, bool, Option<Moved>), NotYet> {
        let beginning = Beginning { partitions: 4, time: time(0) };
        settle(sought, bounds, beginning).map(|found| (found.offset, found.committed, found.moved))
    }

    #[test]
    fn a_place_within_the_log_is_taken_as_it_is() {
        for (sought, offset) in [
            (Sought::Committed(10), 10),
            (Sought::Committed(50), 50),
            (Sought::Named(10), 10),
            (Sought::Named(50), 50),
            (Sought::Oldest, 10),
            (Sought::End, 50),
            (Sought::Time(time(7)), 30),
        ] {
            let committed = matches!(sought, Sought::Committed(_));
            assert_eq!(settled(sought, BOUNDS), Ok((offset, committed, None)), "{sought:?}");
        }
        let future = Bounds { at_time: None, ..BOUNDS };
        assert_eq!(settled(Sought::Time(time(7)), future), Ok((50, false, None)), "a time to come is the end");
    }

    #[test]
    fn what_retention_deleted_is_named_and_counted_and_read_on_behind() {
        let lost = Moved::Lost { wanted: 4, oldest: 10 };
        assert_eq!(settled(Sought::Committed(4), BOUNDS), Ok((10, false, Some(lost))));
        assert_eq!(lost.lost(), 6);
        assert!(lost.to_string().contains("offset 4 is gone, the oldest kept is 10: 6 records"), "{lost}");
        let gone = Moved::Gone { wanted: 4, oldest: 10 };
        assert_eq!(settled(Sought::Named(4), BOUNDS), Ok((10, false, Some(gone))));
        assert_eq!(gone.lost(), 0, "nobody read up to there");
    }

    #[test]
    fn beyond_the_end_a_group_reads_again_and_a_named_offset_waits() {
        let beyond = Moved::Beyond { wanted: 51, oldest: 10, end: 50 };
        assert_eq!(settled(Sought::Committed(51), BOUNDS), Ok((10, false, Some(beyond))));
        assert_eq!(settled(Sought::Named(51), BOUNDS), Err(NotYet::Early { wanted: 51, end: 50 }));
    }
}
