//! The check of a text that a `JSON` column shall take: a server that refuses one such text refuses the whole insert.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether `text` is one JSON object in which no path stands twice. A dot in a key counts as a step, as it does for ClickHouse.
///
/// # Errors
/// What is wrong, and where.
pub fn check_json_object(text: &[u8]) -> Result<(), String> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".to_owned());
    }
    let mut paths = HashSet::new();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let object = Node { path: String::new(), paths: Some(&mut paths) };
    object.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|fault| fault.to_string())
}

/// A value at a path; within arrays paths are not told apart.
struct Node<'p> {
    path: String,
    paths: Option<&'p mut HashSet<String>>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

macro_rules! leaf {
    ($($visit:ident: $kind:ty),+) => {$(
        fn $visit<E: serde::de::Error>(self, _: $kind) -> Result<(), E> {
            self.leaf()
        }
    )+};
}

impl Node<'_> {
    fn leaf<E: serde::de::Error>(self) -> Result<(), E> {
        let known = self.paths.is_some_and(|paths| !paths.insert(self.path.clone()));
        if known { Err(E::custom(format!("the path `{}` stands twice", self.path))) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    leaf!(visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.leaf()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Node { path: String::new(), paths: None })?.is_some() {}
        self.leaf()
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
            members.next_value_seed(Node { path, paths: self.paths.as_deref_mut() })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_object_passes() {
        for right in ["{}", " {\"a\": {\"b\": [1, {\"c\": 1}, {\"c\": 2}], \"d\": null}} ", "{\"a\": {}, \"a.b\": 1}"] {
            assert_eq!(check_json_object(right.as_bytes()), Ok(()), "{right}");
        }
        for (wrong, part) in [
            ("", "not a JSON object"),
            ("[1]", "not a JSON object"),
            ("{\"a\":1}{}", "trailing"),
            ("{\"a\":}", "expected value"),
            ("{\"a\":1,\"a\":2}", "path `a` stands twice"),
            ("{\"a\":{\"b\":1},\"a.b\":2}", "path `a.b` stands twice"),
            ("{\"a\":\"\u{1}\"}", "control character"),
        ] {
            let fault = check_json_object(wrong.as_bytes()).unwrap_err();
            assert!(fault.contains(part), "{wrong}: {fault}");
        }
        assert!(check_json_object(format!("{{\"a\":{}", "[".repeat(10_000)).as_bytes()).is_err());
    }
}
