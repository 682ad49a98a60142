//! Samples: records with what became of them, as lines of the stream. Nothing here is on the path of a record but of the few that
//! are shown.

use serde_json::value::RawValue;

use super::line::{BytesLine, Columns, HeaderLine, RangeLine, RecordLine, RejectLine, RowLine, written_bytes};
use super::members::Members;
use super::wanted::Extent;
use crate::config::Target;
use crate::pipeline::{Chunk, RANGE_ORIGIN, Range, Reject, Transformed};
use crate::plugin::{Description, Route};
use crate::rows::{Decoder, shortened, write_value};

/// How much of a sample is shown.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Of a key, a value, a header or a column, in bytes.
    bytes: usize,
    /// Rows of a record or a range, and headers of a record.
    parts: usize,
}

impl Extent {
    fn limits(self) -> Limits {
        match self {
            // What a person still looks at, with a page of rows.
            Self::Beginning => Limits { bytes: 2 << 10, parts: 20 },
            // As much as brokers take by default.
            Self::Whole => Limits { bytes: 1 << 20, parts: 1_000 },
        }
    }
}

/// Headers and rows are left out when a line has grown to so many bytes.
const LONGEST_LINE: usize = 4 << 20;

/// What the names of its members take of a line for a header or a row, at most.
const FRAME: usize = 64;

/// The longest backtrace that is shown, in bytes.
const LONGEST_FAULT: usize = 8 << 10;

/// What samples of a range are made of.
pub(super) struct Material<'t> {
    pub transformed: &'t Transformed,
    pub description: &'t Description,
    pub targets: &'t [Target],
}

/// A row as it goes to the sink.
#[derive(Clone, Copy)]
struct RowRef<'m> {
    route: &'m Route,
    target: &'m Target,
    row: &'m [u8],
}

/// Rows of one record.
#[derive(Clone, Default)]
struct Rows<'m> {
    /// Those that may be shown.
    first: Vec<RowRef<'m>>,
    /// How many others there are.
    more: usize,
}

impl Material<'_> {
    /// The records with these indexes, which ascend. Each is made when it is asked for.
    pub fn records<'m>(&'m self, indexes: &'m [usize], extent: Extent) -> impl Iterator<Item = RecordLine> + 'm {
        let limits = extent.limits();
        let rows = self.rows(indexes, limits);
        indexes.iter().zip(rows).map(move |(index, rows)| self.record(*index, &rows, limits))
    }

    /// Where the rows of these records are, found in one walk over all rows: they stand by route.
    fn rows<'m>(&'m self, indexes: &[usize], limits: Limits) -> Vec<Rows<'m>> {
        let mut all = vec![Rows::default(); indexes.len()];
        self.each_row(|row, origin| {
            let place = usize::try_from(origin).ok().and_then(|origin| indexes.binary_search(&origin).ok());
            let Some(rows) = place.and_then(|place| all.get_mut(place)) else { return };
            match rows.first.len() < limits.parts {
                true => rows.first.push(row),
                false => rows.more += 1,
            }
        });
        all
    }

    /// What belongs to the range as a whole.
    pub fn range(&self, extent: Extent) -> RangeLine {
        let limits = extent.limits();
        let mut line = range_line(&self.transformed.batch.range);
        let mut size = 0;
        self.each_row(|row, origin| {
            if origin == RANGE_ORIGIN {
                add(&mut line.rows, &mut line.more_rows, &mut size, row, limits);
            }
        });
        line
    }

    fn each_row<'m>(&'m self, mut take: impl FnMut(RowRef<'m>, u32)) {
        let routes = self.description.routes.iter().zip(self.targets).zip(&self.transformed.routes);
        for ((route, target), rows) in routes {
            for (row, origin) in rows.chunks.iter().flat_map(|chunk: &Chunk| chunk.rows().zip(&chunk.origins)) {
                take(RowRef { route, target, row }, *origin);
            }
        }
    }

    fn record(&self, index: usize, rows: &Rows<'_>, limits: Limits) -> RecordLine {
        let batch = &self.transformed.batch;
        let records = &batch.records;
        let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes_line(bytes, limits.bytes));
        let (key, value) = (bytes(records.keys.get(index)), bytes(records.values.get(index)));
        let mut size = shown_bytes(key.as_ref()) + shown_bytes(value.as_ref());
        let (headers, more_headers) = headers(records.headers(index), &mut size, limits);
        let mut line = RecordLine {
            topic: batch.range.topic.to_string(),
            partition: batch.range_of(index).partition,
            offset: records.offsets.get(index).copied().unwrap_or_default(),
            timestamp: records.timestamps.get(index).copied().filter(|time| *time >= 0),
            key,
            headers,
            more_headers,
            value,
            became: String::new(),
            rows: Vec::new(),
            more_rows: rows.more,
            reject: self.reject(index).map(|Reject { stage, reason, .. }| RejectLine {
                stage: stage.name().to_owned(),
                reason: reason.clone(),
            }),
        };
        for row in &rows.first {
            add(&mut line.rows, &mut line.more_rows, &mut size, *row, limits);
        }
        line.became = became(&line).to_owned();
        line
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

