//! `json-fuzz RECORDS SEED [FIRST]`: reads as many records natively, in streams from number `FIRST` on. Ends with the count, or
//! with the first difference.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

use anyhow::{Context, bail};
use tidegate_json_fuzz::{Count, STREAM, stream};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| -> anyhow::Result<u64> {
        let given = arguments.get(index).context("expected json-fuzz RECORDS SEED [FIRST]")?;
        given.parse().with_context(|| format!("`{given}` is not a number"))
    };
    let (records, seed) = (number(0)?, number(1)?);
    let first = if arguments.len() > 2 { number(2)? } else { 0 };
    let mut count = Count::default();
    for number in first..first + records.div_ceil(STREAM as u64) {
        match stream(seed, number) {
            Ok(found) => count.add(&found),
            Err(difference) => bail!("{} records were read alike, but not this one:\n{difference}", count.records),
        }
    }
    let Count { records, accepted, documented, fingerprint } = count;
    println!("{records} records, {accepted} accepted, {documented} with a documented difference, {fingerprint:016x}");
    Ok(())
}
