//! Samples: records with what became of them, as lines of the stream. Nothing here is on the path of a record but of the few that
//! are shown.

use serde_json::value::RawValue;

use super::find::RANGE_ORIGIN;
use super::line::{BytesLine, Columns, HeaderLine, RangeLine, RecordLine, RejectLine, RowLine};
use super::members::Members;
use super::wanted::Extent;
use crate::config::Target;
use crate::pipeline::{Chunk, Range, Reject, Transformed};
use crate::plugin::{Description, Route};
use crate::rows::{Decoder, shortened, write_value};

/// How much of a sample is shown.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Of a key, a value, a header or a column, in bytes.
    bytes: usize,
    /// Of a record or a range.
    rows: usize,
}

impl Extent {
    fn limits(self) -> Limits {
        match self {
            // What a person still looks at, with a page of rows.
            Self::Beginning => Limits { bytes: 2 << 10, rows: 20 },
            // As much as brokers take by default.
            Self::Whole => Limits { bytes: 1 << 20, rows: 1_000 },
        }
    }
}

/// Rows are left out when a line has grown to so many bytes.
const LONGEST_LINE: usize = 4 << 20;

/// The longest backtrace that is shown, in bytes.
const LONGEST_FAULT: usize = 8 << 10;

/// What samples of a range are made of.
pub(super) struct Material<'t> {
    pub transformed: &'t Transformed,
    pub description: &'t Description,
    pub targets: &'t [Target],
}

impl Material<'_> {
    /// The records with these indexes, which ascend.
    pub fn records(&self, indexes: &[usize], extent: Extent) -> Vec<RecordLine> {
        let limits = extent.limits();
        let mut lines: Vec<_> = indexes.iter().map(|index| self.record(*index, limits)).collect();
        let mut sizes = vec![0; lines.len()];
        self.each_row(|route, target, origin, row| {
            let Some(place) = usize::try_from(origin).ok().and_then(|origin| indexes.binary_search(&origin).ok())
            else {
                return;
            };
            if let (Some(line), Some(size)) = (lines.get_mut(place), sizes.get_mut(place)) {
                add(&mut line.rows, &mut line.more_rows, size, limits, || row_line(route, target, row, limits));
            }
        });
        for line in &mut lines {
            line.became = became(line).to_owned();
        }
        lines
    }

    /// What belongs to the range as a whole.
    pub fn range(&self, extent: Extent) -> RangeLine {
        let limits = extent.limits();
        let mut line = range_line(&self.transformed.batch.range);
        let mut size = 0;
        self.each_row(|route, target, origin, row| {
            if origin == RANGE_ORIGIN {
                add(&mut line.rows, &mut line.more_rows, &mut size, limits, || row_line(route, target, row, limits));
            }
        });
        line
    }

    fn each_row(&self, mut take: impl FnMut(&Route, &Target, u32, &[u8])) {
        let routes = self.description.routes.iter().zip(self.targets).zip(&self.transformed.routes);
        for ((route, target), rows) in routes {
            for (row, origin) in rows.chunks.iter().flat_map(|chunk: &Chunk| chunk.rows().zip(&chunk.origins)) {
                take(route, target, *origin, row);
            }
        }
    }

    fn record(&self, index: usize, limits: Limits) -> RecordLine {
        let batch = &self.transformed.batch;
        let records = &batch.records;
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes_line(bytes, limits.bytes));
        let header = |(name, value): (&[u8], _)| HeaderLine {
            name: shortened(String::from_utf8_lossy(name).into_owned(), limits.bytes),
            value: bytes(value),
        };
        RecordLine {
            topic: batch.range.topic.to_string(),
            partition: batch.range.partition,
            offset: records.offsets.get(index).copied().unwrap_or_default(),
            timestamp: records.timestamps.get(index).copied().filter(|time| *time >= 0),
            key: bytes(records.keys.get(index)),
            headers: records.headers(index).map(header).collect(),
            value: bytes(records.values.get(index)),
            became: String::new(),
            rows: Vec::new(),
            more_rows: 0,
            reject: self.reject(index).map(|Reject { stage, reason, .. }| RejectLine {
                stage: stage.name().to_owned(),
                reason: reason.clone(),
            }),
        }
    }

    fn reject(&self, index: usize) -> Option<&Reject> {
        let rejects = &self.transformed.rejects;
        let found = rejects.binary_search_by_key(&index, |reject| reject.record).ok()?;
        rejects.get(found)
    }
}

