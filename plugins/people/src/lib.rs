//! People as JSON: topic `my_topic`, a person a record, and its members are the columns of its row. The smallest plugin there
//! is: one struct is both what is read and what is written. No settings, no lookup tables.

use serde::Deserialize;
use tidegate_plugin::{DateTime64, Out, Record, Reject, Row, Text, Uuid, plugin};

plugin! { routes: { "person" => Person<'_> }, transform: transform }

#[derive(Deserialize, Row)]
#[row(partition, offset)]
struct Person<'a> {
    uuid: Uuid,
    #[serde(borrow)]
    first_name: Text<'a>,
    #[serde(borrow)]
    last_name: Text<'a>,
    /// Null where it is missing or null.
    #[serde(borrow)]
    middle_name: Option<Text<'a>>,
    timestamp: DateTime64<3>,
}

fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
    let person: Person<'_> = record.json()?;
    out.emit(&person);
    Ok(())
}

#[cfg(test)]
mod tests;
