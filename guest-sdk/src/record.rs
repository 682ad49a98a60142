//! One record of a batch, as the author sees it. Made by the glue for every record; it owns nothing and copies
//! nothing. A malformed batch reads as nulls here, never as a panic: the gateway checks what it sends.

use std::ops::Range;
use std::str;

use serde::Deserialize;
use tidegate_json::{FromJson, Stream};

use crate::contract::{Batch, Strings};
use crate::reject::Reject;

/// One record, borrowed from its batch. Copying it is copying a pointer and an index.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    records: &'a Records<'a>,
    index: usize,
}

/// The records of a batch. UTF-8 is checked here, once for the whole batch: record by record costs more than reading the
/// JSON's numbers does.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    batch: &'a Batch,
    texts: tidegate_json::Batch<'a>,
    /// What was learned of the JSON in the batches before.
    stream: &'a Stream,
}

impl<'a> Records<'a> {
    pub(crate) fn new(batch: &'a Batch, stream: &'a Stream) -> Self {
        Self { batch, texts: tidegate_json::Batch::new(&batch.values.bytes), stream }
    }

    /// The records in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.batch.offsets.len()).map(|index| Record { records: self, index })
    }
}

impl<'a> Record<'a> {
    /// The value; `None` is a null (a tombstone), which is not the same as empty.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        string(&self.batch().values, self.index)
    }

    /// The key; `None` is a null, which is not the same as empty.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        string(&self.batch().keys, self.index)
    }

    /// The value as text. Refuses a null and what is not UTF-8.
    #[inline]
    pub fn text(&self) -> Result<&'a str, Reject> {
        match self.json_text() {
            Some(text) if !text.as_str().is_empty() => Ok(text.as_str()),
            _ => self.no_text(),
        }
    }

    /// The value read as JSON. Refuses a null, an empty value and whatever does not fit `T`; the reason says where in the value
    /// and what was expected.
    ///
    /// `T` may borrow from the value: use [`Text`](crate::Text) for strings, which borrows where there is no escape.
    #[inline]
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, Reject> {
        let Some(text) = self.json_text() else { return Err(self.no_text().err().unwrap_or_else(not_there)) };
        self.records.stream.read(text).map_err(|error| self.not_json(&error))
    }

    /// The same without serde in between, which is quicker: for types that derive [`Record`](derive@crate::Record).
    #[inline]
    pub fn json_record<T: FromJson<'a>>(&self) -> Result<T, Reject> {
        let Some(text) = self.json_text() else { return Err(self.no_text().err().unwrap_or_else(not_there)) };
        self.records.stream.record(text).map_err(|error| self.not_json(&error))
    }

    #[inline]
    fn json_text(&self) -> Option<tidegate_json::Text<'a>> {
        self.records.texts.text(range(&self.batch().values, self.index)?)
    }

    /// The text of a value that is empty, or why it has none.
    #[cold]
    fn no_text(&self) -> Result<&'a str, Reject> {
        let value = self.value().ok_or_else(not_there)?;
        str::from_utf8(value)
            .map_err(|error| Reject::new(format!("the value is not UTF-8 at byte {}", error.valid_up_to())))
    }

    #[cold]
    fn not_json(&self, error: &tidegate_json::Error) -> Reject {
        match self.no_text() {
            Ok(text) => not_json(text, "the value", error),
            Err(reject) => reject,
        }
    }

    #[inline]
    fn batch(&self) -> &'a Batch {
        self.records.batch
    }

    /// The headers, in their order. A name may stand more than once.
    pub fn headers(&self) -> Headers<'a> {
        let ends = &self.batch().headers.record_ends;
        let end = ends.get(self.index).map_or(0, |&end| end as usize);
        let start = self.index.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |&end| end as usize);
        Headers { batch: self.batch(), next: start, end }
    }

    /// The value of the last header of this name, as Kafka's own clients choose it. `None` where there is no such
    /// header or where its value is null.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(each, _)| *each == name).last().and_then(|(_, value)| value)
    }

    /// The topic that the record stands in.
    #[inline]
    pub fn topic(&self) -> &'a str {
        &self.batch().topic
    }

    /// The partition that the record stands in.
    #[inline]
    pub fn partition(&self) -> i32 {
        self.batch().partition
    }

    /// The record's offset in its partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.batch().offsets.get(self.index).copied().unwrap_or(-1)
    }

    /// The record's timestamp in milliseconds since 1970-01-01 UTC, where it carries one.
    #[inline]
    pub fn timestamp(&self) -> Option<i64> {
        self.batch().timestamps.get(self.index).copied().filter(|&timestamp| timestamp != -1)
    }
}

