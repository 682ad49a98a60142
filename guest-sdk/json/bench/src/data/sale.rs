//! Sales of a shop, in the notations and shares that the demo sends them in.

use std::ops::Deref;

use serde::Deserialize;
use tidegate_json::Record;
use tidegate_plugin::{DateTime64, Decimal, Room, Text, Uuid};

use super::{Data, Source};
use crate::dice::Dice;
use crate::json::{self, Object, Spacing, put};
use crate::row::{self, Row};

/// A sale as the shop's plugin reads it; `S` is its text.
#[derive(Clone, Debug, PartialEq, Deserialize, Record)]
pub struct Sale<S> {
    event_id: Uuid,
    event_time: DateTime64<3>,
    product_id: u32,
    quantity: u16,
    price: Decimal<18, 4>,
    channel: S,
    customer_id: Option<u64>,
    currency: Option<S>,
}

impl<S: Deref<Target = str>> Row for Sale<S> {
    #[inline(always)]
    fn write(&self, out: &mut Room<'_>) {
        if &*self.channel == "test" {
            return;
        }
        let (high, low) = self.event_id.as_u64_pair();
        row::bytes(out, high.to_le_bytes());
        row::bytes(out, low.to_le_bytes());
        row::bytes(out, self.event_time.ticks().to_le_bytes());
        row::bytes(out, self.product_id.to_le_bytes());
        row::bytes(out, self.quantity.to_le_bytes());
        row::bytes(out, (self.price.units() as i64).to_le_bytes());
        row::text(out, &self.channel);
        row::text(out, self.currency.as_deref().unwrap_or("RUB"));
        row::nullable(out, self.customer_id, |out, id| row::bytes(out, id.to_le_bytes()));
    }
}

/// As the demo sends them: one of 16 with its keys in any order, one of 16 with white space, one of 8 with a member more.
#[derive(Debug)]
pub struct Sales;

/// Every record with its keys in any order.
#[derive(Debug)]
pub struct Shuffled;

/// One of 100 is wrong.
#[derive(Debug)]
pub struct Invalid;

macro_rules! sales {
    ($($set:ident => $write:path;)+) => {$(
        impl Data for $set {
            type Borrowed<'a> = Sale<Text<'a>>;
            type Owned = Sale<String>;

            fn write(source: &mut Source, out: &mut Vec<u8>) {
                $write(source, out);
            }

            #[cfg(feature = "rivals")]
            fn jiter(jiter: &mut jiter::Jiter<'_>) -> Result<Self::Owned, crate::parsers::jiter::Fault> {
                rival::sale(jiter)
            }
        }
    )+};
}

sales! {
    Sales => write_sale;
    Shuffled => write_shuffled;
    Invalid => write_one_of_100_wrong;
}

