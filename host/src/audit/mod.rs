//! Proves what a pipeline promises, after the fact: the records of a range of offsets are read from Kafka again and run through the
//! pipeline's present plugin, and what that makes of them is compared with the tables and the dead letters. Called by
//! `tidegate audit`; nothing is written, and no group hears of it. Memory is bounded: it goes on piece by piece.

pub(crate) mod compare;
pub(crate) mod expected;
mod letters;
mod place;
mod report;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

pub use compare::{Run, Runs, Wrong};
pub use place::Place;
pub use report::{Compared, LettersReport, PartitionReport, PluginReport, RecordsReport, Report, TableReport};

use crate::config::{Mode, OnReject, StartPoint, Target};
use crate::kafka::{Excerpts, Most, TopicPartition};
use crate::pipeline::{Lineage, Range, Records, Transformed};
use crate::sink::{Found, Provenance, Question};
pub use crate::subject::{ColumnNames, SubjectFault};
use crate::subject::{Instead, Purpose, Subject, blocking, count, failed, next_piece, offsets_of};
use letters::Letters;

/// What is audited.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// All topics of the pipeline without it.
    pub topic: Option<String>,
    /// All partitions without it.
    pub partition: Option<i32>,
    /// From the oldest record, or where the pipeline file begins, without it.
    pub from: Option<Place>,
    /// To what the pipeline's group has committed without it.
    pub to: Option<Place>,
    /// What the plugin calls its columns.
    pub columns: ColumnNames,
    /// How long Kafka may take to answer.
    pub timeout: Duration,
    /// How many runs of offsets are listed for each table.
    pub listed: usize,
}

/// What is held, and asked of a table, at once.
const PIECE: Most = Most { records: 20_000, bytes: 32 << 20 };

/// Compares Kafka with the tables and the dead letters.
///
/// # Errors
/// Where that cannot be done, or not now.
pub async fn audit(config: &Path, pipeline: &str, wanted: &Wanted) -> Result<Report, SubjectFault> {
    let subject = Arc::new(Subject::open(config, pipeline, &Instead::default(), Purpose::Reading).await?);
    let report = Audit::of(subject.clone(), wanted).await;
    if let Some(subject) = Arc::into_inner(subject) {
        subject.close().await;
    }
    report
}

struct Audit {
    subject: Arc<Subject>,
    tables: Vec<Compare>,
    letters: Option<Letters>,
    report: Report,
}

/// A table that is compared.
struct Compare {
    target: Target,
    /// Indexes of the routes that are written there.
    routes: Vec<usize>,
    provenance: Option<Provenance>,
}

impl Audit {
    async fn of(subject: Arc<Subject>, wanted: &Wanted) -> Result<Report, SubjectFault> {
        let description = subject.prepared.plugin.description();
        let plugin = PluginReport {
            name: description.name.clone(),
            version: description.version.clone(),
            hash: subject.prepared.plugin.hash().to_string(),
        };
        let report = Report {
            pipeline: subject.name.to_string(),
            plugin,
            partitions: Vec::new(),
            records: RecordsReport::default(),
            tables: Vec::new(),
            dead_letters: None,
            notes: Vec::new(),
        };
        let mut audit = Self { subject, tables: Vec::new(), letters: None, report };
        audit.plan_tables(wanted)?;
        audit.run(wanted).await?;
        Ok(audit.report)
    }

    /// How each table is compared.
    fn plan_tables(&mut self, wanted: &Wanted) -> Result<(), SubjectFault> {
        for (index, destination) in self.subject.prepared.destinations.iter().enumerate() {
            let mut known = self.tables.iter_mut().zip(&mut self.report.tables);
            if let Some((table, report)) = known.find(|(table, _)| table.target == destination.target) {
                table.routes.push(index);
                report.routes.push(destination.route.clone());
                continue;
            }
            let target = destination.target.clone();
            let (compared, provenance) = match self.subject.provenance(&target, &wanted.columns)? {
                _ if destination.sink().reading().is_none() => {
                    (Compared::Nothing("its sink cannot be asked which rows it has".to_owned()), None)
                }
                Ok(provenance) => (Compared::Offset, Some(provenance)),
                Err(why) => match self.cannot_be_counted(&target, wanted) {
                    None => (Compared::Count(why), None),
                    Some(neither) => (Compared::Nothing(format!("{why}; {neither}")), None),
                },
            };
            self.report.tables.push(TableReport {
                table: target.to_string(),
                routes: vec![destination.route.clone()],
                compared,
                expected: 0,
                written: 0,
                rejected: 0,
                missing: 0,
                doubled: 0,
                unexpected: 0,
                offsets: Runs::new(wanted.listed),
            });
            self.tables.push(Compare { target, routes: vec![index], provenance });
        }
        Ok(())
    }

