//! Numbers as they are written, for types that hold them exactly.

use std::fmt;

/// A newtype of this name asks for a JSON number as it is written, checked by the grammar and not rounded: its visitor gets it
/// by `visit_bytes` or `visit_borrowed_bytes`, and reads the bytes by [`Written::from_bytes`]. A short number in quotes may come so,
/// too; other strings and everything else come as `deserialize_any` gives them.
pub const NUMBER: &str = "$tidegate_json::Number";

/// A number as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written<'a> {
    /// One without a sign or an exponent, of at most fourteen digits.
    Short {
        /// The digits as an integer.
        digits: u64,
        /// How many of them stand behind the point, at most seven.
        fraction: u32,
    },
    /// The text of any other.
    Text(&'a str),
}

/// No text begins so: this byte is none of UTF-8.
const SHORT: u8 = 0xff;

impl<'a> Written<'a> {
    #[inline(always)]
    pub(crate) fn short(digits: u64, fraction: usize) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = digits.to_le_bytes();
        [SHORT, fraction as u8, a, b, c, d, e, f, g, h]
    }

    /// The number that a visitor of [`NUMBER`] got; `None` where the bytes come from elsewhere and are no text.
    #[inline(always)]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        match *bytes {
            [SHORT, fraction, a, b, c, d, e, f, g, h] => {
                Some(Self::Short { digits: u64::from_le_bytes([a, b, c, d, e, f, g, h]), fraction: fraction.into() })
            }
            _ => std::str::from_utf8(bytes).ok().map(Self::Text),
        }
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { digits, fraction: 0 } => write!(f, "{digits}"),
            Self::Short { digits, fraction } => {
                let one = 10u64.pow(fraction.min(19));
                write!(f, "{}.{:0width$}", digits / one, digits % one, width = fraction as usize)
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}
