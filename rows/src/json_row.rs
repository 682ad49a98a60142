//! The check of rows that are JSON objects against the live table's columns. A server refuses a whole insert for one wrong
//! member, or takes what it meant otherwise; so a row passes here only where every server takes it for the same values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::json_object::check_json_object;
use super::{ColumnType, json_scalar};
use crate::text::nearest;

/// Columns of a live table that takes JSON objects.
#[derive(Debug, Default)]
pub struct ObjectColumns {
    columns: BTreeMap<String, Written>,
}

/// What may be written to a column.
#[derive(Debug)]
enum Written {
    Values(ColumnType),
    /// Nothing, and why.
    Nothing(String),
}

type Members<'o> = BTreeMap<Cow<'o, str>, &'o RawValue>;

impl ObjectColumns {
    /// A column of this type.
    pub fn add(&mut self, name: &str, kind: &str) {
        let written = match kind.parse() {
            Ok(kind) => Written::Values(kind),
            Err(_) => Written::Nothing(format!("has the type {kind}, which JSON objects are not written to")),
        };
        self.columns.insert(name.to_owned(), written);
    }

    /// A column that takes no values, and why: "is MATERIALIZED".
    pub fn add_closed(&mut self, name: &str, why: &str) {
        self.columns.insert(name.to_owned(), Written::Nothing(format!("{why}, which takes no values")));
    }

    /// Whether the table takes this object. Columns without a member get their default.
    ///
    /// # Errors
    /// Names the member, what stands there and what would be right.
    pub fn check(&self, object: &[u8]) -> Result<(), String> {
        let members: Members<'_> = serde_json::from_slice(object).map_err(|fault| fault.to_string())?;
        for (name, value) in &members {
            self.check_member(name, value.get()).map_err(|problem| format!("member `{name}` {problem}"))?;
        }
        Ok(())
    }

    fn check_member(&self, name: &str, value: &str) -> Result<(), String> {
        match self.columns.get(name) {
            Some(Written::Values(kind)) => check_value(kind, value),
            Some(Written::Nothing(why)) => Err(format!("is for a column that {why}")),
            None => {
                let known: Vec<&str> = self.columns.keys().map(String::as_str).collect();
                let hint = nearest(name, &known).map(|known| format!("; the nearest is `{known}`")).unwrap_or_default();
                Err(format!("has no column in the table{hint}"))
            }
        }
    }
}

fn check_value(kind: &ColumnType, value: &str) -> Result<(), String> {
    let right = match kind {
        ColumnType::Nullable(inner) => return if value == "null" { Ok(()) } else { check_value(inner, value) },
        ColumnType::LowCardinality(inner) => return check_value(inner, value),
        ColumnType::Array(element) => match serde_json::from_str::<Vec<&RawValue>>(value) {
            Ok(elements) => return elements.iter().try_for_each(|value| check_value(element, value.get())),
            Err(_) => false,
        },
        ColumnType::Nested(columns) => {
            return check_value(&ColumnType::Array(Box::new(ColumnType::row_of(columns))), value);
        }
        ColumnType::Map(key, value_kind) => match serde_json::from_str::<Members<'_>>(value) {
            Ok(entries) => return check_entries(key, value_kind, &entries),
            Err(_) => false,
        },
        ColumnType::Tuple(elements) => return check_tuple(kind, elements, value),
        ColumnType::Variant(kinds) => value == "null" || kinds.iter().any(|kind| check_value(kind, value).is_ok()),
        ColumnType::Json => check_json_object(value.as_bytes()).is_ok(),
        scalar => json_scalar::is_right(scalar, value),
    };
    if right { Ok(()) } else { Err(wrong(kind, value)) }
}

fn check_entries(key: &ColumnType, value: &ColumnType, entries: &Members<'_>) -> Result<(), String> {
    for (name, entry) in entries {
        // A key is a text for JSON, whatever it is for the table.
        let quoted = serde_json::to_string(name).unwrap_or_default();
        check_value(key, &quoted)?;
        check_value(value, entry.get())?;
    }
    Ok(())
}

/// A tuple is an array, or an object where its elements have names.
fn check_tuple(kind: &ColumnType, elements: &[(Option<String>, ColumnType)], value: &str) -> Result<(), String> {
    if let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(value) {
        if values.len() == elements.len() {
            let mut pairs = elements.iter().zip(values);
            return pairs.try_for_each(|((_, kind), value)| check_value(kind, value.get()));
        }
    } else if let Ok(members) = serde_json::from_str::<Members<'_>>(value) {
        let named = |(name, kind): &'_ (Option<String>, ColumnType)| {
            let value = name.as_deref().and_then(|name| members.get(name));
            value.map(|value| check_value(kind, value.get()))
        };
        let checks: Option<Vec<_>> = elements.iter().map(named).collect();
        if let Some(checks) = checks.filter(|checks| checks.len() == members.len()) {
            return checks.into_iter().collect();
        }
    }
    Err(wrong(kind, value))
}

