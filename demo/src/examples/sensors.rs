//! Readings of industrial devices as CSV, for the plugin `sensors` with its settings as they are shipped.
//!
//! Where ranges end is the gateway's affair, so no single row of the route `summary` can be foretold. What can, over all
//! rows of a device: the sums of `readings` and of `out_of_range`, the least `min` and the greatest `max` ([`Totals`]).

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::shop::Generated;
use crate::shop::dice::Dice;
use crate::shop::time::EventTime;

/// Apart from the streams of the shop.
const STREAM: u64 = 101;

/// 2026-11-20T00:00:00Z.
const START: i64 = 1_795_132_800_000;

const DEVICES: u32 = 40;

/// A note, and how it stands in a line.
const NOTES: [(&str, &str); 5] = [
    ("", ""),
    ("calibrated", "calibrated"),
    ("шум, вибрация", "\"шум, вибрация\""),
    ("valve \"B\"; open", "\"valve \"\"B\"\"; open\""),
    ("first\nsecond", "\"first\nsecond\""),
];

/// A line that no reader takes, in the default order with commas.
const BAD_LINES: [&str; 6] = [
    "pump-01,temperature,2026-11-20T10:15:00Z,warm,",
    "pump-01,temperature,2026-11-20T10:15:00Z,NaN,",
    "pump-01,temperature,2026-13-20T10:15:00Z,1,",
    "pump-01,temperature",
    ",temperature,2026-11-20T10:15:00Z,1,",
    "pump-01,temperature,2026-11-20T10:15:00Z,1,\"never closed",
];

/// A line's reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// `pump-07`.
    pub device: String,
    /// Every device has one.
    pub metric: &'static str,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Hundredths.
    pub value: i64,
    /// Empty where there is none.
    pub note: &'static str,
    /// What is not becomes no row, and is counted.
    pub in_range: bool,
}

/// What should become of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum ExpectedReadings<'a> {
    /// Of its lines those in range become rows, in their order.
    Readings(&'a [Reading]),
    /// It becomes a dead letter as a whole.
    Malformed,
}

/// All summaries of a device taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// In range.
    pub readings: u64,
    /// Out of range.
    pub out_of_range: u64,
    /// The sum of those in range, in hundredths.
    pub sum: i64,
    /// The least and the greatest value in hundredths; none where nothing is in range.
    pub bounds: Option<(i64, i64)>,
}

/// The totals by device and metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<(String, &'static str), Total>);

/// The stream of a seed.
#[derive(Clone, Debug)]
pub struct Sensors {
    dice: Dice,
    malformed: f64,
    clock: i64,
    key: Vec<u8>,
    value: Vec<u8>,
    readings: Vec<Reading>,
}

/// How the lines of a record are written.
struct Style {
    separator: u8,
    /// The columns' order; without a header it is the default one.
    order: [Column; 5],
    header: bool,
}

#[derive(Clone, Copy)]
enum Column {
    Device,
    Metric,
    Time,
    Value,
    Note,
}

const DEFAULT_ORDER: [Column; 5] = [Column::Device, Column::Metric, Column::Time, Column::Value, Column::Note];

impl Sensors {
    /// Starts the stream of `seed`, with this share of malformed records, from 0 to 1.
    pub fn new(seed: u64, malformed: f64) -> Self {
        let dice = Dice::new(seed, STREAM);
        Self { dice, malformed, clock: START, key: Vec::new(), value: Vec::new(), readings: Vec::new() }
    }

    /// The next record. It borrows the buffers, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedReadings<'_>> {
        self.clock += i64::from(self.dice.below(3));
        self.value.clear();
        self.readings.clear();
        let malformed = self.dice.share(self.malformed);
        let style = match malformed {
            true => Style { separator: b',', order: DEFAULT_ORDER, header: false },
            false => Style::draw(&mut self.dice),
        };
        if style.header {
            style.write(&mut self.value, |column, out| out.extend_from_slice(column.name().as_bytes()));
        }
        for _ in 0..1 + self.dice.below(5) {
            self.line(&style);
        }
        if malformed {
            self.value.extend_from_slice(self.dice.pick(&BAD_LINES).as_bytes());
        } else if self.dice.one_in(2) {
            // The line end behind the last line may be missing.
            self.value.pop();
        }
        let first = self.readings.first().map_or("", |reading| &reading.device);
        self.key.clear();
        self.key.extend_from_slice(first.as_bytes());
        let expected = match malformed {
            true => ExpectedReadings::Malformed,
            false => ExpectedReadings::Readings(&self.readings),
        };
        Generated { key: &self.key, value: Some(&self.value), headers: &[], timestamp: self.clock, expected }
    }

    fn line(&mut self, style: &Style) {
        let dice = &mut self.dice;
        let device = dice.below(DEVICES);
        let time = EventTime::draw(dice, self.clock);
        let value = draw_value(dice);
        let (note, note_as_written) = dice.pick(&NOTES);
        let sign = if dice.one_in(3) { b',' } else { b'.' };
        let name = format!("pump-{device:02}");
        let metric = metric(device);
        style.write(&mut self.value, |column, out| match column {
            Column::Device => out.extend_from_slice(name.as_bytes()),
            Column::Metric => out.extend_from_slice(metric.as_bytes()),
            Column::Time => time.write(out),
            Column::Value => write_value(out, value, sign, style.separator),
            Column::Note => out.extend_from_slice(note_as_written.as_bytes()),
        });
        let in_range = (-5_000..=15_000).contains(&value);
        self.readings.push(Reading { device: name, metric, time: time.kept(), value, note, in_range });
    }
}

impl Style {
    fn draw(dice: &mut Dice) -> Self {
        let header = dice.one_in(4);
        let mut order = DEFAULT_ORDER;
        if header {
            dice.shuffle(&mut order);
        }
        Self { separator: dice.pick(b",;"), order, header }
    }

    fn write(&self, out: &mut Vec<u8>, field: impl Fn(Column, &mut Vec<u8>)) {
        for (index, column) in self.order.into_iter().enumerate() {
            if index > 0 {
                out.push(self.separator);
            }
            field(column, out);
        }
        out.push(b'\n');
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Metric => "unit",
            Self::Time => "Time",
            Self::Value => "value",
            Self::Note => "note",
        }
    }
}

impl Totals {
    /// Counts a reading.
    pub fn add(&mut self, reading: &Reading) {
        let total = self.0.entry((reading.device.clone(), reading.metric)).or_default();
        if !reading.in_range {
            total.out_of_range += 1;
            return;
        }
        total.readings += 1;
        total.sum += reading.value;
        let (min, max) = total.bounds.unwrap_or((reading.value, reading.value));
        total.bounds = Some((min.min(reading.value), max.max(reading.value)));
    }
}

fn metric(device: u32) -> &'static str {
    if device.is_multiple_of(2) { "temperature" } else { "°C" }
}

/// Hundredths; about a tenth beyond the bounds, the bounds themselves now and then.
fn draw_value(dice: &mut Dice) -> i64 {
    match dice.below(100) {
        0 => -5_000,
        1 => 15_000,
        2..7 => 15_001 + i64::from(dice.below(100_000)),
        7..12 => -5_001 - i64::from(dice.below(100_000)),
        _ => i64::from(dice.below(20_001)) - 5_000,
    }
}

fn write_value(out: &mut Vec<u8>, hundredths: i64, sign: u8, separator: u8) {
    let quote = if sign == separator { "\"" } else { "" };
    let minus = if hundredths < 0 { "-" } else { "" };
    let (whole, fraction) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{quote}{minus}{whole}{}{fraction:02}{quote}", char::from(sign));
}
