//! The module's exports: plain numbers in, plain numbers out, so that nothing but the reading is measured.
#![expect(unsafe_code, reason = "an export has its name unmangled")]

use std::cell::RefCell;

use crate::data::DataSet;
use crate::parsers::ParserKind;
use crate::{Bench, NOT_HERE};

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

/// Makes the records of the set of this number, and answers the bytes of one in the mean.
#[unsafe(no_mangle)]
pub extern "C" fn prepare(set: u32) -> u64 {
    let Some(&set) = DataSet::ALL.get(set as usize) else { return NOT_HERE };
    let bench = Bench::new(set);
    let bytes = bench.bytes_per_record() as u64;
    BENCH.set(Some(bench));
    bytes
}

/// Reads the records with the parser of this number, and answers how many were refused.
#[unsafe(no_mangle)]
pub extern "C" fn run(parser: u32) -> u64 {
    with(parser, |bench, parser| bench.run(parser).map(|refused| refused as u64))
}

/// A digest of the rows that the parser of this number makes.
#[unsafe(no_mangle)]
pub extern "C" fn digest(parser: u32) -> u64 {
    with(parser, |bench, parser| bench.tally(parser).map(|tally| tally.digest))
}

fn with(parser: u32, run: impl FnOnce(&Bench, ParserKind) -> Option<u64>) -> u64 {
    let Some(&parser) = ParserKind::ALL.get(parser as usize) else { return NOT_HERE };
    BENCH.with_borrow(|bench| bench.as_ref().and_then(|bench| run(bench, parser))).unwrap_or(NOT_HERE)
}

/// For a dependency of jiter's, which seeds a hash map that is not used here. A guest has nobody to ask for random numbers.
#[cfg(feature = "rivals")]
#[unsafe(no_mangle)]
extern "Rust" fn __getrandom_v03_custom(_: *mut u8, _: usize) -> Result<(), getrandom::Error> {
    Err(getrandom::Error::UNSUPPORTED)
}
