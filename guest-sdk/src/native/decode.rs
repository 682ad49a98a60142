//! Rows read back from RowBinary as text, for the assertions of a test. It knows the types that `Column` writes.

use crate::contract::{Column, NO_RECORD, Output};
use crate::plugin::Plugin;
use crate::{DateTime, SetupError, Uuid, decimal, time};

/// A row read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The name of its route.
    pub route: String,
    /// The index of the record it came from; `None` for a row of `finish`.
    pub record: Option<u32>,
    /// Its columns with their values as ClickHouse prints them; `None` is a null.
    pub columns: Vec<(String, Option<String>)>,
}

impl Decoded {
    /// The value of a column; `None` where it is null or there is no such column.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.as_deref())
    }
}

/// Reads the rows of a plugin's output back, route by route. Fails where they are not as the plugin describes them.
pub fn decode<P: Plugin>(output: &Output) -> Result<Vec<Decoded>, SetupError> {
    let routes = P::describe().routes;
    let mut decoded = Vec::new();
    for rows in &output.rows {
        let route = routes
            .get(rows.route as usize)
            .ok_or_else(|| SetupError::new(format!("there is no route {}", rows.route)))?;
        let mut bytes = rows.bytes.as_slice();
        let mut start = 0;
        for (&end, &origin) in rows.ends.iter().zip(&rows.origins) {
            let row_ends_with = bytes.len().checked_sub((end - start) as usize);
            let columns = decode_row(&route.columns, &mut bytes)
                .filter(|_| Some(bytes.len()) == row_ends_with)
                .ok_or_else(|| SetupError::new(format!("a row of {} is not as described", route.name)))?;
            decoded.push(Decoded {
                route: route.name.clone(),
                record: (origin != NO_RECORD).then_some(origin),
                columns,
            });
            start = end;
        }
    }
    Ok(decoded)
}

fn decode_row(columns: &[Column], bytes: &mut &[u8]) -> Option<Vec<(String, Option<String>)>> {
    columns.iter().map(|column| Some((column.name.clone(), decode_value(&column.type_, bytes)?))).collect()
}

/// One value; the outer `None` says that the bytes are not of the type.
fn decode_value(type_name: &str, bytes: &mut &[u8]) -> Option<Option<String>> {
    if let Some(inner) = within(type_name, "LowCardinality") {
        return decode_value(inner, bytes);
    }
    if let Some(inner) = within(type_name, "Nullable") {
        return match take::<1>(bytes)? {
            [0] => decode_value(inner, bytes),
            [1] => Some(None),
            _ => None,
        };
    }
    if let Some(inner) = within(type_name, "Map") {
        return decode_map(inner, bytes).map(Some);
    }
    let text = match type_name {
        "String" => decode_string(bytes)?,
        "Bool" => match take::<1>(bytes)? {
            [0] => "false".to_owned(),
            [1] => "true".to_owned(),
            _ => return None,
        },
        "UInt8" => u8::from_le_bytes(take(bytes)?).to_string(),
        "UInt16" => u16::from_le_bytes(take(bytes)?).to_string(),
        "UInt32" => u32::from_le_bytes(take(bytes)?).to_string(),
        "UInt64" => u64::from_le_bytes(take(bytes)?).to_string(),
        "Int8" => i8::from_le_bytes(take(bytes)?).to_string(),
        "Int16" => i16::from_le_bytes(take(bytes)?).to_string(),
        "Int32" => i32::from_le_bytes(take(bytes)?).to_string(),
        "Int64" => i64::from_le_bytes(take(bytes)?).to_string(),
        "Float32" => f32::from_le_bytes(take(bytes)?).to_string(),
        "Float64" => f64::from_le_bytes(take(bytes)?).to_string(),
        "UUID" => {
            let (high, low) = (u64::from_le_bytes(take(bytes)?), u64::from_le_bytes(take(bytes)?));
            Uuid::from_u64_pair(high, low).to_string()
        }
        "DateTime" => DateTime::from_seconds(u32::from_le_bytes(take(bytes)?)).to_string(),
        _ => decode_scaled(type_name, bytes)?,
    };
    Some(Some(text))
}

fn decode_scaled(type_name: &str, bytes: &mut &[u8]) -> Option<String> {
    let mut text = String::new();
    if let Some(precision) = within(type_name, "DateTime64") {
        time::write(i64::from_le_bytes(take(bytes)?), precision.parse().ok()?, &mut text).ok()?;
        return Some(text);
    }
    let (digits, scale) = within(type_name, "Decimal")?.split_once(", ")?;
    let units = match digits.parse().ok()? {
        0..=9u32 => i128::from(i32::from_le_bytes(take(bytes)?)),
        10..=18 => i128::from(i64::from_le_bytes(take(bytes)?)),
        _ => i128::from_le_bytes(take(bytes)?),
    };
    decimal::write(units, scale.parse().ok()?, &mut text).ok()?;
    Some(text)
}

/// A map of texts, as ClickHouse prints one.
fn decode_map(types: &str, bytes: &mut &[u8]) -> Option<String> {
    let ("String", "String") = types.split_once(", ")? else { return None };
    let quoted = |text: String| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut entries = Vec::new();
    for _ in 0..decode_length(bytes)? {
        entries.push(format!("{}:{}", quoted(decode_string(bytes)?), quoted(decode_string(bytes)?)));
    }
    Some(format!("{{{}}}", entries.join(",")))
}

fn decode_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let [byte] = take::<1>(bytes)?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(length)
}

fn decode_string(bytes: &mut &[u8]) -> Option<String> {
    let length = decode_length(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// What stands in the brackets of `outer(..)`.
fn within<'a>(type_name: &'a str, outer: &str) -> Option<&'a str> {
    type_name.strip_prefix(outer)?.strip_prefix('(')?.strip_suffix(')')
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}
