//! Rows in ClickHouse's RowBinary: the types a plugin may declare, the check that every row passes before it
//! leaves the gateway, and the way back from bytes to values. Knows neither plugins nor sinks.

mod column_type;
mod decode;
mod display;
mod glance;
mod json;
mod json_object;
mod json_row;
mod json_scalar;
pub(crate) mod text;
mod type_text;
mod walk;

pub use column_type::{ColumnType, Names, decimal_width};
pub use decode::{DecodeFault, Decoder, Value, whole_number};
pub use json::{write_json, write_value};
pub use json_row::ObjectColumns;
pub use text::{nearest, shortened};
pub use type_text::TypeFault;
pub use walk::{RowFault, RowWalker};

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the table calls it.
    pub name: String,
    /// As the plugin declares it.
    pub kind: ColumnType,
}
