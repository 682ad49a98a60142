//! The check that every row passes before it leaves the gateway: a guest is never trusted, and a database may take wrong
//! bytes silently. Runs once for every row: one that is right is seen to be at a glance, and only others are walked value by value, to say what is
//! wrong.

use ethnum::I256;

use super::column_type::{Names, decimal_width};
use super::glance::Glance;
use super::json_object::check_json_object;
use super::{Column, ColumnType, DecodeFault, Decoder};

/// Checks rows of one route.
#[derive(Debug)]
pub struct RowWalker {
    glance: Glance,
    /// One for each column.
    steps: Vec<Step>,
    names: Vec<String>,
}

/// What to do with the next bytes of a row.
#[derive(Debug)]
pub(super) enum Step {
    /// Any bytes are right.
    Skip(usize),
    Bool,
    Text,
    Json,
    /// Days of a Date32, seconds of a Time.
    Between32 {
        lowest: i32,
        highest: i32,
    },
    Between64 {
        lowest: i64,
        highest: i64,
    },
    Decimal32(i32),
    Decimal64(i64),
    Decimal128(i128),
    Decimal256(Box<I256>),
    Enum8(Names),
    Enum16(Names),
    Nullable(Box<Step>),
    /// So many as the number before them says.
    Array(Box<Step>),
    /// One after the other.
    Sequence(Vec<Step>),
    /// The one that the byte before it says.
    Variant(Vec<Step>),
}

/// Why a row is refused: the column and what is wrong with its bytes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowFault {
    /// The bytes are not a value.
    #[error("column `{column}`: {fault}")]
    Value {
        /// The column's name.
        column: String,
        /// What is wrong.
        fault: DecodeFault,
    },
    /// A value that the type cannot hold.
    #[error("column `{column}`: {value} is out of the range of its type")]
    Range {
        /// The column's name.
        column: String,
        /// The number as it stands in the row.
        value: String,
    },
    /// A number that is none of an Enum's.
    #[error("column `{column}`: {value} is none of the numbers of its Enum")]
    Enum {
        /// The column's name.
        column: String,
        /// The number.
        value: i16,
    },
    /// A number before a value that is none of the Variant's types.
    #[error("column `{column}`: the value is of type {value} of a Variant that has {kinds}, counted from 0")]
    Variant {
        /// The column's name.
        column: String,
        /// What stands before the value.
        value: u8,
        /// How many types there are.
        kinds: usize,
    },
    /// A text that is not the JSON object that it must be.
    #[error("column `{column}`: {problem}")]
    Json {
        /// The column's name.
        column: String,
        /// What is wrong.
        problem: String,
    },
    /// A row of a route without columns is not a JSON object.
    #[error("{0}")]
    Object(String),
    /// There are bytes behind the last column.
    #[error("{0} bytes stand behind the last column")]
    Long(usize),
}

/// 1900-01-01 00:00:00 and 2299-12-31 23:59:59 UTC, the range of DateTime64 in ClickHouse.
const DATE_TIME64_SECONDS: (i64, i64) = (-2_208_988_800, 10_413_791_999);

/// The same as days, the range of Date32.
const DATE32_DAYS: (i32, i32) = (-25_567, 120_529);

/// 999:59:59, the farthest of Time on both sides of zero.
const TIME_SECONDS: i32 = 3_599_999;

/// Stands before a null of a Variant.
const NO_VARIANT: u8 = 255;

impl RowWalker {
    /// A walker for rows of these columns; for JSON objects where there are none.
    pub fn new(columns: &[Column]) -> Self {
        let steps = steps_of(columns);
        Self { glance: Glance::new(&steps), steps, names: columns.iter().map(|column| column.name.clone()).collect() }
    }

    /// Walks one row.
    ///
    /// # Errors
    /// Where the bytes are not exactly one row of these columns.
    pub fn check(&self, row: &[u8]) -> Result<(), RowFault> {
        // Where a route declares no columns, its rows are objects.
        if self.names.is_empty() {
            return check_json_object(row).map_err(RowFault::Object);
        }
        if self.glance.passes(row, &self.steps) { Ok(()) } else { self.walk(row) }
    }

