//! A row as one JSON object, the way ClickHouse's JSONEachRow writes it: 64-bit integers and decimals as numbers, times
//! as text, what JSON has no number for (NaN, infinities) as null.

use std::io::Write;

use super::{Column, DecodeFault, Decoder, Value};

/// Appends the next row of `rows` to `out` as a JSON object, without a line end.
///
/// # Errors
/// Where the bytes are not a row of these columns.
pub fn write_json<'a>(columns: &'a [Column], rows: &mut Decoder<'a>, out: &mut Vec<u8>) -> Result<(), DecodeFault> {
    out.push(b'{');
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(&column.name, out);
        out.push(b':');
        write_value(&rows.value(column)?, out);
    }
    out.push(b'}');
    Ok(())
}

/// Appends a value as JSON.
pub fn write_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Float32(value) if !value.is_finite() => out.extend_from_slice(b"null"),
        Value::Float64(value) if !value.is_finite() => out.extend_from_slice(b"null"),
        Value::Text(text) | Value::Enum { name: text, .. } => write_text(text, out),
        Value::Array(elements) => write_array(elements.iter(), out),
        Value::Map(entries) => {
            write_object(entries.iter().map(|(key, value)| (key.to_string(), value)), out);
        }
        Value::Tuple(elements) => {
            let named: Option<Vec<_>> =
                elements.iter().map(|(name, value)| name.map(|name| (name.to_owned(), value))).collect();
            match named {
                Some(named) => write_object(named.into_iter(), out),
                None => write_array(elements.iter().map(|(_, value)| value), out),
            }
        }
        Value::Bool(_) | Value::UInt(_) | Value::Int(_) | Value::UInt256(_) | Value::Int256(_) => plain(value, out),
        // Shortest, with an exponent where digits alone would be hundreds.
        Value::Float32(value) => number(value, out),
        Value::Float64(value) => number(value, out),
        Value::Decimal { .. } | Value::Decimal256 { .. } => plain(value, out),
        Value::Json(_) => plain(value, out),
        text => write_text(&text.to_string(), out),
    }
}

fn number(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = serde_json::to_writer(out, value);
}

/// What is JSON as it prints.
fn plain(value: &Value<'_>, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
}

fn write_array<'v>(elements: impl Iterator<Item = &'v Value<'v>>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_value(element, out);
    }
    out.push(b']');
}

fn write_object<'v>(members: impl Iterator<Item = (String, &'v Value<'v>)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(&name, out);
        out.push(b':');
        write_value(value, out);
    }
    out.push(b'}');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // A str always is a JSON string, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColumnType;

    #[test]
    fn a_row_becomes_one_object() {
        let column = |name: &str, kind: &str| Column { name: name.into(), kind: kind.parse::<ColumnType>().unwrap() };
        let columns = [
            column("name", "LowCardinality(String)"),
            column("price", "Decimal(9, 2)"),
            column("at", "Nullable(DateTime64(3))"),
            column("ratio", "Float64"),
            column("good", "Bool"),
        ];
        let mut row = vec![3, b'a', b'"', b'b'];
        row.extend_from_slice(&1250i32.to_le_bytes());
        row.push(1);
        row.extend_from_slice(&f64::NAN.to_le_bytes());
        row.push(1);
        let mut out = Vec::new();
        let mut rows = Decoder::new(&row);
        write_json(&columns, &mut rows, &mut out).unwrap();
        assert!(rows.is_empty());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"name":"a\"b","price":12.50,"at":null,"ratio":null,"good":true}"#
        );
    }

    #[test]
    fn composed_values_become_arrays_and_objects() {
        let kinds =
            ["Map(UInt8, Array(Nullable(String)))", "Tuple(a IPv4, b Date)", "Tuple(UInt8, JSON)", "Enum8('x' = 1)"];
        let column = |(index, kind): (usize, &&str)| Column { name: format!("c{index}"), kind: kind.parse().unwrap() };
        let columns: Vec<Column> = kinds.iter().enumerate().map(column).collect();
        let row = [&[1, 7, 2, 1, 0, 1, b'"'][..], &[1, 0, 0, 127, 1, 0], &[9, 7], b"{\"a\":1}", &[1]].concat();
        let mut out = Vec::new();
        write_json(&columns, &mut Decoder::new(&row), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"c0":{"7":[null,"\""]},"c1":{"a":"127.0.0.1","b":"1970-01-02"},"c2":[9,{"a":1}],"c3":"x"}"#
        );
    }
}