    /// Why a count of all rows of a table says nothing.
    fn cannot_be_counted(&self, target: &Target, wanted: &Wanted) -> Option<String> {
        let mut routes = self.subject.prepared.destinations.iter().filter(|destination| destination.target == *target);
        if routes.any(|destination| destination.mode != Mode::Insert) {
            return Some("how many rows that makes depends on those that were there".to_owned());
        }
        if let Some((other, _)) = self.subject.others_writing(target).next() {
            return Some(format!("rows are not counted, since pipeline {other} writes there too"));
        }
        let Wanted { topic, partition, from, to, .. } = wanted;
        let all = topic.is_none() && partition.is_none() && from.is_none() && to.is_none();
        (!all).then(|| "rows are counted only where all records are audited".to_owned())
    }

    async fn run(&mut self, wanted: &Wanted) -> Result<(), SubjectFault> {
        let (subject, asked) = (self.subject.clone(), wanted.clone());
        let (excerpts, found) = blocking(move || {
            let excerpts = excerpts(&subject, asked.timeout)?;
            let found = spans(&subject, &excerpts, &asked)?;
            Ok((Arc::new(excerpts), found))
        })
        .await?;
        self.report.notes.extend(found.notes);
        if let OnReject::DeadLetter(topic) = &self.subject.settings().on_reject {
            // Behind the group's offsets: what is committed has its letters by now.
            let (asked, ranges, topic) = (excerpts.clone(), found.ranges.clone(), topic.clone());
            let offsets = Runs::new(wanted.listed);
            let letters = LettersReport { topic: topic.clone(), written: 0, missing: 0, doubled: 0, offsets };
            self.report.dead_letters = Some(letters);
            self.letters = Some(blocking(move || Letters::read(&asked, &topic, &ranges).map_err(failed)).await?);
        }
        for range in found.ranges {
            self.range(&excerpts, range).await?;
        }
        // Its threads are joined where waiting is allowed.
        let _ = tokio::task::spawn_blocking(move || drop(excerpts)).await;
        self.count_tables().await
    }

    async fn range(&mut self, excerpts: &Arc<Excerpts>, range: Range) -> Result<(), SubjectFault> {
        let mut excerpt = excerpts.read(&range, PIECE).map_err(failed)?;
        let mut read = 0;
        loop {
            let (given_back, piece) = next_piece(excerpt).await?;
            excerpt = given_back;
            let Some((piece, records)) = piece else { break };
            read += count(records.len());
            self.piece(piece, records).await?;
        }
        self.report.records.read += read;
        let Range { topic, partition, first, next } = range;
        self.report.partitions.push(PartitionReport { topic: topic.to_string(), partition, first, next, read });
        Ok(())
    }

    /// Compares one piece.
    async fn piece(&mut self, range: Range, records: Records) -> Result<(), SubjectFault> {
        let transformed = self.subject.transform(range.clone(), records, Lineage(0)).await.map_err(failed)?;
        let found = join_all(self.tables.iter().map(|table| self.ask(table, &range))).await;
        let mut fates = Fates::default();
        for (index, found) in found.into_iter().enumerate() {
            self.table(index, &range, &transformed, found?, &mut fates)?;
        }
        self.judge(&range, &transformed, &fates);
        Ok(())
    }

    /// None where a table cannot be asked.
    async fn ask(&self, table: &Compare, range: &Range) -> Result<Option<Vec<Found>>, SubjectFault> {
        let Some(provenance) = &table.provenance else { return Ok(None) };
        let Some(destination) = table.routes.first().and_then(|route| self.subject.prepared.destinations.get(*route))
        else {
            return Ok(None);
        };
        let Some(reading) = destination.sink().reading() else { return Ok(None) };
        let question = Question { table: &table.target.table, provenance, range };
        reading.rows(question).await.map(Some).map_err(|fault| failed(format!("{}: {fault}", table.target)))
    }

