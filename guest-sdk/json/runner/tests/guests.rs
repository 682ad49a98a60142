//! Tampered records in a guest, with vectors and without.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use tidegate_json_runner::fuzz::{Count, fuzz};

/// Some seconds of CPU each.
const RECORDS: u64 = 200_000;

fn count(name: &str) -> Count {
    let module = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/test-guests")).join(name);
    assert!(module.exists(), "there is no {}; run: make test-guests", module.display());
    let seed = 20_261_127;
    let count = fuzz(&module, seed, 0, RECORDS).unwrap_or_else(|difference| panic!("{difference:#}"));
    println!("{name}: {} records of seed {seed}, {} accepted", count.records, count.accepted);
    count
}

#[test]
fn tampered_records_are_read_in_guests_as_serde_json_reads_them() {
    let [vectors, scalars] = ["json-fuzz-vectors.wasm", "json-fuzz-scalar.wasm"].map(count);
    assert!(vectors.records >= RECORDS && vectors.accepted > vectors.records / 5, "{vectors:?}");
    assert_eq!(vectors, scalars);
}
