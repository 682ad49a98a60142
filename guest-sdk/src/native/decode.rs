//! Rows read back from RowBinary as text, for the assertions of a test. It knows the types that `Column` writes.

use tidegate_rows::{Column, Decoder, Value};

use crate::SetupError;
use crate::contract::{self, NO_RECORD, Output};
use crate::plugin::Plugin;

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
        let columns = parsed(&route.columns)?;
        let mut start = 0;
        for (&end, &origin) in rows.ends.iter().zip(&rows.origins) {
            let row = rows.bytes.get(start..end as usize);
            let columns =
                row.and_then(|row| if columns.is_empty() { decode_object(row) } else { decode_row(&columns, row) });
            decoded.push(Decoded {
                route: route.name.clone(),
                record: (origin != NO_RECORD).then_some(origin),
                columns: columns
                    .ok_or_else(|| SetupError::new(format!("a row of {} is not as described", route.name)))?,
            });
            start = end as usize;
        }
    }
    Ok(decoded)
}

fn parsed(columns: &[contract::Column]) -> Result<Vec<Column>, SetupError> {
    let parse = |column: &contract::Column| {
        let kind = column.type_.parse().map_err(|fault| SetupError::new(format!("column {}: {fault}", column.name)))?;
        Ok(Column { name: column.name.clone(), kind })
    };
    columns.iter().map(parse).collect()
}

fn decode_row(columns: &[Column], row: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let mut decoder = Decoder::new(row);
    let mut values = Vec::with_capacity(columns.len());
    for column in columns {
        let value = decoder.value(column).ok()?;
        values.push((column.name.clone(), (value != Value::Null).then(|| value.to_string())));
    }
    decoder.is_empty().then_some(values)
}

/// The members of a row that is an object, as JSON writes them.
fn decode_object(row: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(row).ok()?;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Some(members.into_iter().map(|(name, value)| (name, text(value))).collect())
}
