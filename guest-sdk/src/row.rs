//! A row as its columns and its bytes. Implemented by the derive; called by `Out` for every row emitted.

use serde::Serialize;

use crate::column::Column;
use crate::contract;
use crate::room::Room;

/// A row of one route: its columns, and its encoding in ClickHouse's RowBinary. Derive it.
///
/// - Each field is a column of the field's name and [`Column`] type, in the order of the struct.
/// - `#[row(name = "..")]` on a field gives the column another name.
/// - `#[row(low_cardinality)]` on a field wraps its type in `LowCardinality`; the bytes are the same.
/// - `#[row(topic, partition, offset, ordinal)]` on the struct, each of them optional, appends columns that say where
///   the row came from: `_topic LowCardinality(String)`, `_partition Int32`, `_offset Int64` and `_ordinal UInt32`,
///   which of the rows of its record. `#[row(offset = "..")]` gives one another name. They stand in the order
///   written.
/// - `#[row(nested)]` on a field that is a list of tuples calls it `Nested`, and `#[row(zone = "Europe/Moscow")]` on a time gives the column
///   a zone; the bytes are the same.
/// - `#[row(object)]` on a struct that serde serializes makes rows of a route that declares no columns: each is the JSON object that
///   serde writes, and its members are looked for in the live table. For plugins that do not know their columns; a typed row is
///   several times as quick, and is checked when the plugin is loaded.
pub trait Row {
    /// The columns with their types as ClickHouse writes them; none for an object.
    fn columns() -> Vec<contract::Column>;

    /// Writes the row, one column after the other, in the order of [`columns`](Self::columns). Called twice where there is not
    /// enough room at first.
    fn encode(&self, room: &mut Room<'_>, source: &Provenance<'_>);
}

/// Where a row came from, for the columns that the SDK fills by itself.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// The topic of the record.
    pub topic: &'a str,
    /// The partition of the record.
    pub partition: i32,
    /// The record's offset; for the rows of `finish` that of the last record.
    pub offset: i64,
    /// Which of the rows of its record this is, from 0, over all routes. The rows of `finish` go on counting from
    /// those of the last record.
    pub ordinal: u32,
}

/// The description of a column of type `C`.
pub fn column<C: Column>(name: &str) -> contract::Column {
    contract::Column { name: name.to_owned(), type_: C::type_name() }
}

/// A list of tuples described as `Nested`.
pub fn nested<C: Column>(name: &str) -> contract::Column {
    let kind = C::type_name();
    let columns = kind.strip_prefix("Array(Tuple(").and_then(|rest| rest.strip_suffix("))"));
    let type_ = columns.map_or_else(|| kind.clone(), |columns| format!("Nested({columns})"));
    contract::Column { name: name.to_owned(), type_ }
}

/// A time described with a zone, which is how the database prints it and not what it is.
pub fn zoned<C: Column>(name: &str, zone: &str) -> contract::Column {
    let kind = C::type_name();
    let type_ = match kind.split_once("DateTime64(") {
        Some((before, rest)) => format!("{before}DateTime64({}", rest.replacen(')', &format!(", '{zone}')"), 1)),
        None => kind.replacen("DateTime", &format!("DateTime('{zone}')"), 1),
    };
    contract::Column { name: name.to_owned(), type_ }
}

/// Writes an object as JSON, and a line end. What cannot be written leaves nothing, which the gateway rejects as no object.
pub fn object(row: &impl Serialize, room: &mut Room<'_>) {
    room.all_or_nothing(|room| serde_json::to_writer(room, row).is_ok());
    room.put(*b"\n");
}

/// The same with the type wrapped in `LowCardinality`.
pub fn low_cardinality<C: Column>(name: &str) -> contract::Column {
    contract::Column { name: name.to_owned(), type_: format!("LowCardinality({})", C::type_name()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DateTime64, Decimal, Row, Uuid, room};

    #[derive(Row)]
    #[row(offset, topic = "source", ordinal)]
    #[row(partition)]
    struct Everything<'a> {
        id: Uuid,
        #[row(name = "when")]
        at: DateTime64<3>,
        #[row(low_cardinality, name = "kind")]
        r#type: &'a str,
        #[row(low_cardinality)]
        note: Option<&'a str>,
        price: Decimal<9, 2>,
    }

    fn named(columns: &[contract::Column]) -> Vec<(&str, &str)> {
        columns.iter().map(|column| (&*column.name, &*column.type_)).collect()
    }

    #[test]
    fn describes_fields_then_provenance_in_the_order_written() {
        assert_eq!(
            named(&Everything::columns()),
            [
                ("id", "UUID"),
                ("when", "DateTime64(3)"),
                ("kind", "LowCardinality(String)"),
                ("note", "LowCardinality(Nullable(String))"),
                ("price", "Decimal(9, 2)"),
                ("_offset", "Int64"),
                ("source", "LowCardinality(String)"),
                ("_ordinal", "UInt32"),
                ("_partition", "Int32"),
            ]
        );
    }

    #[test]
    fn encodes_in_the_order_of_the_columns() -> Result<(), crate::InvalidValue> {
        let row = Everything {
            id: Uuid::from_u64_pair(1, 2),
            at: DateTime64::from_millis(5)?,
            r#type: "k",
            note: None,
            price: "1.5".parse()?,
        };
        let mut bytes = vec![];
        room::append(&mut bytes, &row, &Provenance { topic: "tt", partition: 3, offset: 4, ordinal: 6 });
        let mut expected = vec![1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        expected.extend([5, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([1, b'k', 1, 150, 0, 0, 0]);
        expected.extend([4, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([2, b't', b't', 6, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(bytes, expected);
        Ok(())
    }

    #[derive(Row, Serialize)]
    #[row(object)]
    struct Anything<'a> {
        name: &'a str,
        price: Decimal<9, 2>,
        at: DateTime64<3>,
        id: Uuid,
    }

    #[derive(Row, Serialize)]
    #[row(object)]
    struct Dynamic(serde_json::Value);

    #[test]
    fn an_object_declares_no_columns_and_is_written_as_json() -> Result<(), crate::InvalidValue> {
        assert_eq!(Anything::columns(), []);
        let at = DateTime64::from_millis(5)?;
        let row = Anything { name: "a\"b", price: "1.5".parse()?, at, id: Uuid::from_u64_pair(0, 1) };
        let mut bytes = vec![];
        let source = Provenance { topic: "t", partition: 0, offset: 0, ordinal: 0 };
        room::append(&mut bytes, &row, &source);
        room::append(&mut bytes, &Dynamic(serde_json::json!({"x": [1, null]})), &source);
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "{\"name\":\"a\\\"b\",\"price\":\"1.50\",\"at\":\"1970-01-01 00:00:00.005\",\
             \"id\":\"00000000-0000-0000-0000-000000000001\"}\n{\"x\":[1,null]}\n"
        );
        Ok(())
    }

    #[derive(crate::Tuple)]
    struct Item {
        sku: u32,
        tags: Vec<String>,
    }

    #[derive(Row)]
    struct Described {
        #[row(nested)]
        items: Vec<Item>,
        #[row(zone = "Europe/Moscow")]
        at: DateTime64<3>,
        #[row(zone = "UTC")]
        until: Option<crate::DateTime>,
    }

    #[test]
    fn nested_columns_and_zones_are_described() {
        assert_eq!(
            named(&Described::columns()),
            [
                ("items", "Nested(`sku` UInt32, `tags` Array(String))"),
                ("at", "DateTime64(3, 'Europe/Moscow')"),
                ("until", "Nullable(DateTime('UTC'))"),
            ]
        );
    }
}