    #[cold]
    fn walk(&self, row: &[u8]) -> Result<(), RowFault> {
        let mut row = Decoder::new(row);
        for (index, step) in self.steps.iter().enumerate() {
            walk(step, &mut row).map_err(|fault| self.fault(index, fault))?;
        }
        match row.remaining() {
            0 => Ok(()),
            more => Err(RowFault::Long(more)),
        }
    }

    fn fault(&self, index: usize, fault: WalkFault) -> RowFault {
        let column = self.names.get(index).cloned().unwrap_or_default();
        match fault {
            WalkFault::Bytes(fault) => RowFault::Value { column, fault },
            WalkFault::Range(value) => RowFault::Range { column, value },
            WalkFault::Enum(value) => RowFault::Enum { column, value },
            WalkFault::Variant { value, kinds } => RowFault::Variant { column, value, kinds },
            WalkFault::Json(problem) => RowFault::Json { column, problem },
        }
    }
}

pub(super) enum WalkFault {
    Bytes(DecodeFault),
    Range(String),
    Enum(i16),
    Variant { value: u8, kinds: usize },
    Json(String),
}

impl From<DecodeFault> for WalkFault {
    fn from(fault: DecodeFault) -> Self {
        Self::Bytes(fault)
    }
}

pub(super) fn steps_of(columns: &[Column]) -> Vec<Step> {
    columns.iter().map(|column| step(&column.kind)).collect()
}

fn step(kind: &ColumnType) -> Step {
    match kind {
        ColumnType::Bool => Step::Bool,
        ColumnType::String => Step::Text,
        ColumnType::Json => Step::Json,
        ColumnType::Date32 => Step::Between32 { lowest: DATE32_DAYS.0, highest: DATE32_DAYS.1 },
        ColumnType::Time => Step::Between32 { lowest: -TIME_SECONDS, highest: TIME_SECONDS },
        ColumnType::Time64 { precision } => {
            let highest = i64::from(TIME_SECONDS + 1) * ticks_a_second(*precision) - 1;
            Step::Between64 { lowest: -highest, highest }
        }
        ColumnType::DateTime64 { precision, .. } => {
            let ticks = ticks_a_second(*precision);
            // At nanoseconds 64 bits end in 2262, before the type's own end.
            let lowest = DATE_TIME64_SECONDS.0.saturating_mul(ticks);
            let highest = DATE_TIME64_SECONDS.1.saturating_mul(ticks).saturating_add(ticks - 1);
            Step::Between64 { lowest, highest }
        }
        ColumnType::Decimal { precision, .. } => match decimal_width(*precision) {
            4 => Step::Decimal32(10i32.pow(u32::from(*precision).min(9))),
            8 => Step::Decimal64(10i64.pow(u32::from(*precision).min(18))),
            16 => Step::Decimal128(10i128.pow(u32::from(*precision).min(38))),
            _ => Step::Decimal256(Box::new(I256::new(10).pow(u32::from(*precision).min(76)))),
        },
        ColumnType::Enum8(names) => Step::Enum8(names.clone()),
        ColumnType::Enum16(names) => Step::Enum16(names.clone()),
        ColumnType::Nullable(inner) => Step::Nullable(Box::new(step(inner))),
        ColumnType::LowCardinality(inner) => step(inner),
        ColumnType::Array(element) => Step::Array(Box::new(step(element))),
        ColumnType::Map(key, value) => Step::Array(Box::new(sequence([&**key, &**value]))),
        ColumnType::Nested(columns) => Step::Array(Box::new(sequence(columns.iter().map(|(_, kind)| kind)))),
        ColumnType::Tuple(elements) => sequence(elements.iter().map(|(_, kind)| kind)),
        ColumnType::Variant(kinds) => Step::Variant(kinds.iter().map(step).collect()),
        fixed => Step::Skip(fixed.width().unwrap_or_default()),
    }
}

fn ticks_a_second(precision: u8) -> i64 {
    10i64.pow(u32::from(precision).min(9))
}

/// Steps in a row, as one where nothing of them can be wrong.
fn sequence<'k>(kinds: impl IntoIterator<Item = &'k ColumnType>) -> Step {
    let steps: Vec<Step> = kinds.into_iter().map(step).collect();
    let widths: Option<usize> =
        steps.iter().map(|step| if let Step::Skip(width) = step { Some(*width) } else { None }).sum();
    widths.map_or(Step::Sequence(steps), Step::Skip)
}

