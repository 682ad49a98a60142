//! What is replayed: dead letters as the records that they were, or records of ranges of offsets, in batches whose boundaries depend on
//! nothing but what is replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::audit::Place;
use crate::kafka::{Excerpts, Most, TopicPartition};
use crate::letters::{Origin, own_headers};
use crate::pipeline::{Bundle, Lineage, Range, RecordRef, Records, Stage};
use crate::subject::{SubjectFault, failed, offsets_of};

/// What is replayed.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Letters of the pipeline's topic for them, between two places of that topic.
    DeadLetters {
        /// From the oldest letter without it.
        from: Option<Place>,
        /// To the newest letter without it.
        to: Option<Place>,
    },
    /// Records of the pipeline's topics.
    Offsets(Vec<Offsets>),
}

/// Offsets of a partition, as an operator writes them: `TOPIC/PARTITION:FIRST-NEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The first offset.
    pub first: i64,
    /// Behind the last offset.
    pub next: i64,
}

impl FromStr for Offsets {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let (partition, offsets) = text.rsplit_once(':')?;
            let (topic, partition) = partition.rsplit_once('/')?;
            let (first, next) = offsets.split_once('-')?;
            let partition = partition.parse().ok()?;
            let (first, next) = (first.parse().ok()?, next.parse().ok()?);
            Some(Self { topic: topic.to_owned(), partition, first, next })
        };
        let right = parts().filter(|offsets| offsets.first < offsets.next && !offsets.topic.is_empty());
        right.ok_or("expected TOPIC/PARTITION:FIRST-NEXT, such as sales/3:1000-2000, which ends before 2000")
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, first, next } = self;
        write!(f, "{topic}/{partition}:{first}-{next}")
    }
}

/// What is processed at once.
pub struct Batch {
    /// Its boundaries; not all that lies between them is part of it.
    pub range: Range,
    /// Its records.
    pub records: Records,
    /// Why they were rejected before, by offset.
    pub before: BTreeMap<i64, String>,
    /// Those of which a table refused rows, so that others may have theirs.
    pub refused: BTreeSet<i64>,
}

impl Batch {
    /// What makes its writes its own: the same records with the same version have the same.
    pub fn lineage(&self, bundle: &Bundle, again: u32) -> Lineage {
        use sha2::Digest;
        let Range { topic, partition, .. } = &self.range;
        let mut hash = sha2::Sha256::new();
        hash.update(format!("replay/{topic}/{partition}/{:032x}/{again}", bundle.id().0));
        for offset in &self.records.offsets {
            hash.update(offset.to_le_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        Lineage(u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()))
    }
}

/// The letters that were seen: one of each record is enough.
#[derive(Default)]
pub struct Seen {
    records: BTreeMap<TopicPartition, BTreeSet<i64>>,
    count: usize,
    /// Letters of records of which one was seen before.
    pub doubled: u64,
    /// Letters of other topics, and what is no letter.
    pub others: u64,
}

/// Records whose offsets are kept in memory: a few hundred megabytes.
const MOST_LETTERS: usize = 5_000_000;

/// What is read at once, and written by one insert.
pub const PIECE: Most = Most { records: 20_000, bytes: 32 << 20 };

impl Selection {
    /// The ranges that are read. Blocks.
    ///
    /// # Errors
    /// Where there are none such.
    pub fn ranges(
        &self,
        excerpts: &Excerpts,
        topics: &[String],
        letters: Option<&str>,
    ) -> Result<Vec<Range>, SubjectFault> {
        match self {
            Self::Offsets(offsets) => {
                apart(offsets)?;
                offsets.iter().map(|offsets| range(excerpts, topics, offsets)).collect()
            }
            Self::DeadLetters { from, to } => {
                let topic = letters.ok_or_else(|| {
                    SubjectFault::Unusable(
                        "the pipeline has no topic for dead letters; --offsets names records".to_owned(),
                    )
                })?;
                let partitions = excerpts.partitions(topic).map_err(failed)?;
                let kept = excerpts.kept(&partitions).map_err(failed)?;
                let end = |partition: &TopicPartition| kept.get(partition).map_or(0, |kept| kept.next);
                let of = |place: Option<Place>| match place {
                    Some(place) => offsets_of(excerpts, &partitions, place, end).map(Some).map_err(failed),
                    None => Ok(None),
                };
                let (firsts, nexts) = (of(*from)?, of(*to)?);
                let mut ranges = Vec::new();
                for (index, partition) in partitions.iter().enumerate() {
                    let named = |offsets: &Option<Vec<i64>>| offsets.as_ref().and_then(|each| each.get(index)).copied();
                    let first = named(&firsts).unwrap_or(0).max(kept.get(partition).map_or(0, |kept| kept.first));
                    let next = named(&nexts).unwrap_or(i64::MAX).min(end(partition));
                    if first < next {
                        let TopicPartition { topic, partition } = partition.clone();
                        ranges.push(Range { topic, partition, first, next });
                    }
                }
                Ok(ranges)
            }
        }
    }

