//! A range: what a partition delivered between two boundaries, first and next offset. Closed once; its boundaries never
//! change after. The records lie flat in the contract's layout from the moment they are fetched.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::config::BatchLimits;

/// The boundaries of a range. Offsets of records that do not exist (compaction, transactions) belong to it too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
    /// The offset of the first record.
    pub first: i64,
    /// The offset that follows the last record and whatever is no record behind it; committed when the range is complete.
    pub next: i64,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}-{}", self.topic, self.partition, self.first, self.next)
    }
}

impl Range {
    /// What a guest's randomness begins from: the same for the same range, wherever it is replayed.
    pub fn seed(&self) -> u64 {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        hash.update(self.topic.as_bytes());
        hash.update(self.partition.to_le_bytes());
        hash.update(self.first.to_le_bytes());
        hash.update(self.next.to_le_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        u64::from_le_bytes(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// One byte string for every record, end to end; see `strings` in the contract.
#[derive(Debug, Default)]
pub struct Strings {
    /// All strings.
    pub bytes: Vec<u8>,
    /// Where each ends.
    pub ends: Vec<u32>,
    /// Which are null, ascending.
    pub nulls: Vec<u32>,
}

/// The records of one range, flat.
#[derive(Debug, Default)]
pub struct Records {
    /// One a record.
    pub offsets: Vec<i64>,
    /// Milliseconds since 1970, or -1.
    pub timestamps: Vec<i64>,
    /// One a record.
    pub keys: Strings,
    /// One a record.
    pub values: Strings,
    /// How many headers there are up to and with each record's own; empty where no record has any.
    pub header_ends: Vec<u32>,
    /// One a header.
    pub header_names: Strings,
    /// One a header.
    pub header_values: Strings,
}

/// A record on its way into [`Records`].
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since 1970, or -1.
    pub timestamp: i64,
    /// None for null.
    pub key: Option<&'a [u8]>,
    /// None for null.
    pub value: Option<&'a [u8]>,
}

impl Strings {
    fn push(&mut self, string: Option<&[u8]>) {
        match string {
            Some(string) => self.bytes.extend_from_slice(string),
            None => self.nulls.push(index(self.ends.len())),
        }
        self.ends.push(index(self.bytes.len()));
    }

    fn append(&mut self, other: &Self) {
        let (bytes, count) = (index(self.bytes.len()), index(self.ends.len()));
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end.saturating_add(bytes)));
        self.nulls.extend(other.nulls.iter().map(|null| null.saturating_add(count)));
    }

    /// Keeps the first `at`; returns the others.
    fn split_off(&mut self, at: usize) -> Self {
        let end = at.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        let bytes = self.bytes.split_off(usize::try_from(end).unwrap_or(usize::MAX).min(self.bytes.len()));
        let ends = self.ends.split_off(at.min(self.ends.len())).into_iter().map(|other| other - end).collect();
        let position = index(at);
        let nulls = self.nulls.split_off(self.nulls.partition_point(|null| *null < position));
        Self { bytes, ends, nulls: nulls.into_iter().map(|null| null - position).collect() }
    }

    /// String `index`; none where it is null or there is no such string.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let position = u32::try_from(index).ok()?;
        if self.nulls.binary_search(&position).is_ok() {
            return None;
        }
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        let end = *self.ends.get(index)?;
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

/// Ranges are closed well before 2^32 bytes or records: see `OpenRange::is_full`.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Records {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// What they take in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let strings = |strings: &Strings| strings.bytes.len() + 4 * strings.ends.len();
        let headers = 4 * self.header_ends.len() + strings(&self.header_names) + strings(&self.header_values);
        16 * self.len() + strings(&self.keys) + strings(&self.values) + headers
    }

    /// Appends a record that has no headers, or whose headers follow by [`Self::push_header`].
    #[inline]
    pub fn push(&mut self, record: RecordRef<'_>) {
        self.offsets.push(record.offset);
        self.timestamps.push(record.timestamp);
        self.keys.push(record.key);
        self.values.push(record.value);
        if !self.header_ends.is_empty() {
            self.header_ends.push(index(self.header_names.ends.len()));
        }
    }

