//! A value that keeps what its visitor was told, to the last bit.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

/// What a visitor was told.
#[derive(Debug, PartialEq)]
pub enum Seen {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    /// Its bits: there are two zeros.
    Float(u64),
    /// Whether it was lent for good, and the text.
    Text(bool, String),
    Seq(Vec<Seen>),
    Map(Vec<(Seen, Seen)>),
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SeenVisitor)
    }
}

struct SeenVisitor;

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(Seen::Unit)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Seen, E> {
        Ok(Seen::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Seen, E> {
        Ok(Seen::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Seen, E> {
        Ok(Seen::Float(value.to_bits()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Seen, E> {
        Ok(Seen::Text(false, text.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Seen, E> {
        Ok(Seen::Text(true, text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        let mut seen = Vec::new();
        while let Some(element) = elements.next_element()? {
            seen.push(element);
        }
        Ok(Seen::Seq(seen))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let mut seen = Vec::new();
        while let Some(member) = members.next_entry()? {
            seen.push(member);
        }
        Ok(Seen::Map(seen))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Seen, A::Error> {
        Err(A::Error::custom("no JSON is an enum by itself"))
    }
}
