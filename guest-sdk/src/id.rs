//! UUIDs: read from their usual notation without a loop, from any other by the `uuid` crate.

mod hexadecimal;

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, Visitor};
use tidegate_json::{AHEAD, Ahead, read_ahead};

use crate::invalid::InvalidValue;

/// A UUID. Reads `0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e`, the same without hyphens, in braces or as a URN.
// Two numbers, as a row has them: WebAssembly cannot turn the order of bytes round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid {
    high: u64,
    low: u64,
}

impl Uuid {
    /// The two halves, the high one first.
    #[inline]
    pub fn as_u64_pair(&self) -> (u64, u64) {
        (self.high, self.low)
    }

    /// From the two halves, the high one first.
    #[inline]
    pub fn from_u64_pair(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// From its 16 bytes, the first one the highest.
    #[inline]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::of(uuid::Uuid::from_bytes(bytes))
    }

    /// From the usual notation: 8, 4, 4, 4 and 12 digits with hyphens between.
    #[inline(always)]
    pub(crate) fn hyphenated(text: &[u8; 36]) -> Option<Self> {
        // A hyphen, four others, and one more, twice.
        let (front, back) = (u64::from_le_bytes(part(text, 8)?), u64::from_le_bytes(part(text, 18)?));
        let hyphens = u64::from_le_bytes([b'-', 0, 0, 0, 0, b'-', 0, 0]);
        let mask = u64::from_le_bytes([0xff, 0, 0, 0, 0, 0xff, 0, 0]);
        if ((front ^ hyphens) | (back ^ hyphens)) & mask != 0 {
            return None;
        }
        let four = |at| part(text, at).map(|bytes| u64::from(u32::from_le_bytes(bytes)));
        let high = [u64::from_le_bytes(part(text, 0)?), four(9)? | four(14)? << 32];
        let low = [four(19)? | four(24)? << 32, u64::from_le_bytes(part(text, 28)?)];
        let (high, low) = hexadecimal::twice_sixteen(high, low)?;
        Some(Self { high, low })
    }

    /// From what stands next in JSON, if it is of the usual notation, and how many bytes it has.
    #[inline(always)]
    pub(crate) fn ahead(ahead: Ahead<'_>) -> Option<(Self, usize)> {
        let text = ahead.quoted()?;
        Some((Self::hyphenated(text)?, text.len() + 2))
    }

    fn of(uuid: uuid::Uuid) -> Self {
        let (high, low) = uuid.as_u64_pair();
        Self { high, low }
    }
}

/// `N` bytes of a text.
#[inline(always)]
fn part<const N: usize>(text: &[u8; 36], at: usize) -> Option<[u8; N]> {
    text.get(at..)?.first_chunk().copied()
}

impl FromStr for Uuid {
    type Err = InvalidValue;

    #[inline(always)]
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.as_bytes().try_into().ok().and_then(Self::hyphenated) {
            Some(uuid) => Ok(uuid),
            None => other_notation(text),
        }
    }
}

#[cold]
fn other_notation(text: &str) -> Result<Uuid, InvalidValue> {
    uuid::Uuid::from_str(text).map(Uuid::of).map_err(|_| {
        InvalidValue::new(format!("\"{text}\" is not a UUID, such as \"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\""))
    })
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u64_pair(self.high, self.low).fmt(formatter)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    #[inline(always)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(AHEAD, UuidVisitor)
    }
}

struct UuidVisitor;

impl<'de> Visitor<'de> for UuidVisitor {
    type Value = Uuid;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a UUID as text")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Uuid, D::Error> {
        deserializer.deserialize_str(self)
    }

    #[inline(always)]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Uuid, A::Error> {
        read_ahead(access, Uuid::ahead)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<Uuid, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_notation_and_either_case() {
        let expected = Uuid::from_u64_pair(0x0192_f0c1_7a3b_7c11, 0x9d2e_1f2a_3b4c_5d6e);
        for text in [
            "0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e",
            "0192F0C1-7A3B-7C11-9D2E-1F2A3B4C5D6E",
            "0192f0c17a3b7c119d2e1f2a3b4c5d6e",
            "{0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e}",
            "urn:uuid:0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e",
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert_eq!(expected.to_string(), "0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e");
    }

    #[test]
    fn every_byte_in_every_place_is_taken_or_refused_as_the_uuid_crate_does() {
        let right = "0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e";
        for at in 0..right.len() {
            for byte in 0..=0xff_u8 {
                let mut bytes = right.as_bytes().to_vec();
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
                let theirs = uuid::Uuid::try_parse_ascii(&bytes).ok().map(Uuid::of);
                let ours = bytes.as_slice().try_into().ok().and_then(Uuid::hyphenated);
                assert_eq!(ours, theirs, "{bytes:?}");
            }
        }
    }

    #[test]
    fn says_what_would_be_right() {
        let refused = "4711".parse::<Uuid>().map_err(|fault| fault.to_string());
        assert_eq!(refused, Err("\"4711\" is not a UUID, such as \"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\"".to_owned()));
    }
}
