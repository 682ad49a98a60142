//! The check that every row passes before it leaves the gateway: a guest is never trusted, and a database may take wrong
//! bytes silently. Runs once for every row, so columns that cannot be wrong are skipped in one step.

use super::column_type::decimal_width;
use super::{Column, ColumnType, DecodeFault, Decoder};

/// Checks rows of one route.
#[derive(Debug)]
pub struct RowWalker {
    steps: Vec<(usize, Step)>,
    names: Vec<String>,
}

/// What to do with the next bytes of a row.
#[derive(Debug)]
enum Step {
    /// Any bytes are right.
    Skip(usize),
    Bool,
    Text,
    Ticks {
        lowest: i64,
        highest: i64,
    },
    Decimal32(i32),
    Decimal64(i64),
    Decimal128(i128),
    Nullable(Box<Step>),
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
        /// The unscaled number.
        value: i128,
    },
    /// There are bytes behind the last column.
    #[error("{0} bytes stand behind the last column")]
    Long(usize),
}

/// 1900-01-01 00:00:00 and 2299-12-31 23:59:59 UTC, the range of DateTime64 in ClickHouse.
const DATE_TIME64_SECONDS: (i64, i64) = (-2_208_988_800, 10_413_791_999);

impl RowWalker {
    /// A walker for rows of these columns.
    pub fn new(columns: &[Column]) -> Self {
        let mut steps: Vec<(usize, Step)> = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            match (step(&column.kind), steps.last_mut()) {
                (Step::Skip(more), Some((_, Step::Skip(run)))) => *run += more,
                (step, _) => steps.push((index, step)),
            }
        }
        Self { steps, names: columns.iter().map(|column| column.name.clone()).collect() }
    }

    /// Walks one row.
    ///
    /// # Errors
    /// Where the bytes are not exactly one row of these columns.
    pub fn check(&self, row: &[u8]) -> Result<(), RowFault> {
        let mut row = Decoder::new(row);
        for (index, step) in &self.steps {
            walk(step, &mut row).map_err(|fault| self.fault(*index, fault))?;
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
        }
    }
}

enum WalkFault {
    Bytes(DecodeFault),
    Range(i128),
}

impl From<DecodeFault> for WalkFault {
    fn from(fault: DecodeFault) -> Self {
        Self::Bytes(fault)
    }
}

fn step(kind: &ColumnType) -> Step {
    match kind {
        ColumnType::Bool => Step::Bool,
        ColumnType::String => Step::Text,
        ColumnType::DateTime64 { precision, .. } => {
            let ticks = 10i64.pow(u32::from(*precision).min(9));
            // At nanoseconds 64 bits end in 2262, before the type's own end.
            let lowest = DATE_TIME64_SECONDS.0.saturating_mul(ticks);
            let highest = DATE_TIME64_SECONDS.1.saturating_mul(ticks).saturating_add(ticks - 1);
            Step::Ticks { lowest, highest }
        }
        ColumnType::Decimal { precision, .. } => match decimal_width(*precision) {
            4 => Step::Decimal32(10i32.pow(u32::from(*precision).min(9))),
            8 => Step::Decimal64(10i64.pow(u32::from(*precision).min(18))),
            _ => Step::Decimal128(10i128.pow(u32::from(*precision).min(38))),
        },
        ColumnType::Nullable(inner) => Step::Nullable(Box::new(step(inner))),
        ColumnType::LowCardinality(inner) => step(inner),
        fixed => Step::Skip(fixed.width().unwrap_or_default()),
    }
}

#[inline]
fn walk(step: &Step, row: &mut Decoder<'_>) -> Result<(), WalkFault> {
    match step {
        Step::Skip(width) => {
            row.take(*width)?;
        }
        Step::Bool => {
            row.flag()?;
        }
        Step::Text => {
            let bytes = row.bytes()?;
            // Most texts are short and ASCII, where looking at the bytes is quicker than a call.
            if !bytes.is_ascii() {
                simdutf8::compat::from_utf8(bytes).map_err(|fault| DecodeFault::NotUtf8(fault.valid_up_to()))?;
            }
        }
        Step::Ticks { lowest, highest } => {
            let ticks = i64::from_le_bytes(row.array()?);
            if ticks < *lowest || ticks > *highest {
                return Err(WalkFault::Range(ticks.into()));
            }
        }
        Step::Decimal32(limit) => {
            let unscaled = i32::from_le_bytes(row.array()?);
            if unscaled <= -limit || unscaled >= *limit {
                return Err(WalkFault::Range(unscaled.into()));
            }
        }
        Step::Decimal64(limit) => {
            let unscaled = i64::from_le_bytes(row.array()?);
            if unscaled <= -limit || unscaled >= *limit {
                return Err(WalkFault::Range(unscaled.into()));
            }
        }
        Step::Decimal128(limit) => {
            let unscaled = i128::from_le_bytes(row.array()?);
            if unscaled <= -limit || unscaled >= *limit {
                return Err(WalkFault::Range(unscaled));
            }
        }
        Step::Nullable(inner) => {
            if !row.flag()? {
                walk(inner, row)?;
            }
        }
    }
    Ok(())
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
    }
}
