//! Kafka: the only place that knows rdkafka. Two seams, so that either can be replaced: **membership** (join, assigned,
//! revoked, commit with the group's generation) and **fetch** (from a partition to flat records).

mod beginning;
mod certificate;
mod cluster;
mod commit_fault;
mod committed;
mod dead_letter;
mod ends;
mod excerpt;
mod files;
mod inquiry;
mod letter_writer;
mod membership;
mod native;
mod plans;
mod position;
mod sender;
mod settings;
mod shelf;
mod standing;
mod transactions;
mod trouble;

use std::fmt;
use std::sync::Arc;

pub use beginning::Beginning;
pub use cluster::missing_topics;
pub use commit_fault::CommitFault;
pub use dead_letter::{DeadLetter, DeadLetterFault, DeadLetters, Letters, OwnedLetter};
pub use ends::{Watch, Watcher};
pub use excerpt::{Excerpt, Excerpts, Kept, Most};
pub use inquiry::{Ends, HasPlanned, Inquiry, Positions, Progress};
pub use membership::{Commit, Event, JoinFault, Membership, Queue, Subscription};
pub use native::{Bound, FetchFault, Fetched, GroupOffsets, Wake};
pub use plans::{GroupCommit, Plans, TopicCommits};
pub use position::{Moved, NotYet, Position};
pub use settings::{KafkaSettings, SettingsFault};
pub use shelf::Shelf;
pub use standing::Standing;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}
