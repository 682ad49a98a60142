//! A plugin that hands JSON on as it came, to a table whose columns it does not know. The tests of rows that are objects load it.

use serde::Serialize;
use serde_json::value::RawValue;
use tidegate_plugin::{Out, Record, Reject, Row, plugin};

plugin! { routes: { "anything" => Anything<'_> }, transform: transform }

/// Whatever the record held, also where it is no object.
#[derive(Row, Serialize)]
#[row(object)]
struct Anything<'a>(&'a RawValue);

fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
    out.emit(&Anything(serde_json::from_str(record.text()?)?));
    Ok(())
}