/// A range of which nothing came.
pub(super) fn failed(range: &Range, fault: String) -> RangeLine {
    RangeLine { fault: Some(shortened(fault, LONGEST_FAULT)), ..range_line(range) }
}

fn range_line(range: &Range) -> RangeLine {
    RangeLine {
        topic: range.topic.to_string(),
        partition: range.partition,
        first: range.first,
        last: range.next - 1,
        rows: Vec::new(),
        more_rows: 0,
        fault: None,
    }
}

fn became(line: &RecordLine) -> &'static str {
    match (&line.reject, line.rows.is_empty() && line.more_rows == 0) {
        (Some(_), _) => "rejected",
        (None, false) => "rows",
        (None, true) => "dropped",
    }
}

fn add(rows: &mut Vec<RowLine>, more: &mut usize, size: &mut usize, limits: Limits, row: impl FnOnce() -> RowLine) {
    if rows.len() >= limits.rows || *size >= LONGEST_LINE {
        *more += 1;
        return;
    }
    let row = row();
    *size += row.columns.0.iter().map(|(name, value)| name.len() + value.get().len()).sum::<usize>();
    rows.push(row);
}

fn bytes_line(bytes: &[u8], most: usize) -> BytesLine {
    let beginning = bytes.get(..most).unwrap_or(bytes);
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => Some(text),
        // A character that the limit splits; one that the text itself does not end is no text.
        Err(fault) if fault.error_len().is_none() && beginning.len() < bytes.len() => {
            beginning.get(..fault.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok())
        }
        Err(_) => None,
    };
    match text.filter(|text| !text.contains('\0')) {
        Some(text) => {
            BytesLine { bytes: bytes.len(), cut: text.len() < bytes.len(), text: Some(text.to_owned()), hex: None }
        }
        None => {
            // Two digits a byte.
            let beginning = bytes.get(..most / 2).unwrap_or(bytes);
            let hex = beginning.iter().map(|byte| format!("{byte:02x}")).collect();
            BytesLine { bytes: bytes.len(), cut: beginning.len() < bytes.len(), text: None, hex: Some(hex) }
        }
    }
}

fn row_line(route: &Route, target: &Target, row: &[u8], limits: Limits) -> RowLine {
    let mut line =
        RowLine { route: route.name.clone(), table: target.to_string(), columns: Columns::default(), cut: Vec::new() };
    if route.columns.is_empty() {
        // The row was checked to be an object.
        let Members(members): Columns = serde_json::from_slice(row).unwrap_or_default();
        for (name, value) in members {
            column(&mut line, name, one_line(value.get()), limits);
        }
        return line;
    }
    let mut values = Decoder::new(row);
    for described in &route.columns {
        let mut json = Vec::new();
        match values.value(described) {
            Ok(value) => write_value(&value, &mut json),
            // The row was checked: this is a defect, which is better told than hidden.
            Err(fault) => json = serde_json::Value::from(format!("unreadable: {fault}")).to_string().into_bytes(),
        }
        column(&mut line, described.name.clone(), one_line(&String::from_utf8_lossy(&json)), limits);
    }
    line
}

fn column(line: &mut RowLine, name: String, json: String, limits: Limits) {
    let (json, cut) = match json.len() > limits.bytes {
        true => (serde_json::Value::from(shortened(json, limits.bytes)).to_string(), true),
        false => (json, false),
    };
    if cut {
        line.cut.push(name.clone());
    }
    let value = RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned());
    line.columns.0.push((name, value));
}

/// The line ends of a JSON text stand between its tokens, where any white space is as good.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
