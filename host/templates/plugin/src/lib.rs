//! Sales of the topic `sales`: a JSON object becomes a row, with the amount computed; what is only a test is dropped.

use serde::Deserialize;
use tidegate_plugin::{DateTime64, Decimal, Out, Record, Reject, Row, Text, Uuid, plugin};

plugin! { routes: { "sale" => Sale<'_> }, transform: transform }

/// The value of a record. Members that are not named here are ignored.
#[derive(Deserialize)]
struct Event<'a> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    quantity: u16,
    price: Decimal<18, 4>,
    #[serde(borrow)]
    channel: Text<'a>,
}

/// A row of the route `sale`: each field is a column. `_partition` and `_offset` stand behind them.
#[derive(Row)]
#[row(partition, offset)]
struct Sale<'a> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    quantity: u16,
    amount: Decimal<18, 4>,
    #[row(low_cardinality)]
    channel: &'a str,
}

/// Rows that are emitted are written; an error rejects the record, with its reason; `Ok` without a row drops it.
fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
    let event: Event<'_> = record.json()?;
    if &*event.channel == "test" {
        return Ok(());
    }
    let amount = event
        .price
        .checked_mul_int(event.quantity.into())
        .ok_or_else(|| Reject::new("price times quantity is too large"))?;
    out.emit(&Sale {
        event_id: event.event_id,
        event_time: event.event_time,
        product_id: event.product_id,
        quantity: event.quantity,
        amount,
        channel: &event.channel,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::native::{self, Input, MemoryEnvironment};

    use super::Exported;

    const SALE: &str = r#"{"event_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","event_time":"2026-11-20T10:15:00.123Z",
        "product_id":17,"quantity":2,"price":"149.90","channel":"web"}"#;

    #[test]
    fn a_sale_becomes_a_row_a_test_none_and_the_rest_is_rejected() {
        let test = SALE.replace("web", "test");
        let records = [Input::value(SALE), Input::value(&test), Input::value("{")];
        let output = native::run::<Exported>(MemoryEnvironment::new(), "{}", &records).unwrap();
        let rows = native::decode::<Exported>(&output).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get("amount"), Some("299.8000"));
        let rejects: Vec<_> = output.rejects.iter().map(|reject| reject.origin).collect();
        assert_eq!(rejects, [2]);
    }
}
