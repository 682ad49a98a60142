//! Records for a test, laid out as the gateway lays them out.

use crate::contract::{Batch, Headers, Strings};

/// A record for a test.
#[derive(Debug, Clone, Default)]
pub struct Input<'a> {
    value: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    headers: Vec<(&'a str, Option<&'a [u8]>)>,
    offset: Option<i64>,
    timestamp: Option<i64>,
}

impl<'a> Input<'a> {
    /// A record with this value.
    pub fn value<V: AsRef<[u8]> + ?Sized>(value: &'a V) -> Self {
        Self { value: Some(value.as_ref()), ..Self::default() }
    }

    /// A record whose value is null.
    pub fn null() -> Self {
        Self::default()
    }

    /// The same with a key; without one it is null.
    pub fn key<V: AsRef<[u8]> + ?Sized>(self, key: &'a V) -> Self {
        Self { key: Some(key.as_ref()), ..self }
    }

    /// The same with one header more.
    pub fn header<V: AsRef<[u8]> + ?Sized>(mut self, name: &'a str, value: &'a V) -> Self {
        self.headers.push((name, Some(value.as_ref())));
        self
    }

    /// The same with one header more, whose value is null.
    pub fn null_header(mut self, name: &'a str) -> Self {
        self.headers.push((name, None));
        self
    }

    /// The same at this offset; without one it is the record's index.
    pub fn offset(self, offset: i64) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// The same with a timestamp in milliseconds since 1970-01-01 UTC.
    pub fn timestamp(self, timestamp: i64) -> Self {
        Self { timestamp: Some(timestamp), ..self }
    }
}

/// Lays records out as one batch.
pub fn batch(topic: &str, partition: i32, records: &[Input<'_>]) -> Batch {
    let all_headers = || records.iter().flat_map(|record| &record.headers);
    let mut count = 0;
    let record_ends = records.iter().map(|record| {
        count += record.headers.len() as u32;
        count
    });
    let record_ends = if all_headers().next().is_some() { record_ends.collect() } else { Vec::new() };
    Batch {
        topic: topic.to_owned(),
        partition,
        offsets: (0..).zip(records).map(|(index, record)| record.offset.unwrap_or(index)).collect(),
        timestamps: records.iter().map(|record| record.timestamp.unwrap_or(-1)).collect(),
        keys: strings(records.iter().map(|record| record.key)),
        values: strings(records.iter().map(|record| record.value)),
        headers: Headers {
            record_ends,
            names: strings(all_headers().map(|(name, _)| Some(name.as_bytes()))),
            values: strings(all_headers().map(|(_, value)| *value)),
        },
    }
}

fn strings<'a>(all: impl Iterator<Item = Option<&'a [u8]>>) -> Strings {
    let mut strings = Strings { bytes: Vec::new(), ends: Vec::new(), nulls: Vec::new() };
    for (index, each) in (0..).zip(all) {
        match each {
            Some(bytes) => strings.bytes.extend_from_slice(bytes),
            None => strings.nulls.push(index),
        }
        strings.ends.push(strings.bytes.len() as u32);
    }
    if strings.nulls.len() == strings.ends.len() {
        return Strings { bytes: Vec::new(), ends: Vec::new(), nulls: Vec::new() };
    }
    strings
}
