//! Sales of a shop: topic `sales`, JSON values, one row a sale, with the product's name and category looked up.
//!
//! Settings, both optional: `currency`, for records that name none ("RUB"), and `test_channel`, whose records are
//! dropped ("test"). Lookup table: `products`, with the columns `product_id`, `name` and `category`.

use std::rc::Rc;

use serde::Deserialize;
use tidegate_plugin::{
    DateTime64, Decimal, Out, Record, Reject, Row, Setup, SetupError, Table, TableRow, Text, Uuid, plugin,
};

plugin! { init: Sales::init, routes: { "sale" => Sale<'_> }, transform: Sales::transform }

struct Sales {
    settings: Settings,
    products: Table<u32, Product>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    currency: String,
    test_channel: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { currency: "RUB".to_owned(), test_channel: "test".to_owned() }
    }
}

struct Product {
    name: String,
    category: String,
}

impl Product {
    fn parse(row: &TableRow<'_>) -> Result<Self, Reject> {
        Ok(Self { name: row.get("name")?.to_owned(), category: row.get("category")?.to_owned() })
    }
}

/// The value of a record, with its fields in the order that records mostly have them.
#[derive(Record)]
struct Event<'a> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    quantity: u16,
    price: Decimal<18, 4>,
    channel: Text<'a>,
    customer_id: Option<u64>,
    currency: Option<Text<'a>>,
}

#[derive(Row)]
#[row(partition, offset)]
struct Sale<'a> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    #[row(low_cardinality)]
    product: &'a str,
    #[row(low_cardinality)]
    category: &'a str,
    quantity: u16,
    price: Decimal<18, 4>,
    amount: Decimal<18, 4>,
    #[row(low_cardinality)]
    currency: &'a str,
    #[row(low_cardinality)]
    channel: &'a str,
    customer_id: Option<u64>,
}

impl Sales {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        Ok(Self { settings: setup.settings()?, products: setup.table("products", Product::parse)? })
    }

    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let event: Event<'_> = record.json_record()?;
        if *event.channel == *self.settings.test_channel {
            return Ok(());
        }
        if event.quantity == 0 {
            return Err(Reject::new("quantity is 0"));
        }
        let amount = event
            .price
            .checked_mul_int(event.quantity.into())
            .ok_or_else(|| Reject::new("price times quantity does not fit Decimal(18, 4)"))?;
        let found: Option<Rc<Product>> = self.products.get(&event.product_id)?;
        let (product, category) = match &found {
            Some(product) => (&*product.name, &*product.category),
            None => ("unknown", "unknown"),
        };
        out.emit(&Sale {
            event_id: event.event_id,
            event_time: event.event_time,
            product_id: event.product_id,
            product,
            category,
            quantity: event.quantity,
            price: event.price,
            amount,
            currency: event.currency.as_deref().unwrap_or(&self.settings.currency),
            channel: &event.channel,
            customer_id: event.customer_id,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
