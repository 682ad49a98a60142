//! A set and one pass over it, in the manner of a guest that is called for one batch after the other.

use std::hint::black_box;

use crate::data::{Data, DataSet, Records, Visit};
use crate::parsers::{Batch, Out, Parser, ParserKind, VisitParser};

/// Records of a set: some MiB, far more than the processor's inner caches hold, as records that come from elsewhere.
pub const RECORDS: usize = 4 * BATCH;

/// Records in a batch.
pub const BATCH: usize = 4_096;

/// How often a pass goes over the set: enough for a clock to see tiny records.
pub const PASSES: usize = 4;

/// What is answered in place of a number where there is no such set or parser.
pub const NOT_HERE: u64 = u64::MAX;

/// A set that is ready to be read.
#[derive(Debug)]
pub struct Bench {
    set: DataSet,
    records: Records,
}

/// What a pass over a set gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Records that were refused, of all passes.
    pub refused: usize,
    /// Of all rows of one pass, in their order.
    pub digest: u64,
}

impl Bench {
    /// Makes the records of a set.
    pub fn new(set: DataSet) -> Self {
        Self { set, records: set.records(RECORDS) }
    }

    /// Bytes of a record, in the mean.
    pub fn bytes_per_record(&self) -> usize {
        self.records.bytes.len() / RECORDS
    }

    /// Reads all records [`PASSES`] times, and answers how many were refused; `None` where the parser was not compiled in.
    pub fn run(&self, parser: ParserKind) -> Option<usize> {
        let mut refused = 0;
        let pass =
            Pass { records: &self.records, set: self.set, passes: PASSES, each: |out: &Out| refused += out.refused };
        parser.visit(pass)?;
        Some(refused)
    }

    /// Reads all records once, and answers a digest of the rows, by which parsers are compared.
    pub fn tally(&self, parser: ParserKind) -> Option<Tally> {
        let mut tally = Tally { refused: 0, digest: 0xcbf2_9ce4_8422_2325 };
        let each = |out: &Out| {
            tally.refused += out.refused;
            // FNV-1a: Fowler, Noll and Vo.
            for &byte in &out.rows {
                tally.digest = (tally.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        };
        parser.visit(Pass { records: &self.records, set: self.set, passes: 1, each })?;
        Some(tally)
    }
}

struct Pass<'a, F> {
    records: &'a Records,
    set: DataSet,
    passes: usize,
    each: F,
}

impl<F: FnMut(&Out)> VisitParser for Pass<'_, F> {
    type Answer = ();

    fn visit<P: Parser>(self, parser: &mut P) {
        self.set.visit(Over { pass: self, parser });
    }
}

struct Over<'a, 'p, F, P> {
    pass: Pass<'a, F>,
    parser: &'p mut P,
}

impl<F: FnMut(&Out), P: Parser> Visit for Over<'_, '_, F, P> {
    type Answer = ();

    fn visit<D: Data>(self) {
        let Self { mut pass, parser } = self;
        let mut out = Out::default();
        for _ in 0..pass.passes {
            for batch in Batch::all(pass.records, BATCH) {
                out.clear();
                parser.read::<D>(black_box(&batch), &mut out);
                (pass.each)(black_box(&out));
            }
        }
    }
}
