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
    let bytes = text.as_bytes();
    if bytes.len() > 64 {
        return out.extend_from_slice(bytes);
    }
    // In a guest, copying as many bytes as one does not know is a call of the host.
    let (eights, rest) = bytes.as_chunks::<8>();
    for &eight in eights {
        out.extend_from_slice(&eight);
    }
    for &byte in rest {
        out.push(byte);
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
