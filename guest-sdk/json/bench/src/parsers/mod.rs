//! The parsers, each as its documentation tells to use it for records in a batch.

#[cfg(feature = "rivals")]
pub mod jiter;
mod own;
#[cfg(feature = "rivals")]
mod rivals;
mod serde_json;

use std::fmt::Display;
use std::io::Write;
use std::ops::Range;
use std::str::Utf8Error;

use crate::data::{Data, Records};
use crate::row::{self, Row};

/// A way to read records.
pub trait Parser {
    /// Reads the records of a batch, one by one, and writes their rows.
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out);
}

/// Records one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    start: usize,
    ends: &'a [usize],
}

/// What becomes of a batch.
#[derive(Debug, Default)]
pub struct Out {
    /// The rows.
    pub rows: Vec<u8>,
    /// Why records were refused, in the parser's own words.
    pub reasons: Vec<u8>,
    /// Records that were refused.
    pub refused: usize,
}

/// The parsers' names are those of the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ParserKind {
    Tidegate,
    TidegateRecord,
    TidegateFromStr,
    SerdeJsonBorrowed,
    SerdeJsonOwned,
    SonicRs,
    SimdJson,
    Jiter,
}

impl ParserKind {
    /// Every one, in the order of the figures.
    pub const ALL: [Self; 8] = [
        Self::Tidegate,
        Self::TidegateRecord,
        Self::TidegateFromStr,
        Self::SerdeJsonBorrowed,
        Self::SerdeJsonOwned,
        Self::SonicRs,
        Self::SimdJson,
        Self::Jiter,
    ];

    /// How the figures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate-json",
            Self::TidegateRecord => "tidegate-json Record",
            Self::TidegateFromStr => "tidegate-json from_str",
            Self::SerdeJsonBorrowed => "serde_json borrowed",
            Self::SerdeJsonOwned => "serde_json owned",
            Self::SonicRs => "sonic-rs",
            Self::SimdJson => "simd-json",
            Self::Jiter => "jiter",
        }
    }

    /// Whether it was compiled in.
    pub fn is_here(self) -> bool {
        let rival = matches!(self, Self::SonicRs | Self::SimdJson | Self::Jiter);
        cfg!(feature = "rivals") || !rival
    }

    /// Hands the parser to `visitor`; `None` where it was not compiled in.
    pub fn visit<V: VisitParser>(self, visitor: V) -> Option<V::Answer> {
        Some(match self {
            Self::Tidegate => visitor.visit(&mut own::Stream::default()),
            Self::TidegateRecord => visitor.visit(&mut own::Record::default()),
            Self::TidegateFromStr => visitor.visit(&mut own::FromStr),
            Self::SerdeJsonBorrowed => visitor.visit(&mut serde_json::Borrowed),
            Self::SerdeJsonOwned => visitor.visit(&mut serde_json::Owned),
            #[cfg(feature = "rivals")]
            Self::SonicRs => visitor.visit(&mut rivals::SonicRs),
            #[cfg(feature = "rivals")]
            Self::SimdJson => visitor.visit(&mut rivals::SimdJson::default()),
            #[cfg(feature = "rivals")]
            Self::Jiter => visitor.visit(&mut jiter::ByHand),
            #[cfg(not(feature = "rivals"))]
            Self::SonicRs | Self::SimdJson | Self::Jiter => return None,
        })
    }
}

/// What is done with a parser that is known only when the program runs.
pub trait VisitParser {
    /// What comes of it.
    type Answer;

    /// Does it.
    fn visit<P: Parser>(self, parser: &mut P) -> Self::Answer;
}

impl<'a> Batch<'a> {
    /// The batches of this many records each.
    pub fn all(records: &'a Records, size: usize) -> impl Iterator<Item = Self> {
        let mut next = 0;
        records.ends.chunks(size).map(move |ends| {
            let start = next;
            next = ends.last().copied().unwrap_or(start);
            Self { bytes: &records.bytes, start, ends }
        })
    }

    fn ranges(self) -> impl Iterator<Item = Range<usize>> {
        let mut start = self.start;
        self.ends.iter().map(move |&end| std::mem::replace(&mut start, end)..end)
    }

    /// The records' bytes.
    pub fn values(self) -> impl Iterator<Item = &'a [u8]> {
        self.ranges().map(|range| self.bytes.get(range).unwrap_or_default())
    }

    /// The bytes of all records, and where each lies in them.
    pub fn parts(self) -> (&'a [u8], impl Iterator<Item = Range<usize>>) {
        let end = self.ends.last().copied().unwrap_or(self.start);
        let bytes = self.bytes.get(self.start..end).unwrap_or_default();
        (bytes, self.ranges().map(move |range| range.start - self.start..range.end - self.start))
    }

    /// The records' texts: all of the batch is checked at once, and record by record only where it is not UTF-8 as a whole.
    pub fn texts(self) -> impl Iterator<Item = Result<&'a str, Utf8Error>> {
        let (bytes, ranges) = self.parts();
        let whole = simdutf8::basic::from_utf8(bytes).ok();
        ranges.map(move |range| match whole.and_then(|whole| whole.get(range.clone())) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(bytes.get(range).unwrap_or_default()),
        })
    }
}

impl Out {
    /// Forgets all, and keeps the room.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.reasons.clear();
        self.refused = 0;
    }

    /// Writes a record's row, or why there is none.
    #[inline(always)]
    pub fn take<R: Row, E: Display>(&mut self, record: Result<R, E>) {
        match record {
            Ok(record) => row::write(&record, &mut self.rows),
            Err(error) => self.refuse(&error),
        }
    }

    #[cold]
    fn refuse(&mut self, error: &dyn Display) {
        self.refused += 1;
        // Writing to a vector cannot fail.
        let _ = write!(self.reasons, "{error}");
    }
}
