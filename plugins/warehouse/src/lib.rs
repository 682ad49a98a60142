//! Movements of stock: topic `stock`, JSON values. A transfer becomes two rows, one for each warehouse; a correction
//! goes to a route of its own. No settings, no lookup tables.

use serde::Deserialize;
use tidegate_plugin::{DateTime64, Decimal, Out, Record, Reject, Row, Text, Uuid, plugin};

plugin! { routes: { "movement" => Movement<'_>, "correction" => Correction<'_> }, transform: transform }

/// The value of a record.
#[derive(Record)]
struct Event<'a> {
    movement_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    warehouse: Text<'a>,
    #[record(deserialize)]
    kind: Kind,
    quantity: i32,
    unit_cost: Option<Decimal<18, 4>>,
    /// The other warehouse of a transfer.
    destination: Option<Text<'a>>,
    /// Why a correction was made.
    reason: Option<Text<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Receipt,
    Shipment,
    Transfer,
    Correction,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::Shipment => "shipment",
            Self::Transfer => "transfer",
            Self::Correction => "correction",
        }
    }
}

/// What changed in one warehouse.
#[derive(Row)]
#[row(partition, offset, ordinal)]
struct Movement<'a> {
    movement_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    #[row(low_cardinality)]
    warehouse: &'a str,
    #[row(low_cardinality)]
    kind: &'static str,
    /// Negative where stock left.
    quantity: i32,
    unit_cost: Option<Decimal<18, 4>>,
}

/// What somebody counted differently.
#[derive(Row)]
#[row(partition, offset)]
struct Correction<'a> {
    event_time: DateTime64<3>,
    product_id: u32,
    #[row(low_cardinality)]
    warehouse: &'a str,
    quantity: i32,
    reason: Option<&'a str>,
}

fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
    let event: Event<'_> = record.json_record()?;
    check_quantity(&event)?;
    match event.kind {
        Kind::Receipt => out.emit(&movement(&event, &event.warehouse, event.quantity)),
        Kind::Shipment => out.emit(&movement(&event, &event.warehouse, -event.quantity)),
        Kind::Transfer => {
            let destination =
                event.destination.as_deref().ok_or_else(|| Reject::new("a transfer needs a destination"))?;
            out.emit(&movement(&event, &event.warehouse, -event.quantity));
            out.emit(&movement(&event, destination, event.quantity));
        }
        Kind::Correction => out.emit(&Correction {
            event_time: event.event_time,
            product_id: event.product_id,
            warehouse: &event.warehouse,
            quantity: event.quantity,
            reason: event.reason.as_deref(),
        }),
    }
    Ok(())
}

fn check_quantity(event: &Event<'_>) -> Result<(), Reject> {
    match (event.kind, event.quantity) {
        (Kind::Correction, 0) => Err(Reject::new("the quantity of a correction is 0")),
        (Kind::Correction, _) | (_, 1..) => Ok(()),
        (kind, quantity) => {
            Err(Reject::new(format!("the quantity of a {} is {quantity}, it has to be above 0", kind.name())))
        }
    }
}

fn movement<'a>(event: &Event<'_>, warehouse: &'a str, quantity: i32) -> Movement<'a> {
    Movement {
        movement_id: event.movement_id,
        event_time: event.event_time,
        product_id: event.product_id,
        warehouse,
        kind: event.kind.name(),
        quantity,
        unit_cost: event.unit_cost,
    }
}

#[cfg(test)]
mod tests;
