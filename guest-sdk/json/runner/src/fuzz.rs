//! The fuzzer as a module in a guest.

use std::path::Path;

use anyhow::bail;
use tidegate::plugin::Profiling;
use wasmtime::TypedFunc;

use crate::guest::Guest;

/// What came of many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// All that were read.
    pub records: u64,
    /// Those that both parsers read.
    pub accepted: u64,
    /// Those with a difference that is documented.
    pub documented: u64,
    /// Of what was accepted and what was not, the same as natively.
    pub fingerprint: u64,
}

/// Streams that a call reads.
const STREAMS: u64 = 16;

/// Reads at least this many records, in streams from number `first` on, and answers what came of them.
///
/// # Errors
/// With the first difference, or where the module is not what it should be.
pub fn fuzz(module: &Path, seed: u64, first: u64, records: u64) -> anyhow::Result<Count> {
    let mut guest = Guest::load(module, Profiling::Off)?;
    let fuzz: TypedFunc<(u64, u64, u64), u32> = guest.export("fuzz")?;
    let stream: TypedFunc<(), u64> = guest.export("records_of_a_stream")?;
    let mut left = records.div_ceil(guest.call(&stream, ())?);
    let mut next = first;
    while left > 0 {
        let streams = left.min(STREAMS);
        let length = guest.call(&fuzz, (seed, next, streams))?;
        if length > 0 {
            let report: TypedFunc<(), u32> = guest.export("report")?;
            let at = guest.call(&report, ())?;
            bail!("in a guest: {}", String::from_utf8_lossy(guest.memory(at, length)?));
        }
        next += streams;
        left -= streams;
    }
    let mut number = |name: &str| -> anyhow::Result<u64> {
        let export: TypedFunc<(), u64> = guest.export(name)?;
        guest.call(&export, ())
    };
    Ok(Count {
        records: number("records")?,
        accepted: number("accepted")?,
        documented: number("documented")?,
        fingerprint: number("fingerprint")?,
    })
}
