//! Records for the example plugins that are not the shop's, each with what should become of it. As with the shop, the same
//! seed gives the same bytes, and what is expected is worked out from the values that a record was rendered from.
//!
//! ```text
//! sensors     CSV readings of devices
//! syslog      messages of two formats
//! music       a clickstream, JSON within JSON
//! people      plain JSON
//! campaigns   marketing events that a header tells apart
//! ```

pub mod campaigns;
pub mod music;
pub mod people;
pub mod sensors;
pub mod syslog;

use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::Value;

use crate::produce::{Outgoing, Source};
use crate::shop::time::EventTime;

/// An example with records of its own; its plugin has the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// Readings of devices as CSV.
    Sensors,
    /// Messages of syslog.
    Syslog,
    /// The clickstream of a music service.
    Music,
    /// People as JSON.
    People,
    /// Marketing events with headers.
    Campaigns,
}

impl Example {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sensors, Self::Syslog, Self::Music, Self::People, Self::Campaigns];

    /// The plugin's name.
    pub fn plugin(self) -> &'static str {
        match self {
            Self::Sensors => "sensors",
            Self::Syslog => "syslog",
            Self::Music => "music",
            Self::People => "people",
            Self::Campaigns => "campaigns",
        }
    }

    /// The topic that the shipped pipeline file names.
    pub fn topic(self) -> &'static str {
        match self {
            Self::People => "my_topic",
            other => other.plugin(),
        }
    }

    /// The stream of a seed, with this share of malformed records, from 0 to 1.
    pub fn source(self, seed: u64, malformed: f64) -> Box<dyn Source + Send> {
        match self {
            Self::Sensors => Box::new(sensors::Sensors::new(seed, malformed)),
            Self::Syslog => Box::new(syslog::Syslog::new(seed, malformed)),
            Self::Music => Box::new(music::Music::new(seed, malformed)),
            Self::People => Box::new(people::People::new(seed, malformed)),
            Self::Campaigns => Box::new(campaigns::Campaigns::new(seed, malformed)),
        }
    }
}

impl Source for sensors::Sensors {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(sensors::Sensors::next_record(self).outgoing());
    }
}

impl Source for syslog::Syslog {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(syslog::Syslog::next_record(self).outgoing());
    }
}

impl Source for music::Music {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(music::Music::next_record(self).outgoing());
    }
}

impl Source for people::People {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(people::People::next_record(self).outgoing());
    }
}

impl Source for campaigns::Campaigns {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        take(campaigns::Campaigns::next_record(self).outgoing());
    }
}

/// Where the clocks of JSON examples start: 2026-11-20T00:00:00Z.
const START: i64 = 1_795_132_800_000;

/// How long before it is received an event may have happened, in milliseconds: five minutes.
const DELAY: u32 = 300_000;

/// A time in the notation that was drawn for it.
fn time_value(time: &EventTime) -> Value {
    let mut json = Vec::new();
    time.write(&mut json);
    serde_json::from_slice(&json).unwrap_or_default()
}

/// JSON with all that is not ASCII as `\uXXXX`, as some producers write it.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

/// A UUID of random bits (RFC 9562, section 5.4) as text.
fn uuid(high: u64, low: u64) -> String {
    let (high, low) = ((high & !0xf000) | 0x4000, (low >> 2) | (1 << 63));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}
