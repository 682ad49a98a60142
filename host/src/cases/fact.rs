//! One value of a row, as a case file writes it and as it came out, so that the two can be compared.

use std::fmt;

use serde_json::Value as Json;
use toml::de::DeValue;

use crate::config::{json, shown};
use crate::rows::Value;

/// A value. Both forms are read from a file and made of a row; which one it is there need not be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// As ClickHouse prints it.
    Text(String),
    /// Numbers of 64 bits, flags, and all that holds other values.
    Json {
        /// The value.
        json: Json,
        /// The value as ClickHouse prints it; of a file, the JSON's text.
        printed: String,
    },
}

impl Fact {
    /// A value of a row; none where it is null.
    pub(super) fn of_row(value: &Value<'_>) -> Option<Self> {
        match element(value) {
            Json::Null => None,
            Json::String(text) => Some(Self::Text(text)),
            json => Some(Self::Json { json, printed: value.to_string() }),
        }
    }

    /// A member of a row that is a JSON object; none where it is null.
    pub(super) fn of_member(value: Json) -> Option<Self> {
        match value {
            Json::Null => None,
            Json::String(text) => Some(Self::Text(text)),
            json => Some(Self::of_json(json)),
        }
    }

    fn of_json(json: Json) -> Self {
        let printed = json.to_string();
        Self::Json { json, printed }
    }

    /// A value of a case file.
    ///
    /// # Errors
    /// Says what would be right, where no column prints so.
    pub(super) fn of_file(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) => Ok(Self::Text(text.to_string())),
            DeValue::Float(number) => {
                // Read and printed again: a file may say 1.50, a column prints 1.5.
                let number: f64 = number.as_str().parse().map_err(|_| wrong(value))?;
                Ok(Self::Text(number.to_string()))
            }
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong(value))?;
                Ok(Self::of_json(number.into()))
            }
            DeValue::Datetime(_) => Err(wrong(value)),
            DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => Ok(Self::of_json(json(value))),
        }
    }

    /// Whether what came out is what was expected: texts as they are, JSON whatever its white space and order of members.
    pub(super) fn is_met_by(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Text(expected), Self::Text(found)) => expected == found,
            (Self::Json { json: expected, .. }, Self::Json { json: found, .. }) => alike(expected, found),
            // A case may quote a number, and write what holds others as JSON or as ClickHouse prints it.
            (Self::Text(expected), Self::Json { json, printed }) => {
                expected == printed || serde_json::from_str(expected).is_ok_and(|expected| alike(&expected, json))
            }
            // A text column may hold either.
            (Self::Json { json: expected, .. }, Self::Text(found)) => {
                serde_json::from_str(found).is_ok_and(|found| alike(expected, &found))
            }
        }
    }

    /// The text in which it is most easily compared with `expected`.
    pub(super) fn beside(&self, expected: &Self) -> String {
        match (self, expected) {
            (Self::Json { printed, .. }, Self::Text(text)) if serde_json::from_str::<Json>(text).is_err() => {
                printed.clone()
            }
            _ => self.to_string(),
        }
    }
}

fn wrong(value: &DeValue<'_>) -> String {
    format!("is {}; expected it in quotes, as ClickHouse prints it", shown(value))
}

/// A value of a row as JSON, in which nothing is rounded: what is no number of 64 bits is the text that ClickHouse prints.
fn element(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::UInt(number) => u64::try_from(*number).map_or_else(|_| number.to_string().into(), Json::from),
        Value::Int(number) => i64::try_from(*number).map_or_else(|_| number.to_string().into(), Json::from),
        // The host has checked that it is JSON.
        Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| (*text).into()),
        Value::Array(elements) => elements.iter().map(element).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.to_string(), element(value))).collect(),
        Value::Tuple(elements) => {
            let named: Option<_> = elements.iter().map(|(name, value)| Some(((*name)?, element(value)))).collect();
            named.map_or_else(
                || elements.iter().map(|(_, value)| element(value)).collect(),
                |named: Vec<_>| named.into_iter().collect(),
            )
        }
        other => other.to_string().into(),
    }
}

fn alike(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::Array(expected), Json::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| alike(expected, found))
        }
        (Json::Object(expected), Json::Object(found)) => {
            let same = |(name, value)| found.get(name).is_some_and(|found| alike(value, found));
            expected.len() == found.len() && expected.iter().all(same)
        }
        // Within arrays and the like, decimals and floats are texts of a row and may be numbers of a file.
        (Json::Number(expected), Json::String(found)) => found.parse::<f64>().ok() == expected.as_f64(),
        (expected, found) => expected == found,
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Json { json, .. } => write!(f, "{json}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn met(expected: Json, found: Value<'_>) -> bool {
        Fact::of_member(expected).unwrap().is_met_by(&Fact::of_row(&found).unwrap())
    }

    #[test]
    fn what_holds_others_is_met_as_tables_and_as_its_text() {
        let price = || Value::Decimal { unscaled: 1250, scale: 2 };
        let array = || Value::Array(vec![Value::Text("a"), Value::Null, price()]);
        assert!(met(json!(["a", null, 12.5]), array()));
        assert!(met(json!(["a", null, "12.50"]), array()));
        assert!(met(json!(r#"[ "a", null, "12.50" ]"#), array()));
        assert!(!met(json!(["a", null, 12.6]), array()));
        assert!(!met(json!(["a", null]), array()));
        let map = || Value::Map(vec![(Value::UInt(7), Value::Bool(true)), (Value::UInt(8), Value::Bool(false))]);
        assert!(met(json!({"8": false, "7": true}), map()));
        assert!(!met(json!({"7": true}), map()));
        let tuple = || Value::Tuple(vec![(Some("x"), Value::Int(-1)), (Some("y"), Value::Int(2))]);
        assert!(met(json!({"y": 2, "x": -1}), tuple()));
        assert!(met(json!(r#"{"x": -1, "y": 2}"#), tuple()));
        assert!(met(json!("{7:true,8:false}"), map()));
        assert!(!met(json!("{7:true,8:true}"), map()));
        let found = Fact::of_row(&array()).unwrap();
        assert_eq!(found.beside(&Fact::Text("['b',NULL,12.50]".to_owned())), "['a',NULL,12.50]");
        assert_eq!(found.beside(&Fact::Text("[]".to_owned())), r#"["a",null,"12.50"]"#);
        assert!(met(json!({"b": 1, "a": [2]}), Value::Json(r#"{"a":[2],"b":1}"#)));
    }

    #[test]
    fn texts_are_compared_as_they_are() {
        assert!(met(json!("2"), Value::UInt(2)));
        assert!(met(json!(5), Value::Text("5")));
        assert!(!met(json!("149.9"), Value::Decimal { unscaled: 14990, scale: 2 }));
        assert!(!met(json!("{\"a\": 1}"), Value::Text("{\"a\":1}")));
        assert!(met(json!("340282366920938463463374607431768211455"), Value::UInt(u128::MAX)));
        assert!(met(json!("18446744073709551615"), Value::UInt(u64::MAX.into())));
    }
}