    /// Appends a header to the record that was pushed last.
    pub fn push_header(&mut self, name: &[u8], value: Option<&[u8]>) {
        // The records before the first header of the range have none.
        self.header_ends.resize(self.offsets.len(), 0);
        self.header_names.push(Some(name));
        self.header_values.push(value);
        if let Some(end) = self.header_ends.last_mut() {
            *end = index(self.header_names.ends.len());
        }
    }

    /// Appends the records of another range.
    pub fn append(&mut self, other: &Self) {
        if !self.header_ends.is_empty() || !other.header_ends.is_empty() {
            let headers = index(self.header_names.ends.len());
            self.header_ends.resize(self.len(), headers);
            let ends = other.header_ends.iter().map(|end| end.saturating_add(headers));
            self.header_ends.extend(ends);
            self.header_ends.resize(self.len() + other.len(), headers);
        }
        self.offsets.extend_from_slice(&other.offsets);
        self.timestamps.extend_from_slice(&other.timestamps);
        self.keys.append(&other.keys);
        self.values.append(&other.values);
        self.header_names.append(&other.header_names);
        self.header_values.append(&other.header_values);
    }

    /// Keeps the records before this offset; returns the others.
    pub fn split_at_offset(&mut self, offset: i64) -> Self {
        let at = self.offsets.partition_point(|other| *other < offset);
        let headers = at.checked_sub(1).and_then(|last| self.header_ends.get(last)).copied().unwrap_or_default();
        let kept = self.header_ends.len().min(at);
        let header_ends = self.header_ends.split_off(kept).into_iter().map(|end| end - headers).collect();
        let headers = usize::try_from(headers).unwrap_or(usize::MAX);
        Self {
            offsets: self.offsets.split_off(at),
            timestamps: self.timestamps.split_off(at),
            keys: self.keys.split_off(at),
            values: self.values.split_off(at),
            header_ends,
            header_names: self.header_names.split_off(headers),
            header_values: self.header_values.split_off(headers),
        }
    }

    /// The headers of record `index`, in their order.
    pub fn headers(&self, index: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let end = |index: usize| self.header_ends.get(index).and_then(|end| usize::try_from(*end).ok());
        let start = index.checked_sub(1).and_then(end).unwrap_or(0);
        let headers = start..end(index).unwrap_or(start);
        headers.map(|header| (self.header_names.get(header).unwrap_or_default(), self.header_values.get(header)))
    }

    /// How much they are, to guess at the next range by.
    pub fn shape(&self) -> Shape {
        Shape { records: self.len(), key_bytes: self.keys.bytes.len(), value_bytes: self.values.bytes.len() }
    }

    /// None yet, with room for somewhat more than `shape`, so that filling it does not copy it over and over.
    fn with_room(shape: Shape) -> Self {
        let some_more = |count: usize| count + count / 8;
        let (records, mut empty) = (some_more(shape.records), Self::default());
        empty.offsets.reserve(records);
        empty.timestamps.reserve(records);
        empty.keys.ends.reserve(records);
        empty.keys.bytes.reserve(some_more(shape.key_bytes));
        empty.values.ends.reserve(records);
        empty.values.bytes.reserve(some_more(shape.value_bytes));
        empty
    }
}

/// How much a range holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    records: usize,
    key_bytes: usize,
    value_bytes: usize,
}

/// A range that still grows.
#[derive(Debug)]
pub struct OpenRange {
    /// What it holds so far.
    pub records: Records,
    opened: Instant,
}

impl OpenRange {
    /// Begins with nothing; `like` is the shape of the partition's range before it.
    pub fn new(now: Instant, like: Shape) -> Self {
        Self { records: Records::with_room(like), opened: now }
    }

    /// Begins with records that were fetched already.
    pub fn with(records: Records, now: Instant) -> Self {
        Self { records, opened: now }
    }

