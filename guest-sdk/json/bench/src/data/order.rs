//! Orders: objects and arrays within each other, all of it read.

use std::ops::Deref;

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::{DateTime64, Decimal, Room, Text};

use super::sale::clock;
use super::{Data, Source};
use crate::json::{self, Spacing, put};
use crate::row::{self, Row};

/// An order; `S` is its text.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Order<S> {
    order_id: u64,
    placed: DateTime64<3>,
    customer: Customer<S>,
    items: Vec<Item<S>>,
    payment: Option<Payment<S>>,
    gift: bool,
}

/// Who ordered.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Customer<S> {
    id: u32,
    name: S,
    address: Address<S>,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Address<S> {
    city: S,
    zip: S,
    geo: Geo,
}

/// In degrees.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Record)]
pub struct Geo {
    lat: f64,
    lon: f64,
}

/// A line of the order.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Item<S> {
    sku: S,
    quantity: u16,
    price: Decimal<18, 4>,
}

/// How it is paid.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Payment<S> {
    method: S,
    paid: bool,
}

impl<S: Deref<Target = str>> Row for Order<S> {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        row::bytes(out, self.order_id.to_le_bytes());
        row::bytes(out, self.placed.ticks().to_le_bytes());
        let Customer { id, name, address } = &self.customer;
        row::bytes(out, id.to_le_bytes());
        row::text(out, name);
        row::text(out, &address.city);
        row::text(out, &address.zip);
        row::bytes(out, address.geo.lat.to_le_bytes());
        row::bytes(out, address.geo.lon.to_le_bytes());
        out.put([self.items.len() as u8]);
        for Item { sku, quantity, price } in &self.items {
            row::text(out, sku);
            row::bytes(out, quantity.to_le_bytes());
            row::bytes(out, (price.units() as i64).to_le_bytes());
        }
        row::nullable(out, self.payment.as_ref(), |out, payment| {
            row::text(out, &payment.method);
            row::bytes(out, [u8::from(payment.paid)]);
        });
        row::bytes(out, [u8::from(self.gift)]);
    }
}

/// Orders of one to four lines.
#[derive(Debug)]
pub struct Orders;

impl Data for Orders {
    type Borrowed<'a> = Order<Text<'a>>;
    type Owned = Order<String>;

    fn write(source: &mut Source, out: &mut Vec<u8>) {
        source.clock += source.dice.below(9);
        let Source { dice, clock: now } = source;
        json::object(out, Spacing::Tight, |object| {
            object.plain("order_id", dice.bits() >> 20);
            clock(object.member("placed"), *now, 'T', true, "Z");
            object.object("customer", |object| {
                object.plain("id", dice.below(1_000_000));
                object.text("name", dice.pick(&["Anna Petrova", "J. Doe", "Olaf Hansen", "Mei Lin"]));
                object.object("address", |object| {
                    object.text("city", dice.pick(&["Almaty", "Riga", "Porto", "Bergen", "Tartu"]));
                    object.text("zip", format_args!("{:05}", dice.below(100_000)));
                    object.object("geo", |object| {
                        object.plain("lat", format_args!("{}.{:04}", dice.below(90), dice.below(10_000)));
                        object.plain("lon", format_args!("-{}.{:04}", dice.below(180), dice.below(10_000)));
                    });
                });
            });
            object.array("items", 1 + dice.below(4), |_, out| {
                json::object(out, Spacing::Tight, |object| {
                    object.text("sku", format_args!("SKU-{:06}", dice.below(1_000_000)));
                    object.plain("quantity", 1 + dice.below(9));
                    object.plain("price", format_args!("{}.{:02}", dice.below(900), dice.below(100)));
                });
            });
            if dice.one_in(5) {
                object.plain("payment", "null");
            } else {
                object.object("payment", |object| {
                    object.text("method", dice.pick(&["card", "transfer", "cash"]));
                    object.plain("paid", dice.one_in(2));
                });
            }
            put(object.member("gift"), dice.one_in(10));
        });
    }

    #[cfg(feature = "rivals")]
    fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault> {
        rival::order(jiter)
    }
}

#[cfg(feature = "rivals")]
mod rival {
    use super::{Address, Customer, Geo, Item, Order, Payment};
    use crate::parsers::jiter::{Fault, array, decimal, float, members, number, optional, text, time};

    type Jiter<'a, 'j> = &'a mut jiter::Jiter<'j>;

    pub fn order(jiter: Jiter<'_, '_>) -> Result<Order<String>, Fault> {
        members! {
            jiter;
            order_id: number(jiter), placed: time(jiter), customer: read_customer(jiter), items: array(jiter, read_item),
            gift: jiter.next_bool();
            payment: optional(jiter, read_payment)
        }
        Ok(Order { order_id, placed, customer, items, payment, gift })
    }

    fn read_customer(jiter: Jiter<'_, '_>) -> Result<Customer<String>, Fault> {
        members! { jiter; id: number(jiter), name: text(jiter), address: read_address(jiter) }
        Ok(Customer { id, name, address })
    }

    fn read_address(jiter: Jiter<'_, '_>) -> Result<Address<String>, Fault> {
        members! { jiter; city: text(jiter), zip: text(jiter), geo: read_geo(jiter) }
        Ok(Address { city, zip, geo })
    }

    fn read_geo(jiter: Jiter<'_, '_>) -> Result<Geo, Fault> {
        members! { jiter; lat: float(jiter), lon: float(jiter) }
        Ok(Geo { lat, lon })
    }

    fn read_item(jiter: Jiter<'_, '_>) -> Result<Item<String>, Fault> {
        members! { jiter; sku: text(jiter), quantity: number(jiter), price: decimal(jiter) }
        Ok(Item { sku, quantity, price })
    }

    fn read_payment(jiter: Jiter<'_, '_>) -> Result<Payment<String>, Fault> {
        members! { jiter; method: text(jiter), paid: jiter.next_bool() }
        Ok(Payment { method, paid })
    }
}