pub(super) fn walk(step: &Step, row: &mut Decoder<'_>) -> Result<(), WalkFault> {
    match step {
        Step::Skip(width) => {
            row.take(*width)?;
        }
        Step::Bool => {
            row.flag()?;
        }
        Step::Text => {
            simdutf8::compat::from_utf8(row.bytes()?).map_err(|fault| DecodeFault::NotUtf8(fault.valid_up_to()))?;
        }
        Step::Between32 { lowest, highest } => {
            let value = i32::from_le_bytes(row.array()?);
            if value < *lowest || value > *highest {
                return out_of_range(value);
            }
        }
        Step::Between64 { lowest, highest } => {
            let ticks = i64::from_le_bytes(row.array()?);
            if ticks < *lowest || ticks > *highest {
                return out_of_range(ticks);
            }
        }
        Step::Decimal32(limit) => {
            let unscaled = i32::from_le_bytes(row.array()?);
            if unscaled <= -limit || unscaled >= *limit {
                return out_of_range(unscaled);
            }
        }
        Step::Decimal64(limit) => {
            let unscaled = i64::from_le_bytes(row.array()?);
            if unscaled <= -limit || unscaled >= *limit {
                return out_of_range(unscaled);
            }
        }
        Step::Decimal128(limit) => {
            let unscaled = i128::from_le_bytes(row.array()?);
            if unscaled <= -limit || unscaled >= *limit {
                return out_of_range(unscaled);
            }
        }
        Step::Decimal256(limit) => {
            let unscaled = I256::from_le_bytes(row.array()?);
            if unscaled <= -**limit || unscaled >= **limit {
                return out_of_range(unscaled);
            }
        }
        Step::Enum8(names) => {
            let number = i16::from(i8::from_le_bytes(row.array()?));
            names.name(number).map(|_| ()).ok_or(WalkFault::Enum(number))?;
        }
        Step::Enum16(names) => {
            let number = i16::from_le_bytes(row.array()?);
            names.name(number).map(|_| ()).ok_or(WalkFault::Enum(number))?;
        }
        Step::Json => check_json_object(row.bytes()?).map_err(WalkFault::Json)?,
        Step::Nullable(inner) => {
            if !row.flag()? {
                walk(inner, row)?;
            }
        }
        Step::Array(element) => {
            let count = row.length()?;
            if let Step::Skip(width) = &**element {
                let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(*width));
                row.take(bytes.ok_or(DecodeFault::Short)?)?;
                return Ok(());
            }
            // Each element takes a byte at least: a count that is too high ends with the row.
            for _ in 0..count {
                walk(element, row)?;
            }
        }
        Step::Sequence(steps) => {
            for step in steps {
                walk(step, row)?;
            }
        }
        Step::Variant(kinds) => {
            let [value] = row.array()?;
            if value != NO_VARIANT {
                let kind = kinds.get(usize::from(value));
                walk(kind.ok_or(WalkFault::Variant { value, kinds: kinds.len() })?, row)?;
            }
        }
    }
    Ok(())
}