    /// Whether it has reached its count or its bytes.
    pub fn is_full(&self, limits: &BatchLimits) -> bool {
        // Beyond 1 GiB the ends of the flat buffers would leave 32 bits with the next large record.
        self.records.len() >= limits.records || self.records.bytes() >= limits.bytes.0.min(1 << 30)
    }

    /// When it is closed if it does not fill up before.
    pub fn deadline(&self, limits: &BatchLimits) -> Instant {
        self.opened + limits.linger
    }

    /// Closes it; none where it holds nothing. No record lies between its last one and offset `next`.
    pub fn close(self, topic: &Arc<str>, partition: i32, next: i64) -> Option<(Range, Records)> {
        let first = *self.records.offsets.first()?;
        Some((Range { topic: topic.clone(), partition, first, next }, self.records))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::ByteSize;

    fn record(offset: i64, value: Option<&[u8]>) -> RecordRef<'_> {
        RecordRef { offset, timestamp: 7, key: None, value }
    }

    #[test]
    fn null_and_empty_are_told_apart() {
        let mut records = Records::default();
        records.push(record(5, Some(b"ab")));
        records.push(record(6, None));
        records.push(record(9, Some(b"")));
        assert_eq!(records.values.get(0), Some(&b"ab"[..]));
        assert_eq!(records.values.get(1), None);
        assert_eq!(records.values.get(2), Some(&b""[..]));
        assert_eq!(records.values.get(3), None);
        assert_eq!(records.keys.nulls, [0, 1, 2]);
    }

    #[test]
    fn headers_stay_with_their_record() {
        let mut records = Records::default();
        records.push(record(0, None));
        records.push(record(1, None));
        records.push_header(b"a", Some(b"1"));
        records.push_header(b"b", None);
        records.push(record(2, None));
        let headers = |index| records.headers(index).collect::<Vec<_>>();
        assert_eq!(headers(0), []);
        assert_eq!(headers(1), [(&b"a"[..], Some(&b"1"[..])), (&b"b"[..], None)]);
        assert_eq!(headers(2), []);
    }

    #[test]
    fn records_are_split_at_an_offset_with_their_strings_and_headers() {
        for at in [0, 1, 4, 6, 9, 10] {
            let (mut records, mut head, mut tail) = (Records::default(), Records::default(), Records::default());
            for (offset, value) in [(1, Some(&b"ab"[..])), (4, None), (6, Some(b"")), (9, Some(b"cd"))] {
                for records in [&mut records, if offset < at { &mut head } else { &mut tail }] {
                    records.push(record(offset, value));
                    if offset == 4 || offset == 9 {
                        records.push_header(b"h", value);
                        records.push_header(b"i", None);
                    }
                }
            }
            let rest = records.split_at_offset(at);
            for (split, whole) in [(records, head), (rest, tail)] {
                assert_eq!(split.offsets, whole.offsets);
                for index in 0..whole.len() {
                    assert_eq!(split.values.get(index), whole.values.get(index), "{at} {index}");
                    assert!(split.headers(index).eq(whole.headers(index)), "{at} {index}");
                }
            }
        }
    }

    #[test]
    fn a_range_is_full_by_count_or_bytes_and_ends_where_the_next_begins() {
        let limits =
            BatchLimits { records: 2, bytes: ByteSize::mib(1), linger: Duration::from_secs(1), ..BatchLimits::DEFAULT };
        let now = Instant::now();
        let mut open = OpenRange::new(now, Shape::default());
        open.records.push(record(3, Some(b"a")));
        assert!(!open.is_full(&limits));
        assert!(open.is_full(&BatchLimits { bytes: ByteSize(20), ..limits }));
        open.records.push(record(8, Some(b"b")));
        assert!(open.is_full(&limits));
        assert_eq!(open.deadline(&limits), now + limits.linger);
        let (range, records) = open.close(&"t".into(), 4, 11).unwrap();
        assert_eq!((range.first, range.next, records.len()), (3, 11, 2));
        assert!(OpenRange::new(now, Shape::default()).close(&"t".into(), 4, 11).is_none());
    }
}