/// A record's headers as far as they are shown, and how many more there are. A header may be two bytes in Kafka and many more in a line.
fn headers<'r>(
    mut all: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    size: &mut usize,
    limits: Limits,
) -> (Vec<HeaderLine>, usize) {
    let mut shown = Vec::new();
    while shown.len() < limits.parts && *size < LONGEST_LINE {
        let Some((name, value)) = all.next() else { break };
        let name = shortened(String::from_utf8_lossy(name).into_owned(), limits.bytes);
        let value = value.map(|value| bytes_line(value, limits.bytes));
        *size += FRAME + written_bytes(&name) + shown_bytes(value.as_ref());
        shown.push(HeaderLine { name, value });
    }
    // Numbers are counted up to the last header, so that the lower bound is all of them.
    (shown, all.size_hint().0)
}

fn add(rows: &mut Vec<RowLine>, more: &mut usize, size: &mut usize, row: RowRef<'_>, limits: Limits) {
    if rows.len() >= limits.parts || *size >= LONGEST_LINE {
        *more += 1;
        return;
    }
    let row = row_line(row, limits);
    let columns = row.columns.0.iter().map(|(name, value)| written_bytes(name) + written_bytes(value.get()));
    *size += FRAME + written_bytes(&row.route) + written_bytes(&row.table) + columns.sum::<usize>();
    rows.push(row);
}

/// What bytes take of a line.
fn shown_bytes(bytes: Option<&BytesLine>) -> usize {
    let texts = bytes.into_iter().flat_map(|bytes| [&bytes.text, &bytes.hex]).flatten();
    texts.map(|text| written_bytes(text)).sum()
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

fn row_line(RowRef { route, target, row }: RowRef<'_>, limits: Limits) -> RowLine {
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

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::super::line::Line;
    use super::*;
    use crate::pipeline::{Batch, Budget, Bundle, Lineage, RecordRef, Records};
    use crate::plugin::PluginHash;

    /// A range whose records were all dropped by a plugin without routes.
    pub fn dropped(records: Records) -> (Transformed, Description) {
        let dropped = records.len();
        let next = i64::try_from(dropped).unwrap();
        let batch = Batch {
            range: Range { topic: "t".into(), partition: 0, first: 0, next },
            permit: Budget::new(usize::MAX).take(0),
            records,
            lineage: Lineage(0),
            bundle: Arc::new(Bundle { plugin: PluginHash::of(b""), settings: PluginHash::of(b"") }),
            joined: Vec::new(),
        };
        let description =
            Description { name: "test".to_owned(), version: "1".to_owned(), stateless: true, routes: Vec::new() };
        (
            Transformed { batch, routes: Vec::new(), rejects: Vec::new(), dropped, refused: Default::default() },
            description,
        )
    }

    fn with_headers(count: usize, name: &[u8], value: Option<&[u8]>) -> (Transformed, Description) {
        let mut records = Records::default();
        records.push(RecordRef { offset: 0, timestamp: -1, key: None, value: None });
        (0..count).for_each(|_| records.push_header(name, value));
        dropped(records)
    }

    fn only((transformed, description): &(Transformed, Description), extent: Extent) -> RecordLine {
        let material = Material { transformed, description, targets: &[] };
        let mut lines: Vec<_> = material.records(&[0], extent).collect();
        assert_eq!(lines.len(), 1);
        lines.remove(0)
    }

    #[test]
    fn of_very_many_headers_the_first_are_shown_and_the_others_are_counted() {
        let material = with_headers(300_000, b"", None);
        for (extent, shown) in [(Extent::Beginning, 20), (Extent::Whole, 1_000)] {
            let line = only(&material, extent);
            assert_eq!((line.headers.len(), line.more_headers), (shown, 300_000 - shown));
            let json = Line::Record(Box::new(line)).write();
            assert!(json.len() < 64 << 10, "{} bytes", json.len());
            assert!(json.contains(&format!("\"more_headers\":{}", 300_000 - shown)), "{json}");
        }
        let line = only(&with_headers(20, b"", None), Extent::Beginning);
        assert_eq!((line.headers.len(), line.more_headers), (20, 0));
        assert!(!Line::Record(Box::new(line)).write().contains("more_headers"));
    }

    #[test]
    fn headers_that_are_written_longer_than_they_are_make_no_longer_line() {
        // Six bytes in JSON for each.
        let value = [1; 100 << 10];
        let line = only(&with_headers(100, b"name", Some(&value)), Extent::Whole);
        assert_eq!((line.headers.len(), line.more_headers), (7, 93));
        let json = Line::Record(Box::new(line)).write();
        assert!(json.len() < LONGEST_LINE + 6 * value.len() + 1_000, "{} bytes", json.len());
    }
}
