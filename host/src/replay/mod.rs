//! Processes records once more that were processed before: dead letters, or ranges of offsets, by the pipeline's present plugin or by
//! another. Called by `tidegate replay`. It consumes nothing on behalf of the pipeline's group and leaves the dead letters where they
//! are; all that it changes is the tables, and that only when it is asked to.
//!
//! Every batch has a lineage of its own, a hash of its records and of the version that processes them, so that the same replay writes
//! under the same tokens. Tables that can be asked are asked besides, before anything is written: rows that are there are not written.
//!
//! ```text
//! source.rs   what is replayed, in batches
//! allowed.rs  what would double rows without anybody noticing
//! there.rs    which rows are there already
//! write.rs    the others, into the tables
//! report.rs   what that comes to
//! ```

mod allowed;
mod report;
mod source;
mod there;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use report::{Fate, Report, RouteReport, Sample};
pub use source::{Offsets, Selection};

use crate::audit::Runs;
use crate::config::{Mode, OnReject};
use crate::kafka::Excerpts;
use crate::pipeline::{Destination, Range, Transformed};
use crate::rows::{Decoder, write_json};
pub use crate::subject::{ColumnNames, Instead, SubjectFault};
use crate::subject::{Purpose, Subject, blocking, count, failed, next_piece};
use allowed::{allowed, completed, pinned, unasked};
use source::{Batch, PIECE, Seen};
use there::{Asked, There};

/// What is asked of a replay.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What is replayed.
    pub selection: Selection,
    /// Files and tables that take the place of the pipeline's own.
    pub instead: Instead,
    /// Whether rows are written.
    pub write: bool,
    /// Whether the operator says that the rows of a range of offsets were deleted.
    pub after_delete: bool,
    /// Which time the same is replayed, where its rows were deleted again in between.
    pub again: u32,
    /// What the plugin calls its columns.
    pub columns: ColumnNames,
    /// How long Kafka may take to answer.
    pub timeout: Duration,
    /// How many records are shown, before and after.
    pub samples: usize,
    /// How many runs of offsets are listed.
    pub listed: usize,
}

impl Wanted {
    /// Whether a route's rows go to another table than the pipeline's.
    fn is_elsewhere(&self, route: &str) -> bool {
        self.instead.tables.iter().any(|(other, _)| other == route)
    }
}

/// Replays: looks first, and writes where that is wanted and nothing speaks against it.
///
/// # Errors
/// Where that cannot be done, or not now.
pub async fn replay(config: &Path, pipeline: &str, wanted: &Wanted) -> Result<Report, SubjectFault> {
    let purpose = if wanted.write { Purpose::Writing } else { Purpose::Reading };
    let subject = Arc::new(Subject::open(config, pipeline, &wanted.instead, purpose).await?);
    let report = look_and_write(&subject, wanted).await;
    if let Some(subject) = Arc::into_inner(subject) {
        subject.close().await;
    }
    report
}

async fn look_and_write(subject: &Arc<Subject>, wanted: &Wanted) -> Result<Report, SubjectFault> {
    let asked = asked(subject, wanted)?;
    allowed(subject, wanted, &asked)?;
    let (shared, timeout) = (subject.clone(), wanted.timeout);
    let selection = wanted.selection.clone();
    let (excerpts, ranges, ahead) = blocking(move || {
        let excerpts = Excerpts::new(&shared.shared.kafka, &shared.settings().group, timeout).map_err(failed)?;
        let letters = match &shared.settings().on_reject {
            OnReject::DeadLetter(topic) => Some(topic.as_str()),
            OnReject::Stop | OnReject::Drop => None,
        };
        let ranges = selection.ranges(&excerpts, &shared.settings().topics, letters)?;
        let ahead = selection.ahead(&excerpts)?;
        Ok((Arc::new(excerpts), ranges, ahead))
    })
    .await?;
    pinned(subject, wanted, &asked, &ranges)?;
    let ahead = completed(subject, wanted, ahead)?;
    let pass = |write| Pass { subject, wanted, asked: &asked, excerpts: &excerpts, write };
    let mut report = pass(false).run(&ranges).await?;
    if wanted.write && report.conflicts == 0 {
        report = pass(true).run(&ranges).await?;
    }
    report.notes.extend(ahead);
    // Its threads are joined where waiting is allowed.
    let _ = tokio::task::spawn_blocking(move || drop(excerpts)).await;
    Ok(report)
}

/// The tables that can be asked which rows they have.
fn asked(subject: &Subject, wanted: &Wanted) -> Result<Vec<Asked>, SubjectFault> {
    let mut asked: Vec<Asked> = Vec::new();
    for (index, destination) in subject.prepared.destinations.iter().enumerate() {
        if let Some(table) = asked.iter_mut().find(|table| table.target == destination.target) {
            table.routes.push(index);
        } else if destination.sink().reading().is_some()
            && let Ok(provenance) = subject.provenance(&destination.target, &wanted.columns)?
        {
            asked.push(Asked { target: destination.target.clone(), routes: vec![index], provenance });
        }
    }
    Ok(asked)
}

