//! The module's exports: numbers in and out, and a report of a difference in the memory.
#![expect(unsafe_code, reason = "an export has its name unmangled")]

use std::cell::RefCell;

use crate::{Count, STREAM, stream};

thread_local! {
    static COUNT: RefCell<Count> = const { RefCell::new(Count { records: 0, accepted: 0, documented: 0, fingerprint: 0 }) };
    static REPORT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Reads `count` streams from number `first` on. Answers how long the report of a difference is, 0 where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn fuzz(seed: u64, first: u64, count: u64) -> u32 {
    for number in first..first + count {
        match stream(seed, number) {
            Ok(found) => COUNT.with_borrow_mut(|count| count.add(&found)),
            Err(difference) => {
                let length = difference.len() as u32;
                REPORT.set(difference);
                return length;
            }
        }
    }
    0
}

/// How many records a stream has.
#[unsafe(no_mangle)]
pub extern "C" fn records_of_a_stream() -> u64 {
    STREAM as u64
}

/// Where the report of a difference lies.
#[unsafe(no_mangle)]
pub extern "C" fn report() -> *const u8 {
    REPORT.with_borrow(|report| report.as_ptr())
}

/// The records of all calls.
#[unsafe(no_mangle)]
pub extern "C" fn records() -> u64 {
    COUNT.with_borrow(|count| count.records)
}

/// Those that were read.
#[unsafe(no_mangle)]
pub extern "C" fn accepted() -> u64 {
    COUNT.with_borrow(|count| count.accepted)
}

/// Those with a difference that is documented.
#[unsafe(no_mangle)]
pub extern "C" fn documented() -> u64 {
    COUNT.with_borrow(|count| count.documented)
}

/// Of what was read and what was not.
#[unsafe(no_mangle)]
pub extern "C" fn fingerprint() -> u64 {
    COUNT.with_borrow(|count| count.fingerprint)
}
