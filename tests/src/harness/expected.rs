//! What a correct gateway makes of the shop's records. Made of the values that the records were rendered from: neither the
//! JSON nor any code of the gateway or its plugins has a part in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{bail, ensure};
use tidegate_demo::shop::{
    Correction, ExpectedSale, ExpectedStock, Generated, Malformed, Movement, Sale, Sales, Stock,
};

use super::letters::Letter;
use super::tenant::Tenant;
use super::topics::Message;

/// Rows as lines, by table, and dead letters by partition and offset.
#[derive(Debug, Default)]
pub struct Expected {
    /// Lines as the queries of [`SALES`] and its siblings answer them.
    pub rows: BTreeMap<&'static str, Vec<String>>,
    /// What is to be dead letters.
    pub letters: BTreeMap<(i32, i64), Letter>,
    /// How many records become neither.
    pub dropped: usize,
}

/// A table, and what of it is compared.
#[derive(Clone, Copy, Debug)]
pub struct TableQuery {
    /// The table's name.
    pub table: &'static str,
    /// What is selected of it.
    pub columns: &'static str,
}

/// Whether a row or a letter may come more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// After a crash.
    Allowed,
    /// Whenever there was time to commit what was written.
    Forbidden,
}

/// Sales.
pub const SALES: TableQuery = TableQuery {
    table: "sales",
    columns: "event_id, toUnixTimestamp64Milli(event_time), product_id, product, category, quantity, \
              toInt64(price * 10000), toInt64(amount * 10000), currency, channel, customer_id, _partition, _offset",
};

/// Stock that came or went.
pub const MOVEMENTS: TableQuery = TableQuery {
    table: "stock_movements",
    columns: "movement_id, toUnixTimestamp64Milli(event_time), product_id, warehouse, kind, quantity, \
              toInt64(unit_cost * 10000), _partition, _offset, _ordinal",
};

/// Stock that was counted.
pub const CORRECTIONS: TableQuery = TableQuery {
    table: "stock_corrections",
    columns: "toUnixTimestamp64Milli(event_time), product_id, warehouse, quantity, reason, _partition, _offset",
};

impl Expected {
    /// What the next `count` sales become, written one partition after the other.
    pub fn of_sales(mut source: Sales, count: u64, partitions: i32) -> Self {
        let mut expected = Self::default();
        for origin in origins(count, partitions) {
            let Generated { key, value, timestamp, expected: sale, .. } = source.next_record();
            match sale {
                ExpectedSale::Sale(sale) => expected.row(SALES.table, sale_line(&sale, origin)),
                ExpectedSale::Dropped => expected.dropped += 1,
                ExpectedSale::Malformed(fault) => expected.letter(origin, letter(key, value, timestamp, fault)),
            }
        }
        expected
    }

    /// What the next `count` stock movements become, written one partition after the other.
    pub fn of_stock(mut source: Stock, count: u64, partitions: i32) -> Self {
        let mut expected = Self::default();
        for origin in origins(count, partitions) {
            let Generated { key, value, timestamp, expected: stock, .. } = source.next_record();
            match stock {
                ExpectedStock::Movements(rows) => {
                    for (ordinal, row) in rows.iter().enumerate() {
                        expected.row(MOVEMENTS.table, movement_line(row, origin, ordinal));
                    }
                }
                ExpectedStock::Correction(row) => expected.row(CORRECTIONS.table, correction_line(&row, origin)),
                ExpectedStock::Malformed(fault) => expected.letter(origin, letter(key, value, timestamp, fault)),
            }
        }
        expected
    }

    /// Adds a row.
    pub fn row(&mut self, table: &'static str, line: String) {
        self.rows.entry(table).or_default().push(line);
    }

    /// Adds a dead letter.
    pub fn letter(&mut self, origin: (i32, i64), letter: Letter) {
        self.letters.insert(origin, letter);
    }

    /// Compares a table of the tenant's with the rows expected in it.
    ///
    /// # Errors
    /// The first rows that are missing or too many.
    pub fn check_table(&self, tenant: &Tenant, query: TableQuery, duplicates: Duplicates) -> anyhow::Result<()> {
        let TableQuery { table, columns } = query;
        let found = tenant.clickhouse.lines(&format!("SELECT {columns} FROM {}.{table}", tenant.name))?;
        let Some(expected) = self.rows.get(table) else { bail!("no rows are expected in {table}") };
        compare(expected, found, duplicates)
    }
}

/// Compares lines in any order, each as often as it is expected.
///
/// # Errors
/// The first that are missing, wrong or too many.
pub fn compare(expected: &[String], found: Vec<String>, duplicates: Duplicates) -> anyhow::Result<()> {
    let (expected, found) = (counted(expected), counted(&found));
    let mut missing = Vec::new();
    let (mut wrong, mut again) = (Vec::new(), 0);
    for (line, count) in &expected {
        let there = found.get(line).copied().unwrap_or_default();
        missing.extend(std::iter::repeat_n(*line, count.saturating_sub(there)));
        again += there.saturating_sub(*count);
    }
    for (line, there) in &found {
        if !expected.contains_key(line) {
            wrong.extend(std::iter::repeat_n(*line, *there));
        }
    }
    let some = |lines: &[&str]| lines.iter().take(3).fold(String::new(), |text, line| text + "\n  " + line);
    ensure!(
        missing.is_empty() && wrong.is_empty(),
        "of {} rows {} are missing and {} are wrong; missing: {}\nwrong: {}",
        expected.values().sum::<usize>(),
        missing.len(),
        wrong.len(),
        some(&missing),
        some(&wrong)
    );
    ensure!(duplicates == Duplicates::Allowed || again == 0, "{again} rows stand there more often than they should");
    Ok(())
}