    /// Why the pipeline has still to write some of what is replayed, where it has: its group has not completed it. Blocks.
    ///
    /// # Errors
    /// Where the broker does not say.
    pub fn ahead(&self, excerpts: &Excerpts) -> Result<Vec<String>, SubjectFault> {
        let Self::Offsets(offsets) = self else { return Ok(Vec::new()) };
        let partition = |Offsets { topic, partition, .. }: &Offsets| TopicPartition {
            topic: topic.as_str().into(),
            partition: *partition,
        };
        let partitions: BTreeSet<_> = offsets.iter().map(partition).collect();
        let committed = excerpts.committed(&partitions.into_iter().collect::<Vec<_>>()).map_err(failed)?;
        let mut ahead = Vec::new();
        for offsets in offsets {
            let done = match committed.get(&partition(offsets)) {
                Some(done) if offsets.next <= *done => continue,
                Some(done) => format!("the offsets before {done}"),
                None => "none of its offsets".to_owned(),
            };
            ahead.push(format!(
                "--offsets names {offsets}: the group has completed {done}, and what lies behind the pipeline itself writes; \
                 name an earlier end, or write elsewhere by --into ROUTE=SINK:TABLE"
            ));
        }
        Ok(ahead)
    }

    /// The batches of a piece that was read.
    ///
    /// # Errors
    /// Where there are too many letters.
    pub fn batches(
        &self,
        range: Range,
        records: Records,
        topics: &[String],
        seen: &mut Seen,
    ) -> Result<Vec<Batch>, SubjectFault> {
        match self {
            Self::Offsets(_) => Ok(vec![Batch { range, records, before: BTreeMap::new(), refused: BTreeSet::new() }]),
            Self::DeadLetters { .. } => {
                let batches = origins(&records, topics, seen);
                match seen.count > MOST_LETTERS {
                    true => {
                        Err(failed(format!("there are more than {MOST_LETTERS} letters; name some by --from and --to")))
                    }
                    false => Ok(batches),
                }
            }
        }
    }
}

/// Fails where an offset is named twice: its rows would be written under two lineages.
fn apart(offsets: &[Offsets]) -> Result<(), SubjectFault> {
    for (index, one) in offsets.iter().enumerate() {
        for other in offsets.iter().take(index) {
            let (first, next) = (one.first.max(other.first), one.next.min(other.next));
            if (&one.topic, one.partition) == (&other.topic, other.partition) && first < next {
                return Err(SubjectFault::Unusable(format!(
                    "--offsets names {other} and {one}, which have the offsets {first}-{next} in common; name each offset once"
                )));
            }
        }
    }
    Ok(())
}

fn range(excerpts: &Excerpts, topics: &[String], offsets: &Offsets) -> Result<Range, SubjectFault> {
    let Offsets { topic, partition, first, next } = offsets;
    let wrong = |problem: String| SubjectFault::Unusable(format!("--offsets names {offsets}: {problem}"));
    if !topics.contains(topic) {
        return Err(wrong(format!("the pipeline reads {}", topics.join(", "))));
    }
    let partitions = excerpts.partitions(topic).map_err(failed)?;
    let Some(found) = partitions.iter().find(|each| each.partition == *partition) else {
        return Err(wrong("there is no such partition".to_owned()));
    };
    let kept = excerpts.kept(std::slice::from_ref(found)).map_err(failed)?;
    match kept.get(found) {
        Some(kept) if kept.first <= *first && *next <= kept.next => {
            Ok(Range { topic: topic.as_str().into(), partition: *partition, first: *first, next: *next })
        }
        Some(kept) => Err(wrong(format!("Kafka has the offsets {}-{}", kept.first, kept.next))),
        None => Err(failed(format!("the broker says no offset of {found}"))),
    }
}

/// The records that letters were, one batch a partition, in the order of their offsets.
fn origins(letters: &Records, topics: &[String], seen: &mut Seen) -> Vec<Batch> {
    let mut by_partition: BTreeMap<TopicPartition, BTreeMap<i64, (usize, Origin)>> = BTreeMap::new();
    for index in 0..letters.len() {
        let origin =
            Origin::of(letters, index).filter(|origin| topics.iter().any(|topic| **topic == *origin.partition.topic));
        let Some(origin) = origin else {
            seen.others += 1;
            continue;
        };
        if seen.records.entry(origin.partition.clone()).or_default().insert(origin.offset) {
            seen.count += 1;
            by_partition.entry(origin.partition.clone()).or_default().insert(origin.offset, (index, origin));
        } else {
            seen.doubled += 1;
        }
    }
    by_partition.into_iter().filter_map(|(partition, origins)| batch(letters, partition, origins)).collect()
}

fn batch(letters: &Records, partition: TopicPartition, origins: BTreeMap<i64, (usize, Origin)>) -> Option<Batch> {
    let TopicPartition { topic, partition } = partition;
    let (first, next) = (*origins.first_key_value()?.0, origins.last_key_value()?.0 + 1);
    let (mut records, mut before, mut refused) = (Records::default(), BTreeMap::new(), BTreeSet::new());
    for (offset, (index, origin)) in origins {
        records.push(RecordRef {
            offset,
            timestamp: letters.timestamps.get(index).copied().unwrap_or(-1),
            key: letters.keys.get(index),
            value: letters.values.get(index),
        });
        for (name, value) in own_headers(letters, index) {
            records.push_header(name, value);
        }
        if [Stage::Encode, Stage::Sink].iter().any(|stage| stage.name() == origin.stage) {
            refused.insert(offset);
        }
        before.insert(offset, format!("{}: {}", origin.stage, origin.reason));
    }
    Some(Batch { range: Range { topic: Arc::clone(&topic), partition, first, next }, records, before, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_named_with_topic_partition_and_both_ends() {
        let right = Offsets { topic: "a.b-c".to_owned(), partition: 3, first: 10, next: 20 };
        assert_eq!("a.b-c/3:10-20".parse(), Ok(right));
        for wrong in ["a/3", "a:1-2", "a/3:2-2", "a/3:3-2", "/3:1-2", "a/x:1-2", "a/3:-1-2"] {
            assert!(wrong.parse::<Offsets>().is_err(), "{wrong}");
        }
    }

    fn letters(origins: &[(&str, i32, i64)]) -> Records {
        let mut letters = Records::default();
        for (index, (topic, partition, offset)) in origins.iter().enumerate() {
            let value = format!("{topic}/{offset}");
            letters.push(RecordRef {
                offset: 100 + index as i64,
                timestamp: *offset,
                key: None,
                value: Some(value.as_bytes()),
            });
            letters.push_header(b"own", Some(b"1"));
            for (name, value) in
                [("topic", (*topic).to_owned()), ("partition", partition.to_string()), ("offset", offset.to_string())]
            {
                letters.push_header(format!("tidegate-{name}").as_bytes(), Some(value.as_bytes()));
            }
        }
        letters
    }

    #[test]
    fn letters_become_the_records_that_they_were_each_once() {
        let letters = letters(&[("t", 1, 9), ("t", 0, 4), ("other", 0, 1), ("t", 1, 5), ("t", 1, 9)]);
        let mut seen = Seen::default();
        let batches = origins(&letters, &["t".to_owned()], &mut seen);
        let told: Vec<_> =
            batches.iter().map(|batch| (batch.range.to_string(), batch.records.offsets.clone())).collect();
        assert_eq!(told, [("t/0 4-5".to_owned(), vec![4]), ("t/1 5-10".to_owned(), vec![5, 9])]);
        assert_eq!((seen.doubled, seen.others), (1, 1));
        let records = &batches[1].records;
        assert_eq!((records.values.get(0), records.timestamps[0]), (Some(b"t/5".as_slice()), 5));
        assert_eq!(records.headers(1).count(), 1, "what the gateway added is no header of the record");
        assert!(origins(&letters, &["t".to_owned()], &mut seen).is_empty(), "each record goes once");
    }

    #[test]
    fn a_lineage_is_of_records_and_version() {
        let bundle = |byte| Bundle {
            plugin: crate::plugin::PluginHash([byte; 32]),
            settings: crate::plugin::PluginHash([0; 32]),
        };
        let batch = |offsets: &[(&str, i32, i64)]| {
            let mut batches = origins(&letters(offsets), &["t".to_owned()], &mut Seen::default());
            batches.remove(0)
        };
        let one = batch(&[("t", 0, 4), ("t", 0, 6)]);
        let lineage = one.lineage(&bundle(1), 0);
        assert_eq!(lineage, batch(&[("t", 0, 6), ("t", 0, 4)]).lineage(&bundle(1), 0));
        assert_ne!(lineage, one.lineage(&bundle(2), 0));
        assert_ne!(lineage, one.lineage(&bundle(1), 1));
        assert_ne!(lineage, batch(&[("t", 0, 4), ("t", 0, 5), ("t", 0, 6)]).lineage(&bundle(1), 0));
        assert_ne!(lineage, batch(&[("t", 1, 4), ("t", 1, 6)]).lineage(&bundle(1), 0));
    }
}
