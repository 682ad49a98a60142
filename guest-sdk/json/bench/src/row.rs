//! Rows as a plugin would write them, so that every field of a record is used for something.

/// A record that becomes a row.
pub trait Row {
    /// Appends the row in the manner of RowBinary: little-endian numbers, texts behind their lengths. A record that is to be
    /// dropped appends nothing.
    fn write(&self, out: &mut Vec<u8>);
}

/// Appends a number's bytes.
#[inline]
pub fn bytes<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

/// Appends a text behind its length (LEB128).
#[inline]
pub fn text(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    // In a guest, copying as many bytes as one does not know is a call of the engine: short texts are copied by size, as the rows
    // of a plugin are.
    let bytes = text.as_bytes();
    match bytes.len() {
        0 => {}
        1 => ends::<1>(out, bytes),
        2..4 => ends::<2>(out, bytes),
        4..8 => ends::<4>(out, bytes),
        8..=16 => ends::<8>(out, bytes),
        17..=32 => ends::<16>(out, bytes),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends between `N` and `2 * N` bytes as their first `N` and their last `N`.
#[inline]
fn ends<const N: usize>(out: &mut Vec<u8>, bytes: &[u8]) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        out.extend_from_slice(first);
        out.truncate(out.len() - (2 * N - bytes.len()));
        out.extend_from_slice(last);
    }
}

/// Appends whether a value is null, and the value where it is none.
#[inline]
pub fn nullable<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_none()));
    if let Some(value) = value {
        write(out, value);
    }
}