#[cold]
fn not_there() -> Reject {
    Reject::new("the value is null")
}

/// The headers of one record. A name that is not UTF-8, which Kafka's own clients never write, reads as empty.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    batch: &'a Batch,
    next: usize,
    end: usize,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let headers = &self.batch.headers;
        let name = string(&headers.names, self.next).and_then(|name| str::from_utf8(name).ok()).unwrap_or_default();
        let value = string(&headers.values, self.next);
        self.next += 1;
        Some((name, value))
    }
}

/// String `index` of a column; `None` where it is null.
///
/// A null has no length, so only an empty string is looked up among the nulls: the common case costs nothing and
/// records can be visited in any order.
#[inline]
fn string(strings: &Strings, index: usize) -> Option<&[u8]> {
    let bytes = strings.bytes.get(range(strings, index)?)?;
    if bytes.is_empty() && strings.nulls.binary_search_by(|null| (*null as usize).cmp(&index)).is_ok() {
        return None;
    }
    Some(bytes)
}

/// Where string `index` lies in the bytes of its column.
#[inline]
fn range(strings: &Strings, index: usize) -> Option<Range<usize>> {
    let end = *strings.ends.get(index)? as usize;
    let start = match index.checked_sub(1) {
        Some(before) => *strings.ends.get(before)? as usize,
        None => 0,
    };
    Some(start..end)
}

/// Reads JSON; `name` is what a reason calls the text.
#[inline]
pub(crate) fn json<'a, T: Deserialize<'a>>(text: &'a str, name: &'static str) -> Result<T, Reject> {
    tidegate_json::from_str(text).map_err(|error| not_json(text, name, &error))
}

