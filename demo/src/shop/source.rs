//! What sales and stock movements have in common: the clock, the buffers, and the fields that both have.

use super::dice::Dice;
use super::json::{self, Object, Spacing};
use super::malformed::Malformed;
use super::time::EventTime;
use super::{Generated, Options};

/// A little more than the 200 products in the table, so that about a tenth of the records have an unknown one.
const PRODUCTS: u32 = 220;

/// How far event times lag the clock at most, in milliseconds: five minutes.
const JITTER: u32 = 300_000;

/// Fields that no reader knows of, with escapes and nesting to trip over.
const EXTRAS: [Extra; 6] = [
    ("note", br#""caf\u00e9 \"x\"""#),
    ("note", r#""подарок \ud83d\udce6\n""#.as_bytes()),
    ("promo", br#""B2S-17""#),
    ("basket", br#"{"lines":3,"gift":false}"#),
    ("tags", br#"["new","}",[]]"#),
    ("till", b"-1.5e3"),
];

const LATIN_1_NOTE: Extra = ("note", b"\"caf\xe9\"");

/// A member of the object: its name and its value as JSON.
type Extra = (&'static str, &'static [u8]);

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) dice: Dice,
    clock: i64,
    malformed: f64,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What one record shares with those of the other topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) id: [u8; 16],
    pub(super) time: EventTime,
    pub(super) product_id: u32,
    pub(super) fault: Option<Malformed>,
    extra: Option<Extra>,
    spacing: Spacing,
}

impl Source {
    pub(super) fn new(seed: u64, stream: u64, options: &Options) -> Self {
        Self {
            dice: Dice::new(seed, stream),
            clock: options.start,
            malformed: options.malformed,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Draws the next record, with one of `faults` if it is to be malformed.
    pub(super) fn event<const N: usize>(&mut self, faults: &[Malformed; N]) -> Event {
        let dice = &mut self.dice;
        self.clock += i64::from(dice.below(3));
        let fault = dice.share(self.malformed).then(|| dice.pick(faults));
        let extra = match fault {
            Some(Malformed::NoteNotUtf8) => Some(LATIN_1_NOTE),
            _ => dice.one_in(8).then(|| dice.pick(&EXTRAS)),
        };
        let moment = self.clock - i64::from(dice.below(JITTER + 1));
        Event {
            id: uuid(dice, self.clock),
            time: EventTime::draw(dice, moment),
            product_id: 1 + dice.below(PRODUCTS),
            fault,
            extra,
            spacing: match dice.below(32) {
                0 => Spacing::Spaced,
                1 => Spacing::Lines,
                _ => Spacing::Tight,
            },
        }
    }

    /// Renders the record into the buffers; `members` writes those of the object, in their order.
    pub(super) fn render(&mut self, event: &Event, members: impl FnOnce(&mut Object<'_>)) {
        self.key.clear();
        json::natural(&mut self.key, u64::from(event.product_id));
        self.value.clear();
        let mut object = Object::begin(&mut self.value, event.spacing);
        members(&mut object);
        object.end();
        if let Some(fault) = event.fault {
            fault.spoil(&mut self.dice, &mut self.value);
        }
    }

    /// The record that was rendered last.
    pub(super) fn generated<Expected>(&self, event: &Event, expected: Expected) -> Generated<'_, Expected> {
        let value = match event.fault {
            Some(Malformed::Null) => None,
            _ => Some(self.value.as_slice()),
        };
        Generated { key: &self.key, value, headers: &[], timestamp: self.clock, expected }
    }
}

/// Version 7 (RFC 9562, section 5.7): 48 bits of the clock, then random ones around the version and the variant.
fn uuid(dice: &mut Dice, clock: i64) -> [u8; 16] {
    let high = (clock as u64) << 16 | 7 << 12 | dice.bits() >> 52;
    let low = 1 << 63 | dice.bits() >> 2;
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

impl Event {
    pub(super) fn write_id(&self, object: &mut Object<'_>, name: &str) {
        match self.fault {
            Some(Malformed::IdNotUtf8) => object.raw(name, b"\"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d\xff\xfe\""),
            _ => json::uuid(object.member(name), self.id),
        }
    }

    pub(super) fn write_time(&self, object: &mut Object<'_>) {
        let out = object.member("event_time");
        match self.fault {
            Some(Malformed::TimeGarbage) => out.extend_from_slice(match self.product_id % 3 {
                0 => b"\"yesterday\"",
                1 => b"\"\"",
                _ => b"{}",
            }),
            Some(Malformed::MonthThirteen) => self.time.write_month_13(out),
            _ => self.time.write(out),
        }
    }

    pub(super) fn write_product_id(&self, object: &mut Object<'_>) {
        let id = i64::from(self.product_id);
        let id = match self.fault {
            Some(Malformed::ProductIdOutOfRange) if id % 2 == 0 => -id,
            Some(Malformed::ProductIdOutOfRange) => id + i64::from(u32::MAX),
            _ => id,
        };
        object.integer("product_id", id);
    }

    pub(super) fn write_quantity(&self, object: &mut Object<'_>, quantity: i64) {
        match self.fault {
            Some(Malformed::QuantityWord) => object.text("quantity", "two"),
            _ => object.integer("quantity", quantity),
        }
    }

    pub(super) fn write_extra(&self, object: &mut Object<'_>) {
        if let Some((name, json)) = self.extra {
            object.raw(name, json);
        }
    }
}
