//! What came of records, in a form that two of can be compared and their difference read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, ensure};

use super::fact::Fact;
use crate::pipeline::{Chunk, Stage, Transformed};
use crate::plugin::{Description, Route};
use crate::rows::Decoder;

/// Rows by route, and rejects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// By route, in the order in which they came.
    pub(super) rows: BTreeMap<String, Vec<Row>>,
    /// Records with their reasons.
    pub(super) rejects: Vec<(usize, String)>,
    /// How many records have neither; a case need not say it.
    pub(super) dropped: Option<usize>,
}

/// A row; columns that it leaves out are null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// None for a row of the range as a whole.
    pub record: Option<usize>,
    /// In their order.
    pub columns: Vec<(String, Fact)>,
}

impl Outcome {
    /// Reads what a batch was transformed to.
    ///
    /// # Errors
    /// Where rows are not as described, which the gateway's own check must have refused.
    pub fn new(description: &Description, transformed: &Transformed) -> anyhow::Result<Self> {
        let mut outcome = Self { dropped: Some(transformed.dropped), ..Self::default() };
        for (route, rows) in description.routes.iter().zip(&transformed.routes) {
            for chunk in &rows.chunks {
                outcome.chunk(route, chunk).with_context(|| format!("read rows for route {}", route.name))?;
            }
        }
        for reject in &transformed.rejects {
            match reject.stage {
                Stage::Transform => outcome.reject(reject.record, &reject.reason),
                Stage::Encode | Stage::Trap | Stage::Sink => {
                    outcome.reject(reject.record, &format!("by the gateway: {}", reject.reason))
                }
            }
        }
        Ok(outcome)
    }

    fn chunk(&mut self, route: &Route, chunk: &Chunk) -> anyhow::Result<()> {
        let mut start = 0;
        for (end, origin) in chunk.ends.iter().zip(&chunk.origins) {
            let end = usize::try_from(*end)?;
            let row = chunk.bytes.get(start..end).context("a row ends beyond the bytes")?;
            let columns = if route.columns.is_empty() { members(row)? } else { columns(route, row)? };
            let record = usize::try_from(*origin).ok().filter(|_| *origin != u32::MAX);
            self.row(&route.name, record, columns);
            start = end;
        }
        Ok(())
    }

    /// Adds the next row of a route; `columns` are those that are not null.
    pub fn row(&mut self, route: &str, record: Option<usize>, columns: Vec<(String, Fact)>) {
        self.rows.entry(route.to_owned()).or_default().push(Row { record, columns });
    }

    /// Adds a reject; a second one of the same record stays visible.
    pub fn reject(&mut self, record: usize, reason: &str) {
        self.rejects.push((record, reason.to_owned()));
    }

    /// One line for everything in which `found` is not this; empty where nothing is.
    pub fn difference(&self, found: &Self) -> String {
        let (expected, found_facts) = (self.facts(), found.facts());
        let names: BTreeSet<_> = expected.keys().chain(found_facts.keys()).collect();
        let mut lines = String::new();
        for name in names {
            // Writing to a String cannot fail.
            let _ = match (expected.get(name), found_facts.get(name)) {
                (Some(expected), Some(found)) if expected.is_met_by(found) => Ok(()),
                (Some(expected), Some(found)) => {
                    let found = found.beside(expected);
                    writeln!(lines, "{name}:\n    expected {expected}\n    found    {found}")
                }
                (Some(expected), None) => writeln!(lines, "{name}: missing, expected {expected}"),
                (None, Some(found)) => writeln!(lines, "{name}: not expected, found {found}"),
                (None, None) => Ok(()),
            };
        }
        if let (Some(expected), Some(found)) = (self.dropped, found.dropped)
            && expected != found
        {
            let _ = writeln!(lines, "dropped records:\n    expected {expected}\n    found    {found}");
        }
        lines
    }

    /// From what it is, such as `sale row 0003, price`, to its value.
    fn facts(&self) -> BTreeMap<String, Fact> {
        let mut facts = BTreeMap::new();
        for (route, rows) in &self.rows {
            for (index, row) in rows.iter().enumerate() {
                let name = format!("{route} row {index:04}");
                for (column, value) in &row.columns {
                    facts.insert(format!("{name}, {column}"), value.clone());
                }
                let origin = row.record.map_or("of the range".to_owned(), |record| format!("of record {record}"));
                facts.insert(name, Fact::Text(origin));
            }
        }
        for (record, reason) in &self.rejects {
            let mut name = format!("reject of record {record:04}");
            while facts.contains_key(&name) {
                name.push_str(", once more");
            }
            facts.insert(name, Fact::Text(reason.clone()));
        }
        facts
    }
}

fn columns(route: &Route, row: &[u8]) -> anyhow::Result<Vec<(String, Fact)>> {
    let mut row = Decoder::new(row);
    let mut columns = Vec::with_capacity(route.columns.len());
    for column in &route.columns {
        if let Some(value) = Fact::of_row(&row.value(column)?) {
            columns.push((column.name.clone(), value));
        }
    }
    ensure!(row.is_empty(), "bytes stand behind the last column");
    Ok(columns)
}

/// The members of a row that is a JSON object.
fn members(row: &[u8]) -> anyhow::Result<Vec<(String, Fact)>> {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(row)?;
    Ok(members.into_iter().filter_map(|(name, value)| Some((name, Fact::of_member(value)?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(price: &str, record: Option<usize>) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.row("sale", record, vec![("price".to_owned(), Fact::Text(price.to_owned()))]);
        outcome
    }

    #[test]
    fn a_difference_names_the_row_the_column_and_both_values() {
        let expected = outcome("1.00", Some(3));
        assert_eq!(expected.difference(&expected), "");
        let other = expected.difference(&outcome("2.00", Some(3)));
        assert_eq!(other, "sale row 0000, price:\n    expected 1.00\n    found    2.00\n");
        let other = expected.difference(&outcome("1.00", None));
        assert_eq!(other, "sale row 0000:\n    expected of record 3\n    found    of the range\n");
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_are_told_apart() {
        let (empty, mut refused) = (Outcome::default(), Outcome::default());
        refused.reject(2, "why");
        assert_eq!(empty.difference(&refused), "reject of record 0002: not expected, found why\n");
        assert_eq!(refused.difference(&empty), "reject of record 0002: missing, expected why\n");
        let once = refused.clone();
        refused.reject(2, "why");
        assert_eq!(once.difference(&refused), "reject of record 0002, once more: not expected, found why\n");
    }

    #[test]
    fn dropped_records_count_only_where_the_case_says_how_many() {
        let dropped = |dropped| Outcome { dropped, ..Outcome::default() };
        assert_eq!(dropped(None).difference(&dropped(Some(3))), "");
        let other = dropped(Some(2)).difference(&dropped(Some(3)));
        assert_eq!(other, "dropped records:\n    expected 2\n    found    3\n");
    }
}
