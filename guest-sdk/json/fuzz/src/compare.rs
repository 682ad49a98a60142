//! One record, read twice.

use std::fmt::Debug;

use serde::Deserialize;

/// What came of many records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All that were read.
    pub records: u64,
    /// Those that both read.
    pub accepted: u64,
    /// Those that are refused here and read by serde_json, as is documented.
    pub documented: u64,
    /// Of what was accepted and what was not, in its order: the same natively and in a guest.
    pub fingerprint: u64,
}

impl Count {
    /// Adds what came of others.
    pub fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.accepted += other.accepted;
        self.documented += other.documented;
        self.fingerprint = self.fingerprint.rotate_left(1) ^ other.fingerprint;
    }

    pub(crate) fn note(&mut self, agreement: Agreement) {
        self.records += 1;
        self.fingerprint = self.fingerprint.rotate_left(1) ^ agreement as u64;
        match agreement {
            Agreement::Accepted => self.accepted += 1,
            Agreement::Refused => {}
            Agreement::Documented => self.documented += 1,
        }
    }
}

/// What two parsers agree on.
#[derive(Clone, Copy)]
pub(crate) enum Agreement {
    Refused = 1,
    Accepted = 2,
    Documented = 3,
}

/// Compares what was read with what serde_json reads.
///
/// # Errors
/// With both answers where they differ.
pub(crate) fn compare<'a, T: Deserialize<'a> + PartialEq + Debug>(
    record: &'a [u8],
    ours: Option<Result<T, tidegate_json::Error>>,
) -> Result<Agreement, String> {
    // Not UTF-8, so nothing to read for either.
    let Some(ours) = ours else {
        return match std::str::from_utf8(record) {
            Ok(_) => Err("refused as no UTF-8, which it is".to_owned()),
            Err(_) => Ok(Agreement::Refused),
        };
    };
    let Ok(text) = std::str::from_utf8(record) else {
        return Err(format!("taken as UTF-8, which it is not: {ours:?}"));
    };
    match (ours, serde_json::from_str::<T>(text)) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(Agreement::Accepted),
        (Err(_), Err(_)) => Ok(Agreement::Refused),
        (Err(_), Ok(_)) if depth(record) > 127 => Ok(Agreement::Documented),
        (ours, theirs) => Err(format!("read as {ours:?}\nby serde_json as {theirs:?}")),
    }
}

/// Compares what was read by serde and without it: the same value, or the same error.
///
/// # Errors
/// With both answers where they differ.
pub(crate) fn same<T: PartialEq + Debug>(
    ours: &Result<T, tidegate_json::Error>,
    record: &Result<T, tidegate_json::Error>,
) -> Result<(), String> {
    match (ours, record) {
        (Ok(ours), Ok(record)) if ours == record => Ok(()),
        (Err(ours), Err(record)) if ours.to_string() == record.to_string() => Ok(()),
        _ => Err(format!("read as {ours:?}\nwithout serde as {record:?}")),
    }
}

/// How deeply a valid text is nested. Beyond 127 levels a value that nobody reads is refused, too; serde_json bounds only what it
/// reads.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut within, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            b'{' | b'[' if !within => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !within => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
