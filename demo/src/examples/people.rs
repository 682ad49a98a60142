//! People as JSON, for the plugin `people`.

use serde_json::{Value, json};

use super::{DELAY, START, ascii, time_value, uuid};
use crate::shop::Generated;
use crate::shop::dice::Dice;
use crate::shop::time::EventTime;

/// Apart from the other streams.
const STREAM: u64 = 104;

const FIRST: [&str; 6] = ["Ada", "Анна", "Zoë", "José", "Пётр", "Lin \"Lee\""];
const LAST: [&str; 6] = ["Lovelace", "Ковалевская", "O'Brien", "García\\Márquez", "Ли", "李"];
const MIDDLE: [&str; 4] = ["King", "Васильевна", "", "de\tla"];

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// As text.
    pub uuid: String,
    /// Never missing.
    pub first_name: &'static str,
    /// Never missing.
    pub last_name: &'static str,
    /// None where it is missing or null in the record.
    pub middle_name: Option<&'static str>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

/// What should become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedPerson {
    /// A row.
    Person(Person),
    /// A dead letter whose reason has this part.
    Malformed(&'static str),
}

/// What is wrong with a malformed record, and a part of what is to be said of it.
#[derive(Clone, Copy)]
enum Fault {
    Null,
    Empty,
    CutOff,
    Missing(&'static str, &'static str),
    Replaced(&'static str, &'static str, &'static str),
}

const FAULTS: [Fault; 11] = [
    Fault::Null,
    Fault::Empty,
    Fault::CutOff,
    Fault::Missing("uuid", "missing field `uuid`"),
    Fault::Missing("first_name", "missing field `first_name`"),
    Fault::Missing("last_name", "missing field `last_name`"),
    Fault::Missing("timestamp", "missing field `timestamp`"),
    Fault::Replaced("uuid", "\"17\"", "UUID"),
    Fault::Replaced("timestamp", "\"2026-02-30T00:00:00Z\"", "there is no such date"),
    Fault::Replaced("last_name", "null", "expected a string"),
    Fault::Replaced("middle_name", "17", "expected a string"),
];

/// The stream of a seed.
#[derive(Clone, Debug)]
pub struct People {
    dice: Dice,
    malformed: f64,
    clock: i64,
    key: String,
    value: Option<String>,
}

impl People {
    /// Starts the stream of `seed`, with this share of malformed records, from 0 to 1.
    pub fn new(seed: u64, malformed: f64) -> Self {
        Self { dice: Dice::new(seed, STREAM), malformed, clock: START, key: String::new(), value: None }
    }

    /// The next record. It borrows the buffers, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedPerson> {
        let dice = &mut self.dice;
        self.clock += i64::from(dice.below(3));
        let fault = dice.share(self.malformed).then(|| dice.pick(&FAULTS));
        let moment = self.clock - i64::from(dice.below(DELAY));
        let time = EventTime::draw(dice, moment);
        let person = Person {
            uuid: uuid(dice.bits(), dice.bits()),
            first_name: dice.pick(&FIRST),
            last_name: dice.pick(&LAST),
            middle_name: dice.one_in(2).then(|| dice.pick(&MIDDLE)),
            timestamp: time.kept(),
        };
        self.key.clone_from(&person.uuid);
        self.value = render(dice, &person, time_value(&time), fault);
        let expected = match fault {
            Some(fault) => ExpectedPerson::Malformed(fault.reason()),
            None => ExpectedPerson::Person(person),
        };
        let value = self.value.as_ref().map(String::as_bytes);
        Generated { key: self.key.as_bytes(), value, headers: &[], timestamp: self.clock, expected }
    }
}

impl Fault {
    fn reason(self) -> &'static str {
        match self {
            Self::Null => "the value is null",
            Self::Empty => "the value is empty",
            Self::CutOff => "the value is not JSON",
            Self::Missing(_, reason) | Self::Replaced(_, _, reason) => reason,
        }
    }
}

fn render(dice: &mut Dice, person: &Person, timestamp: Value, fault: Option<Fault>) -> Option<String> {
    let Person { uuid, first_name, last_name, middle_name, .. } = person;
    let mut members = serde_json::Map::new();
    for (name, value) in [
        ("uuid", json!(uuid)),
        ("first_name", json!(first_name)),
        ("last_name", json!(last_name)),
        ("timestamp", timestamp),
    ] {
        members.insert(name.to_owned(), value);
    }
    // Null and missing are the same.
    if middle_name.is_some() || dice.one_in(2) {
        members.insert("middle_name".to_owned(), json!(middle_name));
    }
    match fault {
        Some(Fault::Null) => return None,
        Some(Fault::Empty) => return Some(String::new()),
        Some(Fault::Missing(name, _)) => drop(members.remove(name)),
        Some(Fault::Replaced(name, value, _)) => {
            members.insert(name.to_owned(), serde_json::from_str(value).unwrap_or_default());
        }
        Some(Fault::CutOff) | None => {}
    }
    let mut value = Value::Object(members).to_string();
    if dice.one_in(3) {
        value = ascii(&value);
    }
    if let Some(Fault::CutOff) = fault {
        value.pop();
    }
    Some(value)
}
