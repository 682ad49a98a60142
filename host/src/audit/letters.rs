//! The dead letters of the ranges that are audited, read once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::kafka::{Excerpts, Most, TopicPartition};
use crate::letters::Origin;
use crate::pipeline::Range;

/// How many letters there are of each record.
#[derive(Debug, Default)]
pub struct Letters {
    counts: HashMap<TopicPartition, BTreeMap<i64, u32>>,
    /// Records in the topic that are none of a gateway's letters.
    pub others: u64,
}

/// What is held at once.
const PIECE: Most = Most { records: 20_000, bytes: 32 << 20 };

/// Records with letters that are kept in memory: some hundred megabytes.
const MOST: usize = 5_000_000;

impl Letters {
    /// Reads all letters of a topic, and keeps which are of these ranges. Blocks.
    ///
    /// # Errors
    /// Where they do not come, or are too many.
    pub fn read(excerpts: &Arc<Excerpts>, topic: &str, spans: &[Range]) -> Result<Self, String> {
        let mut letters = Self::default();
        let mut kept = 0;
        let partitions = excerpts.partitions(topic)?;
        for (partition, bounds) in excerpts.kept(&partitions)? {
            let TopicPartition { topic, partition } = partition;
            let range = Range { topic, partition, first: bounds.first, next: bounds.next };
            let mut excerpt = excerpts.read(&range, PIECE)?;
            while let Some((_, records)) = excerpt.piece()? {
                for index in 0..records.len() {
                    let Some(Origin { partition, offset, .. }) = Origin::of(&records, index) else {
                        letters.others += 1;
                        continue;
                    };
                    if is_within(spans, &partition, offset) {
                        *letters.counts.entry(partition).or_default().entry(offset).or_insert(0) += 1;
                        kept += 1;
                    }
                }
                if kept > MOST {
                    return Err(format!(
                        "topic {range} has more than {MOST} letters of what is audited; narrow that by --from and --to, or by --partition"
                    ));
                }
            }
        }
        Ok(letters)
    }

    /// How many letters there are of a record.
    pub fn of(&self, partition: &TopicPartition, offset: i64) -> u64 {
        self.counts.get(partition).and_then(|counts| counts.get(&offset)).copied().unwrap_or_default().into()
    }

    /// The records of a range that have letters, with how many each.
    pub fn within<'l>(&'l self, range: &Range) -> impl Iterator<Item = (i64, u64)> + use<'l> {
        let partition = TopicPartition { topic: range.topic.clone(), partition: range.partition };
        let (first, next) = (range.first, range.next);
        let counts = self.counts.get(&partition).into_iter();
        counts.flat_map(move |counts| counts.range(first..next)).map(|(offset, count)| (*offset, u64::from(*count)))
    }
}

fn is_within(spans: &[Range], partition: &TopicPartition, offset: i64) -> bool {
    spans.iter().any(|span| {
        span.topic == partition.topic
            && span.partition == partition.partition
            && (span.first..span.next).contains(&offset)
    })
}