/// Lines, and how often each stands there.
fn counted(lines: &[String]) -> BTreeMap<&str, usize> {
    let mut counted = BTreeMap::new();
    for line in lines {
        *counted.entry(line.as_str()).or_default() += 1;
    }
    counted
}

/// Where [`Writer`](tidegate_demo::produce::Writer) puts records: one partition after the other.
pub fn origins(count: u64, partitions: i32) -> impl Iterator<Item = (i32, i64)> {
    (0..).flat_map(move |offset| (0..partitions).map(move |partition| (partition, offset))).take(count as usize)
}

fn letter(key: &[u8], value: Option<&[u8]>, timestamp: i64, fault: Malformed) -> Letter {
    let message = Message { key: Some(key.to_vec()), value: value.map(<[u8]>::to_vec), headers: Vec::new(), timestamp };
    let reason = match fault {
        Malformed::Null => "the value is null",
        Malformed::Empty => "the value is empty",
        Malformed::IdNotUtf8 | Malformed::NoteNotUtf8 => "not UTF-8",
        Malformed::MissingField => "missing field",
        Malformed::TransferWithoutDestination => "needs a destination",
        Malformed::UnknownKind => "refund",
        Malformed::TrailingGarbage => "expected the end of the text",
        Malformed::QuantityWord => "two",
        Malformed::PriceWord => "abc",
        Malformed::Truncated
        | Malformed::TimeGarbage
        | Malformed::MonthThirteen
        | Malformed::ProductIdOutOfRange
        | Malformed::BareScalar => "",
    };
    Letter { message, reason }
}

fn sale_line(sale: &Sale<'_>, (partition, offset): (i32, i64)) -> String {
    let Sale { event_time_ms, product_id, product, category, quantity, price_e4, amount_e4, currency, channel, .. } =
        sale;
    let (id, customer) = (uuid(sale.event_id), nullable(sale.customer_id));
    let (product, category) = (escaped(product), escaped(category));
    format!(
        "{id}\t{event_time_ms}\t{product_id}\t{product}\t{category}\t{quantity}\t{price_e4}\t{amount_e4}\t{currency}\t\
         {channel}\t{customer}\t{partition}\t{offset}"
    )
}

fn movement_line(row: &Movement, (partition, offset): (i32, i64), ordinal: usize) -> String {
    let Movement { event_time_ms, product_id, warehouse, kind, quantity, unit_cost_e4, .. } = row;
    let (id, cost) = (uuid(row.movement_id), nullable(*unit_cost_e4));
    format!(
        "{id}\t{event_time_ms}\t{product_id}\t{warehouse}\t{kind}\t{quantity}\t{cost}\t{partition}\t{offset}\t{ordinal}"
    )
}

fn correction_line(row: &Correction, (partition, offset): (i32, i64)) -> String {
    let Correction { event_time_ms, product_id, warehouse, quantity, reason, .. } = row;
    let reason = nullable(reason.map(escaped));
    format!("{event_time_ms}\t{product_id}\t{warehouse}\t{quantity}\t{reason}\t{partition}\t{offset}")
}

/// As ClickHouse writes it in TabSeparated.
pub fn nullable(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "\\N".to_owned(), |value| value.to_string())
}

/// As ClickHouse writes it in TabSeparated.
pub fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\'', "\\'")
}

fn uuid(id: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (position, byte) in id.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn difference(expected: &[&str], found: &[&str], duplicates: Duplicates) -> Option<String> {
        let [expected, found] = [expected, found].map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
        let expected: Vec<String> = expected;
        compare(&expected, found, duplicates).map_err(|fault| fault.to_string()).err()
    }

    #[test]
    fn lines_are_compared_as_often_as_they_stand_there() {
        use Duplicates::{Allowed, Forbidden};
        assert_eq!(difference(&["a", "b", "a"], &["a", "a", "b"], Forbidden), None);
        let once = difference(&["a", "b", "a"], &["b", "a"], Allowed).unwrap();
        assert!(once.starts_with("of 3 rows 1 are missing and 0 are wrong; missing: \n  a\n"), "{once}");
        let thrice = difference(&["a", "a"], &["a", "a", "a"], Forbidden).unwrap();
        assert_eq!(thrice, "1 rows stand there more often than they should");
        assert_eq!(difference(&["a", "a"], &["a", "a", "a"], Allowed), None);
        let other = difference(&["a"], &["a", "c", "c"], Allowed).unwrap();
        assert!(other.starts_with("of 1 rows 0 are missing and 2 are wrong"), "{other}");
    }
}