#[cold]
fn not_json(text: &str, name: &'static str, error: &tidegate_json::Error) -> Reject {
    if text.is_empty() {
        return Reject::new(format!("{name} is empty"));
    }
    if error.is_data() {
        return Reject::new(format!("the JSON does not fit: {error}"));
    }
    Reject::new(format!("{name} is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::native::{Input, batch};

    /// The records with a stream that knows nothing. They are never freed: this is a test.
    fn records(batch: &Batch) -> &Records<'_> {
        Box::leak(Box::new(Records::new(batch, Box::leak(Box::default()))))
    }

    fn record(batch: &Batch, index: usize) -> Record<'_> {
        Record { records: records(batch), index }
    }

    #[test]
    fn tells_a_null_from_an_empty_value_and_key() {
        let batch = batch("t", 3, &[Input::null(), Input::value(""), Input::value("v").key("")]);
        let [null, empty, full] = [0, 1, 2].map(|index| record(&batch, index));
        assert_eq!((null.value(), null.key()), (None, None));
        assert_eq!((empty.value(), empty.key()), (Some(&b""[..]), None));
        assert_eq!((full.value(), full.key()), (Some(&b"v"[..]), Some(&b""[..])));
        assert_eq!(null.json::<u8>(), Err(Reject::new("the value is null")));
        assert_eq!(null.text(), Err(Reject::new("the value is null")));
        assert_eq!(empty.json::<u8>(), Err(Reject::new("the value is empty")));
        assert_eq!(empty.text(), Ok(""));
    }

    #[test]
    fn a_column_without_ends_is_all_null() {
        let mut batch = batch("t", 0, &[Input::value("a"), Input::value("b")]);
        batch.values = Strings { bytes: vec![], ends: vec![], nulls: vec![] };
        assert_eq!(record(&batch, 1).value(), None);
    }

    #[test]
    fn a_malformed_batch_reads_as_nulls() {
        let mut batch = batch("t", 0, &[Input::value("abc"), Input::value("def"), Input::value("g")]);
        batch.values.ends = vec![5, 2, 900];
        batch.timestamps.clear();
        batch.headers.record_ends = vec![7];
        let values = [0, 1, 2, 3].map(|index| record(&batch, index).value());
        assert_eq!(values, [Some(&b"abcde"[..]), None, None, None]);
        assert_eq!(record(&batch, 0).timestamp(), None);
        assert_eq!(record(&batch, 9).offset(), -1);
        assert_eq!(record(&batch, 0).headers().count(), 7);
    }

    #[test]
    fn walks_the_headers_of_each_record_alone() {
        let batch = batch(
            "t",
            0,
            &[
                Input::value("1").header("a", "x").header("a", "y"),
                Input::value("2"),
                Input::value("3").null_header("n").header("a", ""),
            ],
        );
        let [first, second, third] = [0, 1, 2].map(|index| record(&batch, index));
        assert_eq!(first.headers().collect::<Vec<_>>(), [("a", Some(&b"x"[..])), ("a", Some(&b"y"[..]))]);
        assert_eq!(first.header("a"), Some(&b"y"[..]));
        assert_eq!(second.headers().count(), 0);
        assert_eq!(third.headers().collect::<Vec<_>>(), [("n", None), ("a", Some(&b""[..]))]);
        assert_eq!((third.header("n"), third.header("b")), (None, None));
    }

    #[test]
    fn knows_where_and_when_it_stands() {
        let batch = batch("orders", 7, &[Input::value("1").offset(40).timestamp(12), Input::value("2").offset(44)]);
        let [first, second] = [0, 1].map(|index| record(&batch, index));
        assert_eq!((first.topic(), first.partition()), ("orders", 7));
        assert_eq!((first.offset(), first.timestamp()), (40, Some(12)));
        assert_eq!((second.offset(), second.timestamp()), (44, None));
    }

    #[test]
    fn says_where_a_value_stops_being_text() {
        let batch = batch("t", 0, &[Input::value(b"ab\xff".as_slice())]);
        let reason = record(&batch, 0).text().unwrap_err();
        assert_eq!(reason.reason(), "the value is not UTF-8 at byte 2");
    }

    #[test]
    fn halves_of_a_character_in_two_records_are_no_text() {
        let halves = batch("t", 0, &[Input::value(b"\xd0".as_slice()), Input::value(b"\xb6".as_slice())]);
        let reasons: Vec<_> =
            records(&halves).iter().map(|record| record.text().map_err(|reject| reject.to_string())).collect();
        assert_eq!(reasons, vec![Err("the value is not UTF-8 at byte 0".to_owned()); 2]);
    }

    #[test]
    fn a_value_that_is_not_utf8_where_nobody_looks_is_refused_and_its_neighbours_are_not() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Numbered {
            n: u8,
        }
        let inputs = [
            Input::value(r#"{"n":1}"#),
            Input::value(b"{\"n\":2,\"x\":\"\xe9\"}".as_slice()),
            Input::value(r#"{"n":3}"#),
        ];
        let batch = batch("t", 0, &inputs);
        let read: Vec<_> = records(&batch).iter().map(|record| record.json::<Numbered>().ok()).collect();
        assert_eq!(read, [Some(Numbered { n: 1 }), None, Some(Numbered { n: 3 })]);
    }

    #[test]
    fn a_value_nested_too_deep_is_an_error_and_not_an_overflow() {
        let deep = "[".repeat(10_000);
        let batch = batch("t", 0, &[Input::value(deep.as_str())]);
        #[derive(Debug, Deserialize)]
        struct Nested(#[expect(dead_code)] Vec<Nested>);
        let reason = record(&batch, 0).json::<Nested>().unwrap_err();
        assert_eq!(
            reason.reason(),
            "the value is not JSON: nested deeper than 127 levels at $[0][0][0][0][0][0][0][0]…[0][0][0][0], byte 127"
        );
    }
}