fn wrong(kind: &ColumnType, value: &str) -> String {
    let shown = |text: String| crate::text::shortened(text, 100);
    let example = json_scalar::example(kind).map(|example| format!(", such as {example}")).unwrap_or_default();
    format!("is {}; expected {}{example}", shown(value.to_owned()), shown(kind.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, value: &str) -> Result<(), String> {
        let mut columns = ObjectColumns::default();
        columns.add("c", kind);
        columns.check(format!("{{\"c\": {value}}}").as_bytes())
    }

    #[test]
    fn members_are_checked_by_the_type_of_their_column() {
        for (kind, right, wrong) in [
            ("UInt8", &["0", "255", "\"7\""][..], &["256", "-1", "1.5", "1e2", "null", "true", "\"x\"", "[1]"][..]),
            ("Int256", &["-57896044618658097711785492504343953926634992332820282019728792003956564819968"], &["0.1"]),
            ("Float64", &["1", "-0.5e-3"], &["1e999", "\"x\"", "null"]),
            ("Bool", &["true", "false"], &["1", "\"true\""]),
            ("String", &["\"\"", "\"\\u0000\\ud83d\\ude00\""], &["1", "\"\\ud800\"", "null", "{}"]),
            ("FixedString(2)", &["\"ab\"", "\"ё\"", "\"\""], &["\"abc\"", "\"ёж\""]),
            ("UUID", &["\"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\""], &["\"0192f0c17a3b\"", "1"]),
            ("IPv4", &["\"127.0.0.1\""], &["\"::1\"", "\"1.2.3\""]),
            ("IPv6", &["\"::1\""], &["\"g::\""]),
            (
                "Date",
                &["\"1970-01-01\"", "\"2149-06-06\""],
                &["\"2149-06-07\"", "\"1969-12-31\"", "\"2026-02-29\"", "1"],
            ),
            ("Date32", &["\"1900-01-01\"", "\"2299-12-31\""], &["\"1899-12-31\"", "\"2300-01-01\""]),
            (
                "DateTime",
                &["\"2026-11-20 10:15:00\"", "\"2026-11-20T10:15:00+03:00\"", "4294967295"],
                &["\"2026-11-20\"", "\"2106-02-08 00:00:00\"", "-1", "\"2026-11-20 24:00:00\""],
            ),
            (
                "DateTime64(3)",
                &["\"2026-11-20 10:15:00.123\"", "\"1900-01-02 00:00:00Z\""],
                &["1795170900", "\"2300-01-01 00:00:00\"", "\"2026-11-20 10:15:00.1234\""],
            ),
            ("Decimal(4, 2)", &["12.34", "\"-99.99\"", "7", "1.50"], &["100", "1.234", "1e1", "\"\"", "\".\""]),
            ("Enum8('a' = 1)", &["\"a\""], &["\"b\"", "1"]),
            ("Nullable(UInt8)", &["null", "1"], &["\"\""]),
            ("LowCardinality(Nullable(String))", &["null", "\"x\""], &["1"]),
            ("Array(Array(UInt8))", &["[]", "[[1],[]]"], &["[1]", "{}", "[[256]]", "null"]),
            ("Map(UInt8, String)", &["{}", "{\"1\":\"x\"}"], &["{\"x\":\"x\"}", "{\"1\":1}", "[]"]),
            (
                "Tuple(a UInt8, b String)",
                &["{\"b\":\"\",\"a\":1}", "[1,\"\"]"],
                &["{\"a\":1}", "[1]", "{\"a\":1,\"b\":\"\",\"c\":1}"],
            ),
            ("Nested(a UInt8)", &["[{\"a\":1}]"], &["[{\"a\":256}]", "{\"a\":1}"]),
            ("Variant(UInt8, Array(String))", &["1", "[\"x\"]", "null"], &["\"x\"", "[1]"]),
            ("JSON", &["{\"a\":[1]}"], &["[]", "1"]),
        ] {
            for value in right {
                assert_eq!(check(kind, value), Ok(()), "{kind} {value}");
            }
            for value in wrong {
                let fault = check(kind, value).expect_err(&format!("{kind} {value}"));
                assert!(fault.starts_with("member `c` is ") && fault.contains("expected "), "{fault}");
            }
        }
    }

    #[test]
    fn members_without_a_column_are_named_with_the_nearest() {
        let mut columns = ObjectColumns::default();
        columns.add("price", "Decimal(9, 2)");
        columns.add("state", "AggregateFunction(sum, UInt8)");
        columns.add_closed("total", "is MATERIALIZED");
        let check = |object: &str| columns.check(object.as_bytes()).unwrap_err();
        assert_eq!(check("{\"prise\": 1}"), "member `prise` has no column in the table; the nearest is `price`");
        assert_eq!(
            check("{\"total\": 1}"),
            "member `total` is for a column that is MATERIALIZED, which takes no values"
        );
        assert!(check("{\"state\": 1}").contains("has the type AggregateFunction"));
        assert_eq!(check("{\"price\": 1.234}"), "member `price` is 1.234; expected Decimal(9, 2), such as 12.50");
        assert_eq!(columns.check(b"{}"), Ok(()));
    }
}
