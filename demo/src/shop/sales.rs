//! Sales: one record for each line of a receipt. Those of the channel `test` are no sales, and are to be dropped.

use super::dice::Dice;
use super::expected::{ExpectedSale, Sale};
use super::json::Object;
use super::malformed::Malformed;
use super::money::Money;
use super::source::{Event, Source};
use super::{Generated, Options, Products};

/// An endless stream of sales, a tenth of the well-formed ones of the channel `test`.
#[derive(Clone, Debug)]
pub struct Sales {
    source: Source,
    products: Products,
}

/// The values of one record, which both its JSON and the row expected of it are made from.
struct Draft {
    event: Event,
    quantity: u16,
    price: Money,
    currency: Option<&'static str>,
    channel: &'static str,
    customer: Customer,
    order: [Field; 9],
    missing: Option<Field>,
}

enum Customer {
    Absent,
    Null,
    Id(u32),
}

/// Of the random numbers; any, but another than that of the other topic.
const STREAM: u64 = 1;

#[derive(Clone, Copy, PartialEq)]
enum Field {
    EventId,
    EventTime,
    ProductId,
    Quantity,
    Price,
    Channel,
    CustomerId,
    Currency,
    Extra,
}

const ORDER: [Field; 9] = [
    Field::EventId,
    Field::EventTime,
    Field::ProductId,
    Field::Quantity,
    Field::Price,
    Field::Channel,
    Field::CustomerId,
    Field::Currency,
    Field::Extra,
];

const REQUIRED: [Field; 6] =
    [Field::EventId, Field::EventTime, Field::ProductId, Field::Quantity, Field::Price, Field::Channel];

const TEST: &str = "test";

impl Sales {
    /// Starts the stream of `seed`.
    pub fn new(seed: u64, options: Options) -> Self {
        Self { source: Source::new(seed, STREAM, &options), products: options.products }
    }

    /// The next record. It borrows the buffers, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedSale<'_>> {
        let event = self.source.event(&Malformed::SALES);
        let draft = Draft::draw(&mut self.source.dice, event);
        self.source.render(&event, |object| draft.write(object));
        self.source.generated(&event, draft.expected(&self.products))
    }
}

impl Draft {
    fn draw(dice: &mut Dice, event: Event) -> Self {
        let mut order = ORDER;
        if dice.one_in(16) {
            dice.shuffle(&mut order);
        }
        Self {
            event,
            quantity: draw_quantity(dice),
            price: Money::draw(dice),
            currency: match dice.below(100) {
                0..85 => None,
                85..95 => Some("EUR"),
                _ => Some("USD"),
            },
            channel: draw_channel(dice, event.fault),
            customer: match dice.below(100) {
                0..85 => Customer::Id(1 + dice.below(999_999)),
                85..93 => Customer::Absent,
                _ => Customer::Null,
            },
            order,
            missing: (event.fault == Some(Malformed::MissingField)).then(|| dice.pick(&REQUIRED)),
        }
    }

    fn write(&self, object: &mut Object<'_>) {
        for field in self.order {
            if self.missing != Some(field) {
                self.write_field(object, field);
            }
        }
    }

    fn write_field(&self, object: &mut Object<'_>, field: Field) {
        match field {
            Field::EventId => self.event.write_id(object, "event_id"),
            Field::EventTime => self.event.write_time(object),
            Field::ProductId => self.event.write_product_id(object),
            Field::Quantity => self.event.write_quantity(object, i64::from(self.quantity)),
            Field::Price => match self.event.fault {
                Some(Malformed::PriceWord) => object.text("price", "abc"),
                _ => self.price.write(object.member("price")),
            },
            Field::Channel => object.text("channel", self.channel),
            Field::CustomerId => match self.customer {
                Customer::Absent => {}
                Customer::Null => object.raw("customer_id", b"null"),
                Customer::Id(id) => object.integer("customer_id", i64::from(id)),
            },
            Field::Currency => {
                if let Some(currency) = self.currency {
                    object.text("currency", currency);
                }
            }
            Field::Extra => self.event.write_extra(object),
        }
    }

    fn expected<'a>(&self, products: &'a Products) -> ExpectedSale<'a> {
        if let Some(fault) = self.event.fault {
            return ExpectedSale::Malformed(fault);
        }
        if self.channel == TEST {
            return ExpectedSale::Dropped;
        }
        let (product, category) = products.describe(self.event.product_id);
        ExpectedSale::Sale(Sale {
            event_id: self.event.id,
            event_time_ms: self.event.time.kept(),
            product_id: self.event.product_id,
            product,
            category,
            quantity: self.quantity,
            price_e4: self.price.ten_thousandths(),
            amount_e4: self.price.ten_thousandths() * i64::from(self.quantity),
            currency: self.currency.unwrap_or("RUB"),
            channel: self.channel,
            customer_id: match self.customer {
                Customer::Absent | Customer::Null => None,
                Customer::Id(id) => Some(u64::from(id)),
            },
        })
    }
}

/// A few pieces mostly, rarely a wholesale lot.
fn draw_quantity(dice: &mut Dice) -> u16 {
    let limit = if dice.one_in(50) { 1_000 } else { 5 };
    1 + dice.below(limit) as u16
}

/// Malformed records are never of the channel `test`, for a reader may look at the channel first and drop them.
fn draw_channel(dice: &mut Dice, fault: Option<Malformed>) -> &'static str {
    let channel = dice.pick(&["web", "web", "web", "shop", "app", "app"]);
    if fault.is_none() && dice.one_in(10) { TEST } else { channel }
}
