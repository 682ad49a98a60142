//! A stream of records of one kind, tampered with and read.

use std::ops::Range;

use tidegate_json::Batch;
use tidegate_json_bench::Dice;

use tidegate_json_bench::data;
use tidegate_plugin::Text;

use crate::compare::{Count, compare, same};
use crate::kinds::{self, Kind, OwnedSale, VisitKind};
use crate::tamper::Tamperer;
use crate::tokens::Parts;

/// Records in a stream.
pub const STREAM: usize = 2_048;

/// One of so many records that were read takes the place of one that is tampered with next.
const KEPT: u32 = 24;

/// Beyond this nothing is kept: records that grow and grow only take time.
const LONGEST: usize = 2_048;

/// Makes the stream of this number and reads it.
///
/// # Errors
/// On the first difference, with all that is needed to see it again.
pub fn stream(seed: u64, number: u64) -> Result<Count, String> {
    let mut dice = Dice::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let kind = dice.index(kinds::KINDS);
    kinds::visit(kind, Stream { seed, number, tamperer: Tamperer::new(dice) })
}

/// How records are read.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Each by itself.
    FromStr,
    /// As a stream.
    Stream,
    /// As a stream that reads another type from every record, too.
    AmongOthers,
}

impl Way {
    fn choose(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 => Self::FromStr,
            1 => Self::AmongOthers,
            _ => Self::Stream,
        }
    }
}

type Sale<'a> = data::Sale<Text<'a>>;

struct Stream {
    seed: u64,
    number: u64,
    tamperer: Tamperer,
}

impl VisitKind for Stream {
    type Answer = Result<Count, String>;

    fn visit<K: Kind>(mut self) -> Result<Count, String> {
        let way = Way::choose(self.tamperer.dice());
        let (bytes, ranges) = self.records::<K>();
        let (batch, stream, records) = (Batch::new(&bytes), tidegate_json::Stream::new(), tidegate_json::Stream::new());
        let mut count = Count::default();
        for range in ranges {
            let record = bytes.get(range.clone()).unwrap_or_default();
            let text = batch.text(range);
            let ours = text.map(|text| match way {
                Way::FromStr => tidegate_json::from_str(text.as_str()),
                Way::Stream => stream.read(text),
                Way::AmongOthers => {
                    // What is learned of one type says nothing of another.
                    let _ = stream.read::<OwnedSale>(text);
                    stream.read(text)
                }
            });
            let same = match (&ours, text) {
                (Some(ours), Some(text)) => {
                    let by_itself = matches!(way, Way::FromStr);
                    let record = K::record((!by_itself).then_some(&records), text);
                    record.map_or(Ok(()), |record| same(ours, &record)).and_then(|()| {
                        // With decimals, which serde_json makes from floats.
                        same(&stream.read::<Sale<'_>>(text), &records.record(text))
                    })
                }
                _ => Ok(()),
            };
            let agreement = same.and_then(|()| compare::<K::Of<'_>>(record, ours)).map_err(|difference| {
                let Self { seed, number, .. } = self;
                format!(
                    "{} by {way:?}, seed {seed}, stream {number}, record {}\n{}\nas bytes {record:?}\n{difference}",
                    K::NAME,
                    count.records,
                    record.escape_ascii()
                )
            })?;
            count.note(agreement);
        }
        Ok(count)
    }
}

impl Stream {
    /// The records one behind the other, and where each lies.
    fn records<K: Kind>(&mut self) -> (Vec<u8>, Vec<Range<usize>>) {
        let mut originals: Vec<Parts> = K::records().iter().map(|record| Parts::new(record)).collect();
        let mut bytes = Vec::with_capacity(STREAM * 256);
        let mut ranges = Vec::with_capacity(STREAM);
        for _ in 0..STREAM {
            let which = self.tamperer.dice().index(originals.len());
            let start = bytes.len();
            if let Some(original) = originals.get_mut(which) {
                self.tamperer.tamper(original, &mut bytes);
                let made = bytes.get(start..).unwrap_or_default();
                if self.tamperer.dice().one_in(KEPT) && made.len() < LONGEST && is_valid(made) {
                    *original = Parts::new(made);
                }
            }
            ranges.push(start..bytes.len());
        }
        (bytes, ranges)
    }
}

fn is_valid(record: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(record).is_ok()
}
