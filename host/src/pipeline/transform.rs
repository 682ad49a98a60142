//! From a batch to rows and rejects: the guest is called slice by slice, and nothing that it hands over is trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::answers::Collected;
pub use super::answers::{Chunk, RANGE_ORIGIN, RouteRows};
use super::batch::Batch;
use super::slices::{Part, Scratch};
use crate::plugin::{Guest, GuestFault, Plugin, contract};

/// What came of a batch.
#[derive(Debug)]
pub struct Transformed {
    /// The batch, with the records that rejects refer to.
    pub batch: Batch,
    /// One entry for every route of the plugin, in its order.
    pub routes: Vec<RouteRows>,
    /// In the order of the records, at most one for each.
    pub rejects: Vec<Reject>,
    /// Records that have neither a row nor a reject.
    pub dropped: usize,
    /// By route: records whose rows its table does not take.
    pub refused: BTreeMap<usize, BTreeSet<usize>>,
}

/// A record that could not become rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its index in the range.
    pub record: usize,
    /// Who refused it.
    pub stage: Stage,
    /// Why.
    pub reason: String,
}

/// The stage that refused a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The plugin.
    Transform,
    /// The host's check of the rows that the plugin wrote.
    Encode,
    /// The sandbox: the plugin trapped on it, went beyond a limit or broke the contract.
    Trap,
    /// The table that its rows were for.
    Sink,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Transform, Self::Encode, Self::Trap, Self::Sink];

    /// As headers and metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transform => "transform",
            Self::Encode => "encode",
            Self::Trap => "trap",
            Self::Sink => "sink",
        }
    }
}

/// Why a batch has no result. The batch was not to blame, or not known to be: its range is not complete.
#[derive(Clone, Debug, thiserror::Error)]
#[error("transform records {first} to {last}: {fault}")]
pub struct TransformFault {
    /// The first offset of the slice that failed.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// What happened.
    pub fault: GuestFault,
}

/// A batch that has no result, for another try.
#[derive(Debug)]
pub struct Failed {
    /// As it was.
    pub batch: Batch,
    /// Why.
    pub fault: TransformFault,
    /// Whom it concerns.
    pub concerns: Concerns,
}

/// Whom a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// This range: nobody looked which of its records are to blame.
    Range,
    /// Records of this range that fail together, and none of which fails alone.
    Together,
    /// The plugin: it cannot begin at all.
    Plugin,
    /// The plugin: it fails on every record that it was given alone, so many.
    EveryRecord(usize),
    /// The plugin: so many records fail that finding them takes more than a range may.
    TooMany(usize),
}

impl Concerns {
    /// Whether it is the plugin, whatever its records.
    pub fn is_plugin(self) -> bool {
        match self {
            Self::Range | Self::Together => false,
            Self::Plugin | Self::EveryRecord(_) | Self::TooMany(_) => true,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransformFault { first, last, fault } = &self.fault;
        match self.concerns {
            Concerns::Range => write!(f, "{}", self.fault),
            Concerns::Together => {
                write!(f, "records {first} to {last} fail together, though none of them fails alone: {fault}")
            }
            Concerns::Plugin => write!(f, "the plugin cannot begin: {fault}"),
            Concerns::EveryRecord(failed) => {
                write!(f, "each of {failed} records fails by itself, and none passes; record {first}: {fault}")
            }
            Concerns::TooMany(failed) => write!(
                f,
                "looking for the records to blame took too much CPU time, and found {failed}; records {first} to {last}: {fault}"
            ),
        }
    }
}

/// Runs a batch through its plugin.
///
/// # Errors
/// Where the guest traps, goes beyond a limit or breaks the contract; the offsets narrow down where.
pub async fn transform(plugin: Arc<dyn Plugin>, batch: Batch) -> Result<Transformed, Box<Failed>> {
    let part = Part::whole(&batch);
    let mut guest = match plugin.guest(&batch.range).await {
        Ok(guest) => guest,
        Err(fault) => {
            let records = 0..batch.records.len();
            return Err(Box::new(Failed { concerns: Concerns::Plugin, ..failed(batch, records, fault) }));
        }
    };
    match run(&*plugin, &mut *guest, &batch, &part).await {
        Ok(collected) => {
            plugin.give_back(guest);
            Ok(collected.into_transformed(&*plugin, batch, Vec::new()))
        }
        Err(Fault { records, fault }) => Err(Box::new(failed(batch, records, fault))),
    }
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct Fault {
    /// The records that were given to it, by their indexes.
    pub records: Range<usize>,
    /// How.
    pub fault: GuestFault,
}

/// Gives part of a batch to a guest in its first state: slice by slice, then the end.
pub(super) async fn run(
    plugin: &dyn Plugin,
    guest: &mut dyn Guest,
    batch: &Batch,
    part: &Part<'_>,
) -> Result<Collected, Fault> {
    let mut collected = Collected::new(plugin.description(), batch.records.len());
    let mut scratch = Scratch::default();
    let mut start = part.records.start;
    while let Some(members) = part.slice(&batch.records, start) {
        let records = members.of();
        start = records.end;
        if members.len() == 0 {
            continue;
        }
        let answered = guest.transform(scratch.slice(batch, &members)).await;
        let added = answered.and_then(|output| collected.add(plugin.description(), output, &members));
        added.map_err(|fault| Fault { records, fault })?;
    }
    let output = guest.finish().await.and_then(unless_failed);
    let added = output.and_then(|output| collected.add(plugin.description(), output, &part.all()));
    added.map_err(|fault| Fault { records: part.records.clone(), fault })?;
    Ok(collected)
}

/// The answer of `finish`, where it does not reject the range as a whole. No other call may.
fn unless_failed(mut output: contract::Output) -> Result<contract::Output, GuestFault> {
    match output.rejects.iter().position(|reject| reject.origin == RANGE_ORIGIN) {
        Some(index) => Err(GuestFault::Finish(output.rejects.swap_remove(index).reason)),
        None => Ok(output),
    }
}

/// A batch that failed by a call for these records.
pub(super) fn failed(batch: Batch, records: Range<usize>, fault: GuestFault) -> Failed {
    let offset = |index: usize| batch.records.offsets.get(index).copied().unwrap_or(batch.range.first);
    let (first, last) = (offset(records.start), offset(records.end.saturating_sub(1)));
    let fault = TransformFault { first, last, fault: fault.shortened(LONGEST_FAULT) };
    Failed { batch, fault, concerns: Concerns::Range }
}

/// The longest text of a fault that is kept, in bytes: a trap with its backtrace, whatever names a module gave its functions.
pub(super) const LONGEST_FAULT: usize = 4_096;
