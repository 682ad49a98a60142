//! Numbers beyond 64 bits and those that no Rust type stands for, texts of a fixed length, addresses and JSON.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer};

use super::Column;
use crate::invalid::InvalidValue;
use crate::room::Room;
use crate::text;

/// The upper half of a Float32: ClickHouse's `BFloat16`. What does not fit its 8 bits of precision is cut off.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct BFloat16(pub f32);

impl Column for BFloat16 {
    fn type_name() -> String {
        "BFloat16".to_owned()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        // A NaN whose upper half were all zeros would become an infinity.
        let bits = if self.0.is_nan() { f32::NAN.to_bits() } else { self.0.to_bits() };
        ((bits >> 16) as u16).encode(room);
    }
}

/// `N` bytes, those at the end zero where a text is shorter: ClickHouse's `FixedString(N)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedString<const N: usize>([u8; N]);

impl<const N: usize> FixedString<N> {
    /// These bytes, which need not be text.
    #[inline]
    pub fn new(bytes: [u8; N]) -> Self {
        const { assert!(N > 0, "a FixedString has at least one byte") };
        Self(bytes)
    }
}

impl<const N: usize> TryFrom<&[u8]> for FixedString<N> {
    type Error = InvalidValue;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidValue> {
        let mut filled = [0; N];
        match filled.get_mut(..bytes.len()) {
            Some(front) => front.copy_from_slice(bytes),
            None => {
                return Err(InvalidValue::new(format!("{} bytes do not fit FixedString({N})", bytes.len())));
            }
        }
        Ok(Self(filled))
    }
}

impl<const N: usize> FromStr for FixedString<N> {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        text.as_bytes().try_into()
    }
}

impl<'de, const N: usize> Deserialize<'de> for FixedString<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parsed(deserializer, "a string")
    }
}

impl<const N: usize> Column for FixedString<N> {
    fn type_name() -> String {
        format!("FixedString({N})")
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        room.put(self.0);
    }
}

impl Column for Ipv4Addr {
    fn type_name() -> String {
        "IPv4".to_owned()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        u32::from(*self).encode(room);
    }
}

impl Column for Ipv6Addr {
    fn type_name() -> String {
        "IPv6".to_owned()
    }

    /// 16 bytes in network order.
    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        room.put(self.octets());
    }
}

/// The text of a JSON object: ClickHouse's `JSON`. The gateway checks that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(pub &'a str);

impl Column for Json<'_> {
    fn type_name() -> String {
        "JSON".to_owned()
    }

    #[inline]
    fn encode(&self, room: &mut Room<'_>) {
        self.0.encode(room);
    }
}

impl<const N: usize> fmt::Display for FixedString<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end_matches('\0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::tests::encoded;
    use crate::{Int256, UInt256};

    #[test]
    fn wide_integers_are_little_endian() {
        assert_eq!(encoded(-2i128), [&[0xfe][..], &[0xff; 15]].concat());
        assert_eq!(encoded(Int256::MIN), [&[0; 31][..], &[0x80]].concat());
        assert_eq!(encoded(UInt256::MAX), [0xff; 32]);
        assert_eq!((UInt256::type_name(), i128::type_name()), ("UInt256".into(), "Int128".into()));
    }

    #[test]
    fn a_bfloat16_is_the_upper_half_of_a_float() {
        assert_eq!(encoded(BFloat16(1.0)), [0x80, 0x3f]);
        assert_eq!(encoded(BFloat16(f32::from_bits(0x7f80_0001))), [0xc0, 0x7f]);
    }

    #[test]
    fn fixed_strings_are_filled_up_and_never_cut() -> Result<(), InvalidValue> {
        assert_eq!(encoded("ab".parse::<FixedString<4>>()?), [b'a', b'b', 0, 0]);
        let long = "abc".parse::<FixedString<2>>().map_err(|fault| fault.to_string());
        assert_eq!(long, Err("3 bytes do not fit FixedString(2)".to_owned()));
        Ok(())
    }

    #[test]
    fn addresses_are_as_clickhouse_lays_them_out() {
        assert_eq!(encoded(Ipv4Addr::new(127, 0, 0, 1)), [1, 0, 0, 127]);
        assert_eq!(encoded(Ipv6Addr::LOCALHOST), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(encoded(Json("{}")), [2, b'{', b'}']);
    }
}