    /// Compares what a table has of a piece.
    fn table(
        &mut self,
        index: usize,
        range: &Range,
        transformed: &Transformed,
        found: Option<Vec<Found>>,
        fates: &mut Fates,
    ) -> Result<(), SubjectFault> {
        let (Some(table), Some(report)) = (self.tables.get(index), self.report.tables.get_mut(index)) else {
            return Ok(());
        };
        let ordinal = table.provenance.as_ref().and_then(|provenance| provenance.ordinal.as_deref());
        let mut expected = Vec::new();
        let mut of_ranges = 0;
        for route in &table.routes {
            let columns = self.subject.prepared.destinations.get(*route).map(|each| each.columns()).unwrap_or_default();
            let Some(rows) = transformed.routes.get(*route) else { continue };
            let rows = expected::rows(transformed, rows, columns, ordinal).map_err(failed)?;
            of_ranges += count(rows.iter().filter(|row| row.is_none()).count());
            expected.extend(rows.into_iter().flatten());
        }
        report.expected += count(expected.len()) + of_ranges;
        fates.made.extend(expected.iter().map(|row| row.offset));
        if of_ranges > 0 && report.compared == Compared::Offset {
            report.compared = Compared::Nothing(
                "the plugin writes rows there that stand for a range as a whole, and where ranges were closed is not known any more"
                    .to_owned(),
            );
        }
        let (Some(found), Compared::Offset) = (found, &report.compared) else { return Ok(()) };
        let partition = TopicPartition { topic: range.topic.clone(), partition: range.partition };
        for (offset, record) in compare::compare(&expected, &found) {
            report.written += record.written;
            if record.written > 0 {
                fates.found.insert(offset);
            }
            // A record that is kept with its reason is not lost, whatever the plugin makes of it now.
            let kept = self.letters.as_ref().is_some_and(|letters| letters.of(&partition, offset) > 0);
            let mut missing = record.missing;
            if kept && record.written == 0 && missing > 0 {
                report.rejected += missing;
                fates.kept.insert(offset);
                missing = 0;
            }
            if missing > 0 {
                fates.missing.insert(offset);
            }
            report.missing += missing;
            report.doubled += record.doubled;
            report.unexpected += record.unexpected;
            let at = (&*range.topic, range.partition);
            report.offsets.add(Wrong::Missing, at, offset, missing);
            report.offsets.add(Wrong::Doubled, at, offset, record.doubled);
            report.offsets.add(Wrong::Unexpected, at, offset, record.unexpected);
        }
        Ok(())
    }

    /// Says what became of each record of a piece, and whether its letter is there.
    fn judge(&mut self, range: &Range, transformed: &Transformed, fates: &Fates) {
        let partition = TopicPartition { topic: range.topic.clone(), partition: range.partition };
        let rejected: BTreeSet<usize> = transformed.rejects.iter().map(|reject| reject.record).collect();
        let records = &mut self.report.records;
        for (index, offset) in transformed.batch.records.offsets.iter().enumerate() {
            let letters = self.letters.as_ref().map(|letters| letters.of(&partition, *offset));
            let made = fates.made.contains(offset);
            let refused = rejected.contains(&index);
            let has_letter = letters.is_some_and(|letters| letters > 0);
            if fates.missing.contains(offset) {
                records.missing += 1;
            } else if made && !fates.kept.contains(offset) && !refused {
                records.written += 1;
                records.written_and_rejected += u64::from(has_letter);
            } else if has_letter {
                records.rejected += 1;
                records.rejected_with_rows += u64::from(fates.found.contains(offset));
            } else if !refused {
                records.dropped += 1;
            } else if letters.is_none() {
                records.rejected += 1;
            } else if !made && fates.found.contains(offset) {
                // Another version took it.
                records.written += 1;
            } else {
                records.missing += 1;
                if let Some(report) = &mut self.report.dead_letters {
                    report.missing += 1;
                    report.offsets.add(Wrong::Missing, (&range.topic, range.partition), *offset, 1);
                }
            }
        }
        let (Some(letters), Some(report)) = (&self.letters, &mut self.report.dead_letters) else { return };
        for (offset, count) in letters.within(range) {
            report.written += count;
            report.doubled += count - 1;
            report.offsets.add(Wrong::Doubled, (&range.topic, range.partition), offset, count - 1);
        }
    }

    /// Compares counts where nothing else can be compared.
    async fn count_tables(&mut self) -> Result<(), SubjectFault> {
        for (table, report) in self.tables.iter().zip(&mut self.report.tables) {
            if !matches!(report.compared, Compared::Count(_)) {
                continue;
            }
            let destination = table.routes.first().and_then(|route| self.subject.prepared.destinations.get(*route));
            let Some(reading) = destination.and_then(|destination| destination.sink().reading()) else { continue };
            let counted = reading.count(&table.target.table).await;
            report.written = counted.map_err(|fault| failed(format!("{}: {fault}", table.target)))?;
            report.missing = report.expected.saturating_sub(report.written);
            report.doubled = report.written.saturating_sub(report.expected);
        }
        Ok(())
    }
}

