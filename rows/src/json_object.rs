//! The check of a text that a `JSON` column shall take: a server that refuses one such text refuses the whole insert.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether `text` is one JSON object in which no path stands twice. A dot in a key counts as a step, as it does for ClickHouse; an
/// object within an array is looked at by itself, as ClickHouse does.
///
/// # Errors
/// What is wrong, and where.
pub fn check_json_object(text: &[u8]) -> Result<(), String> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let object = Node { path: None, paths: &mut HashSet::new() };
    object.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|fault| fault.to_string())
}

/// A value at a path, and the paths that were met before it.
struct Node<'p> {
    /// None for the object as a whole. A key may be empty.
    path: Option<String>,
    paths: &'p mut HashSet<String>,
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
            Ok(())
        }
    )+};
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    leaf!(visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut paths = HashSet::new();
        while elements.next_element_seed(Node { path: None, paths: &mut paths })?.is_some() {
            paths.clear();
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            let path = match &self.path {
                Some(path) => format!("{path}.{key}"),
                None => key,
            };
            // Also of an object: the server refuses a key that stands twice whatever it holds.
            if !self.paths.insert(path.clone()) {
                return Err(serde::de::Error::custom(format!("the path `{path}` stands twice")));
            }
            members.next_value_seed(Node { path: Some(path), paths: &mut *self.paths })?;
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
            ("{\"\":{\"a\":1},\".a\":2}", "path `.a` stands twice"),
            ("{\"a\":{},\"a\":{}}", "path `a` stands twice"),
            ("{\"a\":[{\"b\":1,\"b\":2}]}", "path `b` stands twice"),
            ("{\"a\":\"\u{1}\"}", "control character"),
        ] {
            let fault = check_json_object(wrong.as_bytes()).unwrap_err();
            assert!(fault.contains(part), "{wrong}: {fault}");
        }
        assert!(check_json_object(format!("{{\"a\":{}", "[".repeat(10_000)).as_bytes()).is_err());
    }
}
