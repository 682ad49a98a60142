//! Rows as a plugin would write them, so that every field of a record is used for something.

use tidegate_plugin::contract::Column;
use tidegate_plugin::expansion::append;
use tidegate_plugin::{Provenance, Room};

/// A record that becomes a row.
pub trait Row {
    /// Appends the row in the manner of RowBinary: little-endian numbers, texts behind their lengths. A record that is to be
    /// dropped appends nothing.
    fn write(&self, out: &mut Room<'_>);
}

/// Appends the row of a record as the SDK does with those of a plugin.
#[inline(never)]
pub fn write<R: Row>(record: &R, out: &mut Vec<u8>) {
    append(out, &Encoded(record), &NOWHERE);
}

struct Encoded<'a, R>(&'a R);

const NOWHERE: Provenance<'static> = Provenance { topic: "", partition: 0, offset: 0, ordinal: 0 };

impl<R: Row> tidegate_plugin::Row for Encoded<'_, R> {
    fn columns() -> Vec<Column> {
        Vec::new()
    }

    #[inline(always)]
    fn encode(&self, room: &mut Room<'_>, _: &Provenance<'_>) {
        self.0.write(room);
    }
}

/// Appends a number's bytes.
#[inline(always)]
pub fn bytes<const N: usize>(out: &mut Room<'_>, bytes: [u8; N]) {
    out.put(bytes);
}

/// Appends a text behind its length (LEB128).
#[inline(always)]
pub fn text(out: &mut Room<'_>, text: &str) {
    out.string(text.as_bytes());
}

/// Appends whether a value is null, and the value where it is none.
#[inline(always)]
pub fn nullable<T>(out: &mut Room<'_>, value: Option<T>, write: impl FnOnce(&mut Room<'_>, T)) {
    out.put([u8::from(value.is_none())]);
    if let Some(value) = value {
        write(out, value);
    }
}
