//! Rows as a plugin would write them, so that every field of a record is used for something.

use tidegate_plugin::Room;

/// A record that becomes a row.
pub trait Row {
    /// Appends the row in the manner of RowBinary: little-endian numbers, texts behind their lengths. A record that is to be
    /// dropped appends nothing.
    fn write(&self, out: &mut Room<'_>);
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
