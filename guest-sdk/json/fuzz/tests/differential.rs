//! Some hundred thousand tampered records on every run of the tests; `make fuzz-json` reads as many as one has patience for.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use tidegate_json_fuzz::{Count, stream};

/// Some seconds of CPU.
const STREAMS: u64 = 400;

#[test]
fn tampered_records_are_read_as_serde_json_reads_them() {
    let seed = 20_261_126;
    let mut count = Count::default();
    for number in 0..STREAMS {
        count.add(&stream(seed, number).unwrap_or_else(|difference| panic!("{difference}")));
    }
    let Count { records, accepted, documented, .. } = count;
    println!("{records} records of seed {seed}, {accepted} accepted, {documented} with a documented difference");
    // Records that are all refused early, or all accepted, would show nothing.
    assert!((records / 5..records * 4 / 5).contains(&accepted), "{accepted} of {records}");
    assert!(documented < records / 1_000, "{documented} of {records}");
}

#[test]
fn a_stream_is_the_same_for_the_same_seed_and_another_for_another() {
    assert_eq!(stream(1, 7).unwrap(), stream(1, 7).unwrap());
    assert_ne!(stream(1, 7).unwrap(), stream(2, 7).unwrap());
    assert_ne!(stream(1, 7).unwrap(), stream(1, 8).unwrap());
}