#[cold]
fn out_of_range<T>(value: impl ToString) -> Result<T, WalkFault> {
    Err(WalkFault::Range(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walker(kinds: &[&str]) -> RowWalker {
        let columns: Vec<Column> = kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| Column { name: format!("c{index}"), kind: kind.parse().unwrap() })
            .collect();
        RowWalker::new(&columns)
    }

    fn fault(kinds: &[&str], row: &[u8]) -> String {
        walker(kinds).check(row).unwrap_err().to_string()
    }

    #[test]
    fn a_right_row_passes_and_every_cut_of_it_fails() {
        let walker = walker(&["UInt32", "UUID", "String", "Nullable(Int64)", "Bool", "Decimal(9, 2)", "DateTime64(3)"]);
        let mut row = vec![0; 20];
        row.extend_from_slice(&[2, b'o', b'k', 0]);
        row.extend_from_slice(&7i64.to_le_bytes());
        row.push(1);
        row.extend_from_slice(&(-999_999_999i32).to_le_bytes());
        row.extend_from_slice(&1_763_634_900_123i64.to_le_bytes());
        assert_eq!(walker.check(&row), Ok(()));
        for end in 0..row.len() {
            assert!(walker.check(&row[..end]).is_err(), "cut at {end}");
        }
        row.push(0);
        assert_eq!(walker.check(&row), Err(RowFault::Long(1)));
    }

    #[test]
    fn values_that_a_type_cannot_hold_are_named_with_their_column() {
        assert_eq!(fault(&["UInt8", "Bool"], &[9, 2]), "column `c1`: the byte 2 stands where 0 or 1 must");
        assert_eq!(fault(&["Nullable(UInt8)"], &[7]), "column `c0`: the byte 7 stands where 0 or 1 must");
        assert_eq!(fault(&["String"], &[1, 0xff]), "column `c0`: the text is not UTF-8 from its byte 0 on");
        assert!(fault(&["Decimal(4, 2)"], &10_000i32.to_le_bytes()).contains("10000 is out of the range"));
        assert!(fault(&["Decimal(38, 2)"], &i128::MIN.to_le_bytes()).contains("out of the range"));
        assert!(fault(&["DateTime64(0)"], &10_413_792_000i64.to_le_bytes()).contains("out of the range"));
        assert_eq!(walker(&["DateTime64(0)"]).check(&10_413_791_999i64.to_le_bytes()), Ok(()));
        assert!(fault(&["DateTime64(9)"], &i64::MIN.to_le_bytes()).contains("out of the range"));
        assert!(fault(&["Date32"], &120_530i32.to_le_bytes()).contains("120530 is out of the range"));
        assert_eq!(walker(&["Date32"]).check(&120_529i32.to_le_bytes()), Ok(()));
        assert!(fault(&["Time"], &(-3_600_000i32).to_le_bytes()).contains("out of the range"));
        assert_eq!(walker(&["Time64(3)"]).check(&3_599_999_999i64.to_le_bytes()), Ok(()));
        assert!(fault(&["Time64(3)"], &3_600_000_000i64.to_le_bytes()).contains("out of the range"));
        let limit = I256::new(10).pow(76);
        assert!(fault(&["Decimal(76, 0)"], &limit.to_le_bytes()).contains("out of the range"));
        assert_eq!(walker(&["Decimal(76, 0)"]).check(&(limit - 1).to_le_bytes()), Ok(()));
        assert_eq!(fault(&["Enum8('a' = -1)"], &[1]), "column `c0`: 1 is none of the numbers of its Enum");
        assert_eq!(walker(&["Enum8('a' = -1)"]).check(&[0xff]), Ok(()));
        assert!(fault(&["Variant(String, UInt8)"], &[2, 0]).contains("type 2 of a Variant that has 2"));
        assert_eq!(walker(&["Variant(String, UInt8)", "Variant(String, UInt8)"]).check(&[255, 1, 7]), Ok(()));
        assert!(fault(&["JSON"], b"\x02[]").contains("not a JSON object"));
        assert_eq!(walker(&["JSON"]).check(b"\x02{}"), Ok(()));
    }

    #[test]
    fn every_element_of_a_nested_value_is_walked() {
        let map = "Map(String, Array(Nullable(Bool)))";
        let row = [2, 1, b'a', 2, 0, 1, 1, 1, b'b', 0];
        assert_eq!(walker(&[map]).check(&row), Ok(()));
        for end in 0..row.len() {
            assert!(walker(&[map]).check(&row[..end]).is_err(), "cut at {end}");
        }
        assert!(fault(&[map], &[1, 1, b'a', 1, 0, 2]).contains("the byte 2 stands where 0 or 1 must"));
        assert_eq!(
            fault(&["Array(UInt64)"], &[2, 0, 0, 0, 0, 0, 0, 0, 0]),
            "column `c0`: the row ends within the value"
        );
        assert!(fault(&["Nested(a String, b UInt8)"], &[1, 1, 0xff, 0]).contains("not UTF-8"));
        let tuple = walker(&["Tuple(UInt8, Array(Tuple(UInt8, UInt16)))"]);
        assert_eq!(tuple.check(&[9, 2, 1, 2, 3, 4, 5, 6]), Ok(()));
    }

    #[test]
    fn a_count_beyond_all_memory_ends_with_the_row() {
        let count = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        for kind in ["Array(UInt64)", "Array(String)", "Array(Array(Array(UInt8)))", "Map(String, String)"] {
            assert!(fault(&[kind], &count).contains("the row ends within the value"), "{kind}");
        }
    }
}
