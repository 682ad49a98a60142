//! A row as one JSON object, the way ClickHouse's JSONEachRow writes it: 64-bit integers and decimals as numbers, times
//! as text, what JSON has no number for (NaN, infinities) as null.

use std::io::Write;

use super::{Column, DecodeFault, Decoder, Value};

/// Appends the next row of `rows` to `out` as a JSON object, without a line end.
///
/// # Errors
/// Where the bytes are not a row of these columns.
pub fn write_json(columns: &[Column], rows: &mut Decoder<'_>, out: &mut Vec<u8>) -> Result<(), DecodeFault> {
    out.push(b'{');
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_text(&column.name, out);
        out.push(b':');
        write_value(rows.value(column)?, out);
    }
    out.push(b'}');
    Ok(())
}

fn write_value(value: Value<'_>, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Float32(value) if !value.is_finite() => write!(out, "null"),
        Value::Float64(value) if !value.is_finite() => write!(out, "null"),
        Value::Text(text) => {
            write_text(text, out);
            Ok(())
        }
        Value::Uuid(_) | Value::Time { .. } => write!(out, "\"{value}\""),
        number => write!(out, "{number}"),
    };
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // A str always is a JSON string, and writing to a Vec cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ColumnType;

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
}