type Member = fn(&mut Source, &mut Object<'_>);

const MEMBERS: [Member; 9] = [
    |source, object| id(object, "event_id", &mut source.dice, source.clock),
    write_time,
    |source, object| object.plain("product_id", 1 + source.dice.below(220)),
    |source, object| {
        let most = if source.dice.one_in(50) { 1_000 } else { 5 };
        object.plain("quantity", 1 + source.dice.below(most));
    },
    write_price,
    |source, object| {
        let channel = source.dice.pick(&["web", "web", "web", "shop", "app", "app"]);
        object.text("channel", if source.dice.one_in(10) { "test" } else { channel });
    },
    |source, object| match source.dice.below(100) {
        0..85 => object.plain("customer_id", 1 + source.dice.below(999_999)),
        85..93 => {}
        _ => object.plain("customer_id", "null"),
    },
    |source, object| match source.dice.below(100) {
        0..85 => {}
        85..95 => object.text("currency", "EUR"),
        _ => object.text("currency", "USD"),
    },
    |source, object| {
        if source.dice.one_in(8) {
            let (name, value) = source.dice.pick(&EXTRAS);
            object.plain(name, value);
        }
    },
];

/// Members that nobody reads: an escape, a pair of surrogates, brackets within a string, a number with an exponent.
const EXTRAS: [(&str, &str); 6] = [
    ("note", r#""caf\u00e9 \"x\"""#),
    ("note", r#""подарок \ud83d\udce6\n""#),
    ("promo", r#""B2S-17""#),
    ("basket", r#"{"lines":3,"gift":false}"#),
    ("tags", r#"["new","}",[]]"#),
    ("till", "-1.5e3"),
];

fn write_sale(source: &mut Source, out: &mut Vec<u8>) {
    let mut members = MEMBERS;
    if source.dice.one_in(16) {
        source.dice.shuffle(&mut members);
    }
    let spacing = match source.dice.below(32) {
        0 => Spacing::Spaced,
        1 => Spacing::Lines,
        _ => Spacing::Tight,
    };
    write_members(source, out, spacing, &members);
}

fn write_shuffled(source: &mut Source, out: &mut Vec<u8>) {
    let mut members = MEMBERS;
    source.dice.shuffle(&mut members);
    write_members(source, out, Spacing::Tight, &members);
}

fn write_one_of_100_wrong(source: &mut Source, out: &mut Vec<u8>) {
    let start = out.len();
    write_sale(source, out);
    if source.dice.one_in(100) {
        let record = out.split_off(start);
        out.extend_from_slice(&spoiled(&mut source.dice, record));
    }
}

fn write_members(source: &mut Source, out: &mut Vec<u8>, spacing: Spacing, members: &[Member]) {
    source.clock += source.dice.below(3);
    json::object(out, spacing, |object| {
        for member in members {
            member(source, object);
        }
    });
}

fn spoiled(dice: &mut Dice, mut record: Vec<u8>) -> Vec<u8> {
    match dice.below(6) {
        0 => record.truncate(1 + dice.index(record.len() - 1)),
        1 => record.extend_from_slice(dice.pick(&["}", ",", " x", "{\"product_id\":1}"]).as_bytes()),
        2 => record = dice.pick(&["42", "-1.5", "\"sale\"", "true", "null", ""]).as_bytes().to_vec(),
        3 => return replaced(&record, b"\"event_time\"", b"\"event_tim\""),
        4 => return replaced(&record, b"\"quantity\"", b"\"quantity\":\"two\",\"quantity\""),
        // Latin-1 where UTF-8 should be.
        _ => return replaced(&record, b"\"channel\"", b"\"note\":\"caf\xe9\",\"channel\""),
    }
    record
}

fn replaced(record: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let found = record.windows(from.len()).position(|window| window == from);
    match found.and_then(|at| record.split_at_checked(at)) {
        Some((before, behind)) => [before, to, behind.get(from.len()..).unwrap_or_default()].concat(),
        None => Vec::new(),
    }
}

/// A UUID of version 7.
pub(super) fn id(object: &mut Object<'_>, name: &str, dice: &mut Dice, clock: u32) {
    let (high, low) = (0x019a_9f00_0000 + u64::from(clock), dice.bits());
    object.text(
        name,
        format_args!(
            "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
            high >> 16,
            high & 0xffff,
            low >> 52,
            0x8000 | (low >> 36 & 0x3fff),
            low & 0xffff_ffff_ffff
        ),
    );
}

/// Milliseconds of 2026-11-20 before the day began, as seen from 1970.
const DAY: u64 = 1_795_132_800_000;

/// Up to five minutes late.
const LATE: u32 = 300_000;

fn write_time(source: &mut Source, object: &mut Object<'_>) {
    let moment = source.clock - source.dice.below(LATE);
    let out = object.member("event_time");
    match source.dice.below(100) {
        0..64 => clock(out, moment, 'T', true, "Z"),
        64..76 => {
            let (minutes, zone) =
                source.dice.pick(&[(180, "+03:00"), (330, "+05:30"), (-480, "-08:00"), (0, "+00:00")]);
            clock(out, moment.saturating_add_signed(minutes * 60_000), 'T', true, zone);
        }
        76..82 => clock(out, moment, ' ', false, ""),
        82..88 => clock(out, moment, ' ', true, ""),
        88..94 => put(out, (DAY + u64::from(moment)) / 1_000),
        _ => put(out, DAY + u64::from(moment)),
    }
}

/// A time of the day, in quotes.
pub(super) fn clock(out: &mut Vec<u8>, moment: u32, separator: char, fraction: bool, zone: &str) {
    let (hour, minute, second) = (moment / 3_600_000, moment / 60_000 % 60, moment / 1_000 % 60);
    put(out, format_args!("\"2026-11-20{separator}{hour:02}:{minute:02}:{second:02}"));
    if fraction {
        put(out, format_args!(".{:03}", moment % 1_000));
    }
    put(out, format_args!("{zone}\""));
}

fn write_price(source: &mut Source, object: &mut Object<'_>) {
    let cents = 100 + source.dice.below(499_900);
    if source.dice.one_in(8) {
        object.text("price", format_args!("{}.{:02}{:02}", cents / 100, cents % 100, source.dice.below(100)));
    } else {
        object.plain("price", format_args!("{}.{:02}", cents / 100, cents % 100));
    }
}

#[cfg(feature = "rivals")]
mod rival {
    use super::Sale;
    use crate::parsers::jiter::{Fault, decimal, members, number, optional, text, time, uuid};

    pub fn sale(jiter: &mut jiter::Jiter<'_>) -> Result<Sale<String>, Fault> {
        members! {
            jiter;
            event_id: uuid(jiter), event_time: time(jiter), product_id: number(jiter), quantity: number(jiter),
            price: decimal(jiter), channel: text(jiter);
            currency: optional(jiter, text), customer_id: optional(jiter, number)
        }
        Ok(Sale { event_id, event_time, product_id, quantity, price, channel, currency, customer_id })
    }
}
