//! A range once more, as it was planned: the same records go through the same bundle, and what was left out is left out again. Nobody looks for
//! further records to blame, since rows of this range may be in its tables already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_ledger::{Planned, Verdicts};

use super::answers::Collected;
use super::batch::Batch;
use super::deployment::Deployment;
use super::isolate::PATIENCE;
use super::range::Range;
use super::slices::Part;
use super::transform::{Failed, Fault, Reject, Stage, Transformed, failed, run};
use crate::plugin::{GuestFault, Plugin};

/// So many of the records that were left out are run alone, for the reason that stands in their letters.
const TOLD: usize = 100;

const TRAPPED_BEFORE: &str =
    "the plugin failed on it when the range was first processed, before another gateway took over";
const REFUSED_BEFORE: &str = "the table refused it when the range was first written, before another gateway took over";

/// Runs a batch through a version as it was planned. The rows are those that were sent before, if any were.
///
/// # Errors
/// Where the plugin fails on what it took before, or a table does not hold any more what it held.
pub async fn again(version: Arc<Deployment>, batch: Batch, planned: Planned) -> Result<Transformed, Box<Failed>> {
    let Deployment { plugin, tables, .. } = &*version;
    let index = |record: &u32| {
        let offset = planned.first.checked_add(i64::from(*record))?;
        batch.records.offsets.binary_search(&offset).ok()
    };
    let poison: Vec<usize> = planned.verdicts.poison.iter().filter_map(index).collect();
    let refused: Vec<(usize, Vec<usize>)> = planned
        .verdicts
        .refused
        .iter()
        .map(|(route, records)| (usize::from(*route), records.iter().filter_map(index).collect()))
        .collect();
    let collected = match run_without(&**plugin, &batch, &poison).await {
        Ok(collected) => collected,
        Err(Fault { records, fault }) => return Err(Box::new(failed(batch, records, fault))),
    };
    let letters = letters(&**plugin, &batch, &poison).await;
    let mut transformed = collected.into_transformed(&**plugin, batch, letters);
    for (route, records) in refused {
        let reasons: BTreeMap<_, _> = records.into_iter().map(|record| (record, REFUSED_BEFORE.to_owned())).collect();
        transformed.refuse(route, Stage::Sink, reasons);
    }
    for (index, ((target, table), route)) in tables.iter().zip(&plugin.description().routes).enumerate() {
        let Some(rule) = table.rule() else { continue };
        let problem = match transformed.reject_refused(index, &route.name, rule) {
            Ok(0) => continue,
            Ok(_) => {
                let reason = transformed.rejects.last().map(|reject| reject.reason.clone()).unwrap_or_default();
                GuestFault::Contract(format!("table `{}` does not hold what it held: {reason}", target.table))
            }
            Err(fault) => fault,
        };
        let records = 0..transformed.batch.records.len();
        return Err(Box::new(failed(transformed.into_batch(), records, problem)));
    }
    Ok(transformed)
}

async fn run_without(plugin: &dyn Plugin, batch: &Batch, poison: &[usize]) -> Result<Collected, Fault> {
    let whole = Part::whole(batch);
    let records = whole.records.clone();
    if poison.len() == records.len() {
        return Ok(Collected::new(plugin.description(), records.len()));
    }
    let begun = plugin.fresh_guest(&batch.range).await;
    let mut guest = begun.map_err(|fault| Fault { records, fault })?;
    // That it takes longer than it did is no reason to stop here.
    if let Some(budget) = plugin.cpu_budget() {
        guest.set_cpu_budget(budget * PATIENCE);
    }
    run(plugin, &mut *guest, batch, &Part { without: poison, ..whole }).await
}

/// What is said of the records that are left out.
async fn letters(plugin: &dyn Plugin, batch: &Batch, poison: &[usize]) -> Vec<Reject> {
    let mut rejects = Vec::with_capacity(poison.len());
    for (index, record) in poison.iter().copied().enumerate() {
        let mut reason = TRAPPED_BEFORE.to_owned();
        if index < TOLD
            && let Ok(mut guest) = plugin.fresh_guest(&batch.range).await
            && let Err(Fault { fault, .. }) =
                run(plugin, &mut *guest, batch, &Part { records: record..record + 1, without: &[] }).await
        {
            reason = fault.to_string();
        }
        rejects.push(Reject { record, stage: Stage::Trap, reason });
    }
    rejects
}

impl Transformed {
    /// What of a range's rows depends on more than its records and its bundle, as a plan says it. `records` are those of the range.
    pub(super) fn verdicts_of(&self, range: &Range, records: std::ops::Range<usize>) -> Verdicts {
        let record = |index: &usize| {
            let offset = self.batch.records.offsets.get(*index).filter(|_| records.contains(index))?;
            u32::try_from(offset.checked_sub(range.first)?).ok()
        };
        let poison = self.rejects.iter().filter(|reject| reject.stage == Stage::Trap);
        let refused = self.refused.iter().filter_map(|(route, records)| {
            let records: BTreeSet<_> = records.iter().filter_map(record).collect();
            (!records.is_empty()).then_some((u16::try_from(*route).ok()?, records))
        });
        Verdicts {
            gaps: gaps(range, records.len()),
            poison: poison.filter_map(|reject| record(&reject.record)).collect(),
            refused: refused.collect(),
        }
    }
}

/// How many records of a batch are gone since it was planned.
pub fn gone(batch: &Batch, planned: &Planned) -> u32 {
    gaps(&batch.range, batch.records.len()).saturating_sub(planned.verdicts.gaps)
}

/// How many offsets of a range have no record, where it has so many.
fn gaps(range: &Range, records: usize) -> u32 {
    let offsets = u32::try_from(range.next.saturating_sub(range.first)).unwrap_or(u32::MAX);
    offsets.saturating_sub(u32::try_from(records).unwrap_or(u32::MAX))
}