/// One time through all that is replayed.
struct Pass<'p> {
    subject: &'p Arc<Subject>,
    wanted: &'p Wanted,
    asked: &'p [Asked],
    excerpts: &'p Arc<Excerpts>,
    write: bool,
}

impl Pass<'_> {
    async fn run(&self, ranges: &[Range]) -> Result<Report, SubjectFault> {
        let mut report = self.report(ranges);
        let mut seen = Seen::default();
        let topics = &self.subject.settings().topics;
        for range in ranges {
            let mut excerpt = self.excerpts.read(range, PIECE).map_err(failed)?;
            loop {
                let (given_back, piece) = next_piece(excerpt).await?;
                excerpt = given_back;
                let Some((piece, records)) = piece else { break };
                for batch in self.wanted.selection.batches(piece, records, topics, &mut seen)? {
                    self.batch(batch, &mut report).await?;
                }
            }
        }
        (report.doubled_letters, report.other_letters) = (seen.doubled, seen.others);
        Ok(report)
    }

    /// Routes to tables of the pipeline's that cannot be asked, and take a row twice where it is written twice.
    fn untold(&self) -> BTreeMap<usize, &Destination> {
        let routes = self.subject.prepared.destinations.iter().enumerate();
        let is_untold = |(index, destination): &(usize, &Destination)| {
            let replaces = matches!(destination.mode, Mode::Update(_) | Mode::Merge(_));
            !replaces && !there::tells(self.asked, *index) && !self.wanted.is_elsewhere(&destination.route)
        };
        routes.filter(is_untold).collect()
    }

    async fn batch(&self, batch: Batch, report: &mut Report) -> Result<(), SubjectFault> {
        if batch.records.is_empty() {
            return Ok(());
        }
        let lineage = batch.lineage(&self.subject.bundle, self.wanted.again);
        let Batch { range, records, before, refused } = batch;
        let transformed = self.subject.transform(range, records, lineage).await;
        let mut transformed = transformed.map_err(failed)?;
        if self.wanted.write {
            write::fits(self.subject, self.asked, &transformed)?;
        }
        let all_gone = matches!(self.wanted.selection, Selection::Offsets(_));
        let untold = self.untold().into_keys().collect();
        let doubts = there::in_doubt(self.subject, &untold, &transformed, &refused)?;
        let mut there = there::take_out(self.subject, self.asked, &mut transformed, all_gone).await?;
        there.doubts = doubts;
        if self.write {
            if let Some(offset) = there.conflicts.first().or(there.doubts.first()) {
                let range = &transformed.batch.range;
                return Err(failed(format!(
                    "{range}: some rows of offset {offset} have come meanwhile; nothing more was written"
                )));
            }
            write::write(self.subject, self.asked, &mut transformed).await?;
            self.verify(&transformed).await?;
        }
        self.tell(&transformed, &there, &before, report);
        Ok(())
    }

    /// A token that was spent before its rows were deleted swallows them, and the table says that it took them. What has no token is there
    /// twice where a try has landed after all, or where somebody else writes it too.
    async fn verify(&self, transformed: &Transformed) -> Result<(), SubjectFault> {
        let not_once = there::not_once(self.subject, self.asked, transformed).await?;
        let (lacking, doubled): (Vec<_>, Vec<_>) = not_once.iter().partition(|(_, _, record)| record.missing > 0);
        let range = &transformed.batch.range;
        if let Some((target, offset, _)) = lacking.first() {
            return Err(failed(format!(
                "{target} has taken the rows of {} records of {range} and does not have them; the first is offset {offset}. It may have had them from the \
                 same replay before they were deleted, or have refused them then: --again {} replays them as something else{}",
                lacking.len(),
                self.wanted.again + 1,
                match unasked(self.subject, self.asked) {
                    Some(untold) =>
                        format!("; {untold}, which does not tell which rows it has, would have its rows twice then"),
                    None => String::new(),
                }
            )));
        }
        match doubled.first() {
            None => Ok(()),
            Some((target, offset, _)) => Err(failed(format!(
                "{target} has rows of {} records of {range} more than once; the first is offset {offset}. Either an insert that nobody had heard the end \
                 of came late, or somebody else writes these rows too; `tidegate audit` names all that are there twice",
                doubled.len()
            ))),
        }
    }

    /// Adds what came of a batch.
    fn tell(&self, transformed: &Transformed, there: &There, before: &BTreeMap<i64, String>, report: &mut Report) {
        let Range { topic, partition, .. } = &transformed.batch.range;
        let records = &transformed.batch.records;
        let refused: BTreeSet<usize> = transformed.rejects.iter().map(|reject| reject.record).collect();
        report.records += count(records.len());
        for reject in &transformed.rejects {
            report.reject(reject.stage.name(), &reject.reason);
        }
        for (index, route) in report.routes.iter_mut().enumerate() {
            route.rows += transformed.routes.get(index).map(|rows| count(rows.rows)).unwrap_or_default();
            route.there += there.rows.get(&index).copied().unwrap_or_default();
        }
        for (index, offset) in records.offsets.iter().enumerate() {
            let fate = if there.conflicts.contains(offset) {
                report.conflicts += 1;
                Fate::Conflict
            } else if there.doubts.contains(offset) {
                report.conflicts += 1;
                Fate::Doubt
            } else if refused.contains(&index) {
                continue;
            } else if there.open.contains(offset) {
                report.through += 1;
                Fate::Through
            } else if there.records.contains(offset) {
                report.there += 1;
                Fate::There
            } else {
                report.dropped += 1;
                continue;
            };
            report.offsets.add(fate, (topic, *partition), *offset, 1);
        }
        if !there.doubts.is_empty() {
            self.tell_doubts(report);
        }
        let wanted = self.wanted.samples.saturating_sub(report.samples.len());
        for index in (0..records.len()).take(wanted) {
            report.samples.push(self.sample(transformed, index, before));
        }
    }

    /// Says once of each table how its rows go where they can be told apart.
    fn tell_doubts(&self, report: &mut Report) {
        for Destination { target, route, .. } in self.untold().into_values() {
            let note = format!(
                "{target} does not tell which rows it has, and may have those of records of which another table refused the rows; \
                 --into {route}=SINK:TABLE writes that route's rows elsewhere"
            );
            if !report.notes.contains(&note) {
                report.notes.push(note);
            }
        }
    }

    fn sample(&self, transformed: &Transformed, index: usize, before: &BTreeMap<i64, String>) -> Sample {
        let Range { topic, partition, .. } = &transformed.batch.range;
        let offset = transformed.batch.records.offsets.get(index).copied().unwrap_or_default();
        let reject = transformed.rejects.iter().find(|reject| reject.record == index);
        let mut rows = Vec::new();
        for (destination, of_route) in self.subject.prepared.destinations.iter().zip(&transformed.routes) {
            for chunk in &of_route.chunks {
                let own = chunk.rows().zip(&chunk.origins).filter(|(_, origin)| usize::try_from(**origin) == Ok(index));
                for (row, _) in own {
                    let mut json = Vec::new();
                    if destination.columns().is_empty() {
                        json.extend_from_slice(row.trim_ascii());
                    } else if write_json(destination.columns(), &mut Decoder::new(row), &mut json).is_err() {
                        continue;
                    }
                    rows.push(format!("{} {}", destination.route, String::from_utf8_lossy(&json)));
                }
            }
        }
        Sample {
            partition: format!("{topic}/{partition}"),
            offset,
            before: before.get(&offset).cloned(),
            rejected: reject.map(|reject| format!("{}: {}", reject.stage.name(), reject.reason)),
            rows,
        }
    }

    fn report(&self, ranges: &[Range]) -> Report {
        let description = self.subject.prepared.plugin.description();
        let mut notes = Vec::new();
        let routes = self.subject.prepared.destinations.iter().enumerate().map(|(index, destination)| {
            let asked = self.asked.iter().any(|table| table.routes.contains(&index));
            if destination.mode != Mode::Insert {
                notes.push(format!(
                    "{}: what is written takes the place of rows that are there, also where those are of later records",
                    destination.target
                ));
            } else if !asked {
                notes.push(format!(
                    "{} does not tell which rows it has; only the tokens of its inserts keep a replay from doubling rows",
                    destination.target
                ));
            }
            RouteReport {
                route: destination.route.clone(),
                table: destination.target.to_string(),
                rows: 0,
                there: 0,
                asked,
            }
        });
        let routes = routes.collect();
        Report {
            pipeline: self.subject.name.to_string(),
            plugin: format!("{} {}", description.name, description.version).trim().to_owned(),
            hash: self.subject.prepared.plugin.hash().to_string(),
            written: self.write,
            sources: ranges.iter().map(ToString::to_string).collect(),
            records: 0,
            through: 0,
            there: 0,
            rejected: 0,
            dropped: 0,
            conflicts: 0,
            doubled_letters: 0,
            other_letters: 0,
            routes,
            reasons: BTreeMap::new(),
            offsets: Runs::new(self.wanted.listed),
            samples: Vec::new(),
            notes,
        }
    }
}
