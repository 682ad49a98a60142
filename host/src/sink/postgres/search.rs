//! The rows that a table refuses, found within a transaction that is rolled back: what passes stays in it, so that each row is looked at
//! behind those before it, as it would be. Rows that are fine go in together; a part that fails is split where the server gave up, or in
//! the middle where it does not say.

use std::time::Duration;

use super::connection::Connection;
use super::fault::classify;
use super::part::Part;
use super::table::{Failure, PostgresTable};
use crate::pipeline::RouteRows;
use crate::sink::{Blamed, SinkFault};

/// More than these are no bad rows but a table, or a trigger of it, that wants mending; and each costs a few questions.
const MOST: usize = 1_000;

/// A search that is under way.
pub struct Search<'s> {
    table: &'s PostgresTable,
    rows: &'s RouteRows,
    blamed: Vec<Blamed>,
}

impl<'s> Search<'s> {
    /// Nothing found yet.
    pub fn new(table: &'s PostgresTable, rows: &'s RouteRows) -> Self {
        Self { table, rows, blamed: Vec::new() }
    }

    /// What was found.
    pub fn blamed(self) -> Vec<Blamed> {
        self.blamed
    }

    /// Searches within the transaction that the connection is in, and rolls it back.
    ///
    /// # Errors
    /// Where it cannot be found out just now, and where too many rows are refused.
    pub async fn run(&mut self, connection: &Connection) -> Result<(), SinkFault> {
        let control = async |statement: &str| {
            let done = connection.client.batch_execute(statement).await;
            done.map_err(|fault| classify(&format!("look for rows that table `{}` refuses", self.table.name), &fault))
        };
        // Constraints that wait for the end are not waited for: which row breaks one would not be known then.
        self.table.check(connection, "SET CONSTRAINTS ALL IMMEDIATE;").await?;
        let mut parts: Vec<_> = std::iter::once(0..self.rows.rows).collect();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            control("SAVEPOINT tidegate_part").await?;
            match self.table.fill(connection, Part::of(self.rows, part.clone())).await {
                Ok(()) => control("RELEASE SAVEPOINT tidegate_part").await?,
                Err(Failure { fault: SinkFault::Rows(reason), row }) => {
                    control("ROLLBACK TO SAVEPOINT tidegate_part").await?;
                    if part.len() == 1 {
                        self.blamed.push(Blamed { row: part.start, reason });
                        self.are_few()?;
                        continue;
                    }
                    // From behind: the next to be looked at is the last.
                    parts.extend(split(part, row).into_iter().rev());
                }
                Err(Failure { fault, .. }) => return Err(fault),
            }
        }
        control("ROLLBACK").await
    }

    fn are_few(&self) -> Result<(), SinkFault> {
        match self.blamed.len() > MOST {
            false => Ok(()),
            true => Err(SinkFault::Refused(format!(
                "table `{}` refuses more than {MOST} of {} rows, so that it is the table that wants mending; {}",
                self.table.name,
                self.rows.rows,
                self.the_first()
            ))),
        }
    }

    /// For a search that did not come to an end in time.
    pub fn unfinished(&self, timeout: Duration) -> SinkFault {
        SinkFault::Unavailable(format!(
            "look for rows that table `{}` refuses: not done within {timeout:?}; a higher `timeout` of the sink or smaller batches would \
             help; {}",
            self.table.name,
            self.the_first()
        ))
    }

    fn the_first(&self) -> String {
        match self.blamed.first() {
            Some(Blamed { row, reason }) => format!("the first is row {row}: {reason}"),
            None => "none was found yet".to_owned(),
        }
    }
}

/// The parts before, at and behind the row that is said to be the one, or two halves.
fn split(part: std::ops::Range<usize>, row: Option<usize>) -> Vec<std::ops::Range<usize>> {
    let std::ops::Range { start, end } = part;
    match row.and_then(|row| start.checked_add(row)).filter(|row| (start..end).contains(row)) {
        Some(row) => vec![start..row, row..row + 1, row + 1..end],
        None => {
            let middle = start + (end - start) / 2;
            vec![start..middle, middle..end]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_split_where_the_server_gave_up_and_each_piece_is_smaller() {
        assert_eq!(split(10..20, Some(3)), [10..13, 13..14, 14..20]);
        assert_eq!(split(10..20, Some(0)), [10..10, 10..11, 11..20]);
        assert_eq!(split(10..20, Some(9)), [10..19, 19..20, 20..20]);
        for elsewhere in [None, Some(10), Some(usize::MAX)] {
            assert_eq!(split(10..20, elsewhere), [10..15, 15..20]);
        }
        assert_eq!(split(4..6, None), [4..5, 5..6]);
    }
}
