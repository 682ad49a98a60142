//! What a table does with its rows: a plan made of the declared columns and the live ones, or all in which they do not fit.

use super::catalog::{LiveColumn, LiveTable, Server};
use super::check::{Check, Refusal};
use super::field::Field;
use super::mapping::{fit, fitting, may_be_null};
use super::quote::{identifier, qualified};
use crate::rows::{Column, DecodeFault, Decoder};
use crate::sink::{Problem, Rule};

/// How rows of the declared columns are checked and written.
#[derive(Debug)]
pub struct Plan {
    fields: Vec<Field>,
    /// Of the columns with these names; those that can refuse nothing are one, and behind the last that can there is none.
    checks: Vec<(String, Check)>,
}

/// A name that is longer is cut by the server, and never found again.
const LONGEST_NAME: usize = 63;

impl Plan {
    /// The plan for a live table, which is none where it does not exist.
    ///
    /// # Errors
    /// All in which it does not fit.
    pub fn new(
        name: &str,
        columns: &[Column],
        live: Option<&LiveTable>,
        server: &Server,
    ) -> Result<Self, Vec<Problem>> {
        let Some(live) = live else { return Err(missing(name, columns, server)) };
        if let Some(what) = live.unsuitable() {
            let problem = format!("it is {what}, which takes no COPY");
            return Err(vec![Problem { column: None, problem, statement: None }]);
        }
        let table = qualified(name);
        let (mut fields, mut problems) = (Vec::with_capacity(columns.len()), Vec::new());
        for column in columns {
            match fit_column(&table, column, live.column(&column.name)) {
                Ok(field) => fields.push(field),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(left_out(&table, columns, live));
        if !problems.is_empty() {
            return Err(problems);
        }
        let checks = checks(columns, &fields);
        Ok(Self { fields, checks })
    }

    /// Whether rows are written in the same way by another plan for the same declared columns.
    pub fn writes_like(&self, other: &Self) -> bool {
        self.fields == other.fields
    }

    /// Appends the next row of `rows` as a tuple of a binary COPY.
    ///
    /// # Errors
    /// Where the bytes are no row.
    #[inline]
    pub fn write<'a>(&'a self, rows: &mut Decoder<'a>, out: &mut Vec<u8>) -> Result<(), DecodeFault> {
        // A table has at most 1,600 columns.
        out.extend_from_slice(&(self.fields.len() as u16).to_be_bytes());
        self.fields.iter().try_for_each(|field| field.write(rows, out))
    }

    /// As [`Self::write`], with a column before the others that says which row it is.
    ///
    /// # Errors
    /// Where the bytes are no row.
    pub fn write_numbered<'a>(
        &'a self,
        rows: &mut Decoder<'a>,
        number: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeFault> {
        out.extend_from_slice(&(self.fields.len() as u16 + 1).to_be_bytes());
        out.extend_from_slice(&8i32.to_be_bytes());
        // Ranges have far fewer rows than numbers.
        out.extend_from_slice(&i64::try_from(number).unwrap_or(i64::MAX).to_be_bytes());
        self.fields.iter().try_for_each(|field| field.write(rows, out))
    }

    /// Whether there is a column that may refuse values.
    pub fn can_refuse(&self) -> bool {
        !self.checks.is_empty()
    }
}

impl Rule for Plan {
    fn refuses(&self, row: &[u8]) -> Option<String> {
        let mut row = Decoder::new(row);
        for (name, check) in &self.checks {
            match check.pass(&mut row) {
                Ok(()) => {}
                Err(Refusal::Bytes(fault)) => return Some(format!("column `{name}`: {fault}")),
                Err(Refusal::Value(problem)) => return Some(format!("column `{name}`: {problem}")),
            }
        }
        None
    }
}

/// What is done to look at a row, in few steps.
fn checks(columns: &[Column], fields: &[Field]) -> Vec<(String, Check)> {
    let mut checks: Vec<(String, Check)> = Vec::new();
    for (column, field) in columns.iter().zip(fields) {
        match (Check::new(&column.kind, field), checks.last_mut()) {
            (Check::Skip(more), Some((_, Check::Skip(run)))) => *run += more,
            (check, _) => checks.push((column.name.clone(), check)),
        }
    }
    let last = checks.iter().rposition(|(_, check)| check.can_refuse());
    checks.truncate(last.map_or(0, |last| last + 1));
    checks
}

fn missing(name: &str, columns: &[Column], server: &Server) -> Vec<Problem> {
    let longest =
        columns.iter().map(|column| column.name.as_str()).chain(name.split('.')).find(|name| name.len() > LONGEST_NAME);
    if let Some(long) = longest {
        let problem = format!("`{long}` is longer than the {LONGEST_NAME} bytes that a name may have");
        return vec![Problem { column: None, problem, statement: None }];
    }
    let described = columns.iter().map(|column| format!("{} {}", identifier(&column.name), declared(column)));
    let described: Vec<_> = described.collect();
    let distribution = if server.greenplum { " DISTRIBUTED RANDOMLY" } else { "" };
    let statement = format!("CREATE TABLE {} ({}){distribution}", qualified(name), described.join(", "));
    let problem = "it does not exist, or its user may not see it".to_owned();
    vec![Problem { column: None, problem, statement: Some(statement) }]
}

/// The type that a new column gets.
fn declared(column: &Column) -> String {
    let null = if may_be_null(&column.kind) { "" } else { " NOT NULL" };
    format!("{}{null}", proposed(column))
}

fn proposed(column: &Column) -> String {
    fitting(&column.kind).into_iter().next().unwrap_or_default()
}

fn fit_column(table: &str, column: &Column, live: Option<&LiveColumn>) -> Result<Field, Problem> {
    let Column { name, kind } = column;
    let (quoted, proposed) = (identifier(name), proposed(column));
    let problem =
        |problem: String, statement: Option<String>| Problem { column: Some(name.clone()), problem, statement };
    let Some(live) = live else {
        if name.len() > LONGEST_NAME {
            let long = format!("its column `{name}` has more than the {LONGEST_NAME} bytes that a name may have");
            return Err(problem(long, None));
        }
        // Without NOT NULL: rows that are there already have no value for it.
        let statement = format!("ALTER TABLE {table} ADD COLUMN {quoted} {proposed}");
        return Err(problem(format!("it has no column `{name}`"), Some(statement)));
    };
    if live.generated {
        return Err(problem(format!("its column `{name}` is generated, which takes no values"), None));
    }
    let Some(field) = fit(kind, &live.kind) else {
        let wrong = format!(
            "its column `{name}` is {}, but the plugin writes {kind}, for which there is {}",
            live.kind.text,
            listed(&fitting(kind))
        );
        let statement = format!("ALTER TABLE {table} ALTER COLUMN {quoted} TYPE {proposed} USING {quoted}::{proposed}");
        return Err(problem(wrong, Some(statement)));
    };
    if live.not_null && may_be_null(kind) {
        let wrong = format!("its column `{name}` is NOT NULL, but the plugin writes {kind}, which may be null");
        let statement = format!("ALTER TABLE {table} ALTER COLUMN {quoted} DROP NOT NULL");
        return Err(problem(wrong, Some(statement)));
    }
    Ok(field)
}

fn listed(types: &[String]) -> String {
    match types {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        few => few.concat(),
    }
}

/// Columns that must have a value and get none.
fn left_out<'l>(table: &'l str, columns: &'l [Column], live: &'l LiveTable) -> impl Iterator<Item = Problem> + 'l {
    let needed = live.columns.iter().filter(|live| live.not_null && !live.has_default && !live.generated);
    let left_out = needed.filter(|live| columns.iter().all(|column| column.name != live.name));
    left_out.map(move |live| Problem {
        column: Some(live.name.clone()),
        problem: format!("its column `{}` is NOT NULL and has no default, but the plugin does not write it", live.name),
        statement: Some(format!("ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL", identifier(&live.name))),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::sink::postgres::mapping::LiveType;

    /// About a sale of the example plugin, as it is written into `plugins/sales/tables.postgres.sql`.
    const SALE: [(&str, u32, &[u8]); 12] = [
        ("UUID", 2950, &[7; 16]),
        ("DateTime64(3)", 1184, &[0x7b, 0x5e, 0x4a, 0xfa, 0xa1, 0x01, 0, 0]),
        ("UInt32", 20, &[7, 0, 0, 0]),
        ("LowCardinality(String)", 25, b"\x0aGreen tea\x20"),
        ("LowCardinality(String)", 25, b"\x03tea"),
        ("UInt16", 23, &[2, 0]),
        ("Decimal(18, 4)", 1700, &[0xd8, 0xdc, 0x16, 0, 0, 0, 0, 0]),
        ("Decimal(18, 4)", 1700, &[0xb0, 0xb9, 0x2d, 0, 0, 0, 0, 0]),
        ("LowCardinality(String)", 25, b"\x03RUB"),
        ("Nullable(UInt64)", 1700, &[0, 0x40, 0xe2, 1, 0, 0, 0, 0, 0]),
        ("Int32", 23, &[1, 0, 0, 0]),
        ("Int64", 20, &[9, 0, 0, 0, 0, 0, 0, 0]),
    ];

    fn plan() -> Plan {
        let (mut columns, mut live) = (Vec::new(), Vec::new());
        for (index, (kind, oid, _)) in SALE.iter().enumerate() {
            let name = format!("c{index}");
            let kind_of_live = LiveType { oid: *oid, array: false, modifier: -1, text: String::new() };
            live.push(LiveColumn {
                name: name.clone(),
                kind: kind_of_live,
                not_null: false,
                has_default: false,
                generated: false,
            });
            columns.push(Column { name, kind: kind.parse().unwrap() });
        }
        let server = Server { version: 150_000, greenplum: false, encoding: "UTF8".into(), integer_times: true };
        Plan::new("t", &columns, Some(&LiveTable::of(live)), &server).unwrap()
    }

    #[test]
    #[ignore = "a figure, not a check: cargo test --release -p tidegate --lib a_row -- --ignored --nocapture"]
    fn a_row_of_twelve_columns_is_checked_and_written_in_about_100_ns() {
        const ROWS: usize = 100_000;
        let (plan, row) = (plan(), SALE.map(|(_, _, bytes)| bytes).concat());
        let rows = row.repeat(ROWS);
        let mut out = Vec::with_capacity(300 << 10);
        for _ in 0..5 {
            let started = Instant::now();
            let refused = rows.chunks_exact(row.len()).filter(|row| plan.refuses(row).is_some()).count();
            let checked = started.elapsed();
            let started = Instant::now();
            let mut decoder = Decoder::new(&rows);
            while !decoder.is_empty() {
                // As much as a piece on its way to the server.
                if out.len() > 256 << 10 {
                    out.clear();
                }
                plan.write(&mut decoder, &mut out).unwrap();
            }
            let (checked, written) = (checked.as_nanos() / 100_000, started.elapsed().as_nanos() / 100_000);
            println!("{checked} ns to check a row, {written} ns to write it");
            assert_eq!(refused, 0);
        }
    }
}
