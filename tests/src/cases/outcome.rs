//! What came of records, in a form that two of can be compared and their difference read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, ensure};
use tidegate::pipeline::{Chunk, Stage, Transformed};
use tidegate::plugin::{Description, Route};
use tidegate::rows::{Decoder, Value};

/// Rows by route and refusals, each told in the words that name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// From what it is, such as `sale row 3, price`, to its text.
    facts: BTreeMap<String, String>,
    rows: BTreeMap<String, usize>,
}

impl Outcome {
    /// Reads what a batch was transformed to.
    ///
    /// # Errors
    /// Where rows are not as described, which the gateway's own check must have refused.
    pub fn new(description: &Description, transformed: &Transformed) -> anyhow::Result<Self> {
        let mut outcome = Self::default();
        for (route, rows) in description.routes.iter().zip(&transformed.routes) {
            for chunk in &rows.chunks {
                outcome.chunk(route, chunk).with_context(|| format!("read rows for route {}", route.name))?;
            }
        }
        for reject in &transformed.rejects {
            match reject.stage {
                Stage::Transform => outcome.reject(reject.record, &reject.reason),
                Stage::Encode => outcome.reject(reject.record, &format!("by the gateway: {}", reject.reason)),
            }
        }
        Ok(outcome)
    }

    fn chunk(&mut self, route: &Route, chunk: &Chunk) -> anyhow::Result<()> {
        let mut start = 0;
        for (end, origin) in chunk.ends.iter().zip(&chunk.origins) {
            let end = usize::try_from(*end)?;
            let mut row = Decoder::new(chunk.bytes.get(start..end).context("a row ends beyond the bytes")?);
            let mut columns = Vec::with_capacity(route.columns.len());
            for column in &route.columns {
                match row.value(column)? {
                    Value::Null => {}
                    value => columns.push((column.name.as_str(), value.to_string())),
                }
            }
            ensure!(row.is_empty(), "bytes stand behind the last column");
            let record = usize::try_from(*origin).ok().filter(|_| *origin != u32::MAX);
            self.row(&route.name, record, columns);
            start = end;
        }
        Ok(())
    }

    /// Adds the next row of a route; `columns` are those that are not null.
    pub fn row<'a>(
        &mut self,
        route: &str,
        record: Option<usize>,
        columns: impl IntoIterator<Item = (&'a str, String)>,
    ) {
        let rows = self.rows.entry(route.to_owned()).or_default();
        let row = format!("{route} row {rows:04}");
        *rows += 1;
        let origin = record.map_or_else(|| "of the range".to_owned(), |record| format!("of record {record}"));
        self.facts.insert(row.clone(), origin);
        for (column, text) in columns {
            self.facts.insert(format!("{row}, {column}"), text);
        }
    }

    /// Adds a refusal; a second one of the same record stays visible.
    pub fn reject(&mut self, record: usize, reason: &str) {
        let mut name = format!("reject of record {record:04}");
        while self.facts.contains_key(&name) {
            name.push_str(", once more");
        }
        self.facts.insert(name, reason.to_owned());
    }

    /// One line for everything that differs; empty where nothing does.
    pub fn difference(&self, found: &Self) -> String {
        let mut lines = String::new();
        let names: BTreeSet<_> = self.facts.keys().chain(found.facts.keys()).collect();
        for name in names {
            // Writing to a String cannot fail.
            let _ = match (self.facts.get(name), found.facts.get(name)) {
                (Some(expected), Some(found)) if expected == found => Ok(()),
                (Some(expected), Some(found)) => {
                    writeln!(lines, "{name}:\n    expected {expected}\n    found    {found}")
                }
                (Some(expected), None) => writeln!(lines, "{name}: missing, expected {expected}"),
                (None, Some(found)) => writeln!(lines, "{name}: not expected, found {found}"),
                (None, None) => Ok(()),
            };
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(price: &str, record: Option<usize>) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.row("sale", record, [("price", price.to_owned())]);
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
}