/// What is known of the records of a piece, by their offsets.
#[derive(Default)]
struct Fates {
    /// The plugin makes rows of them.
    made: BTreeSet<i64>,
    /// A table has rows of them.
    found: BTreeSet<i64>,
    /// They lack rows, and are dead letters.
    kept: BTreeSet<i64>,
    /// They lack rows, and nothing says why.
    missing: BTreeSet<i64>,
}

/// What is read, and what an operator should know of it.
struct Spans {
    ranges: Vec<Range>,
    notes: Vec<String>,
}

fn excerpts(subject: &Subject, timeout: Duration) -> Result<Excerpts, SubjectFault> {
    Excerpts::new(&subject.shared.kafka, &subject.settings().group, timeout).map_err(failed)
}

/// The offsets that are audited, by partition. Blocks.
fn spans(subject: &Subject, excerpts: &Excerpts, wanted: &Wanted) -> Result<Spans, SubjectFault> {
    let own = &subject.settings().topics;
    if let Some(topic) = wanted.topic.as_ref().filter(|topic| !own.contains(topic)) {
        let own = own.join(", ");
        return Err(SubjectFault::Unusable(format!("--topic is \"{topic}\"; the pipeline reads {own}")));
    }
    let from = match (wanted.from, subject.settings().start.otherwise) {
        (Some(from), _) => Some(from),
        (None, StartPoint::Earliest) => None,
        (None, StartPoint::Time(time)) => Some(Place::Time(time)),
        (None, StartPoint::Latest) => {
            return Err(SubjectFault::Unusable(
                "the pipeline began at the end of its topics, and nobody knows any more where that was; --from says where to begin"
                    .to_owned(),
            ));
        }
    };
    let mut spans = Spans { ranges: Vec::new(), notes: Vec::new() };
    for topic in own.iter().filter(|topic| wanted.topic.as_ref().is_none_or(|wanted| wanted == *topic)) {
        let mut partitions = excerpts.partitions(topic).map_err(failed)?;
        partitions.retain(|each| wanted.partition.is_none_or(|wanted| wanted == each.partition));
        if partitions.is_empty() {
            let partition = wanted.partition.unwrap_or_default();
            return Err(SubjectFault::Unusable(format!(
                "--partition is {partition}; topic {topic} has no such partition"
            )));
        }
        let kept = excerpts.kept(&partitions).map_err(failed)?;
        let committed = excerpts.committed(&partitions).map_err(failed)?;
        let bounds = |partition: &TopicPartition| kept.get(partition).map_or((0, 0), |kept| (kept.first, kept.next));
        let end = |partition: &TopicPartition| bounds(partition).1;
        let firsts = match from {
            Some(place) => offsets_of(excerpts, &partitions, place, end).map_err(failed)?,
            None => vec![0; partitions.len()],
        };
        let nexts = match wanted.to {
            Some(place) => offsets_of(excerpts, &partitions, place, end).map_err(failed)?,
            None if committed.is_empty() => {
                spans.notes.push(format!(
                    "group {} has committed nothing of topic {topic}: read to the end",
                    subject.settings().group
                ));
                partitions.iter().map(end).collect()
            }
            None => partitions.iter().map(|each| committed.get(each).copied().unwrap_or_default()).collect(),
        };
        for ((partition, first), next) in partitions.iter().zip(firsts).zip(nexts) {
            let (oldest, end) = bounds(partition);
            let named = subject.settings().start.offsets.get(&(topic.clone(), partition.partition));
            let first = if wanted.from.is_none() { named.copied().unwrap_or(first) } else { first };
            if first < oldest {
                spans
                    .notes
                    .push(format!("{partition}: offsets {first}-{oldest} are gone from Kafka and were not audited"));
            }
            let next = next.min(end);
            let done = committed.get(partition).copied().unwrap_or_default();
            if wanted.to.is_some() && next > done {
                spans.notes.push(format!(
                    "{partition}: the group has completed the offsets before {done}; what is missing behind may be under way"
                ));
            }
            let first = first.max(oldest);
            if first < next {
                let TopicPartition { topic, partition } = partition.clone();
                spans.ranges.push(Range { topic, partition, first, next });
            }
        }
    }
    Ok(spans)
}
