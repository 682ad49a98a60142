//! What a correct gateway makes of the examples' records: of the values that they were rendered from, without any code of the
//! gateway or its plugins.

use std::collections::BTreeMap;

use tidegate_demo::examples::Example;
use tidegate_demo::examples::campaigns::{self, Campaigns};
use tidegate_demo::examples::music::{self, Heard, Music};
use tidegate_demo::examples::people::{ExpectedPerson, People, Person};
use tidegate_demo::examples::sensors::{ExpectedReadings, Reading, Sensors, Totals};
use tidegate_demo::examples::syslog::{self, ExpectedMessage, Syslog};
use tidegate_demo::shop::Generated;
use tidegate_tests::harness::{Expected, Letter, Message, escaped, nullable, origins};

/// How many records there are, and what they are like.
#[derive(Clone, Copy)]
pub struct Records {
    pub seed: u64,
    /// The share of malformed ones.
    pub malformed: f64,
    pub count: u64,
    /// They go to one after the other.
    pub partitions: i32,
}

/// Partition and offset.
type Origin = (i32, i64);

impl Records {
    /// The offset behind the last record of each partition.
    pub fn ends(self) -> Vec<i64> {
        let mut ends = vec![0; self.partitions as usize];
        for (partition, offset) in self.origins() {
            if let Some(end) = ends.get_mut(partition as usize) {
                *end = offset + 1;
            }
        }
        ends
    }

    fn origins(self) -> impl Iterator<Item = Origin> {
        origins(self.count, self.partitions)
    }
}

/// What an example's records become.
pub fn of(example: Example, records: Records) -> Expected {
    match example {
        Example::Sensors => readings(records),
        Example::Syslog => messages(records),
        Example::Music => clickstream(records),
        Example::People => people(records),
        Example::Campaigns => marketing(records),
    }
}

fn readings(records: Records) -> Expected {
    let (mut expected, mut source) = (Expected::default(), Sensors::new(records.seed, records.malformed));
    let mut totals = BTreeMap::<i32, Totals>::new();
    for origin in records.origins() {
        let record = source.next_record();
        let ExpectedReadings::Readings(readings) = record.expected else {
            expected.letter(origin, letter(&record, "line "));
            continue;
        };
        let mut in_range = 0;
        for reading in readings {
            totals.entry(origin.0).or_default().add(reading);
            if reading.in_range {
                expected.row("readings", reading_line(reading, origin, in_range));
                in_range += 1;
            }
        }
        expected.dropped += usize::from(in_range == 0);
    }
    for (partition, Totals(totals)) in totals {
        for ((device, metric), total) in totals {
            let (least, greatest) = (total.bounds.map(|(least, _)| least), total.bounds.map(|(_, greatest)| greatest));
            let sum = total.bounds.map(|_| total.sum);
            let counts = [total.readings, total.out_of_range].map(|count| count.to_string());
            let values = [least, greatest, sum].map(nullable);
            let line = [device, metric.to_owned(), partition.to_string()].into_iter().chain(counts).chain(values);
            expected.row("summaries", line.collect::<Vec<_>>().join("\t"));
        }
    }
    expected
}

fn reading_line(reading: &Reading, origin: Origin, ordinal: usize) -> String {
    let Reading { device, metric, time, value, note, .. } = reading;
    let note = nullable(Some(escaped(note)).filter(|note| !note.is_empty()));
    format!("{device}\t{metric}\t{time}\t{value}\t{note}\t{}\t{ordinal}", place(origin))
}

fn messages(records: Records) -> Expected {
    let (mut expected, mut source) = (Expected::default(), Syslog::new(records.seed, records.malformed));
    for origin in records.origins() {
        let record = source.next_record();
        match &record.expected {
            ExpectedMessage::Message(message) => expected.row("messages", message_line(message, origin)),
            ExpectedMessage::Malformed => {
                let text = std::str::from_utf8(record.value.unwrap_or_default());
                let reason = if text.is_ok() { "not a syslog message at byte " } else { "the value is not UTF-8" };
                expected.letter(origin, letter(&record, reason));
            }
        }
    }
    expected
}

fn message_line(message: &syslog::Message, origin: Origin) -> String {
    let data: BTreeMap<_, _> = message.structured_data.iter().copied().collect();
    let data: String = data.iter().map(|(key, value)| format!("{key}={value};")).collect();
    let syslog::Message { time, facility, severity, procid, format, .. } = message;
    let [host, app, msgid] = [message.host, message.app, message.msgid].map(nullable);
    let (procid, data, text) = (nullable(procid.as_ref()), escaped(&data), escaped(message.message));
    let place = place(origin);
    format!("{time}\t{facility}\t{severity}\t{host}\t{app}\t{procid}\t{msgid}\t{data}\t{text}\t{format}\t{place}")
}

fn clickstream(records: Records) -> Expected {
    let (mut expected, mut source) = (Expected::default(), Music::new(records.seed, records.malformed));
    for origin in records.origins() {
        let record = source.next_record();
        match &record.expected {
            music::ExpectedEvent::Playback(heard) => {
                expected.row("playback", heard_line(heard, heard.position_ms.to_string(), origin));
            }
            music::ExpectedEvent::Taste(heard) => {
                expected.row("taste", heard_line(heard, nullable(heard.playlist_id), origin));
            }
            music::ExpectedEvent::Malformed(reason) => expected.letter(origin, letter(&record, reason)),
        }
    }
    expected
}

fn heard_line(heard: &Heard, detail: String, origin: Origin) -> String {
    let Heard { time, event, user_id, track_id, platform, session_id, .. } = heard;
    let (platform, session) = (escaped(platform), nullable(session_id.as_ref()));
    format!("{time}\t{event}\t{user_id}\t{track_id}\t{detail}\t{platform}\t{session}\t{}", place(origin))
}

fn people(records: Records) -> Expected {
    let (mut expected, mut source) = (Expected::default(), People::new(records.seed, records.malformed));
    for origin in records.origins() {
        let record = source.next_record();
        match &record.expected {
            ExpectedPerson::Person(person) => expected.row("people", person_line(person, origin)),
            ExpectedPerson::Malformed(reason) => expected.letter(origin, letter(&record, reason)),
        }
    }
    expected
}

fn person_line(person: &Person, origin: Origin) -> String {
    let Person { uuid, first_name, last_name, middle_name, timestamp } = person;
    let [first, last] = [first_name, last_name].map(|name| escaped(name));
    let middle = nullable(middle_name.map(escaped));
    format!("{uuid}\t{first}\t{last}\t{middle}\t{timestamp}\t{}", place(origin))
}

fn marketing(records: Records) -> Expected {
    let (mut expected, mut source) = (Expected::default(), Campaigns::new(records.seed, records.malformed));
    for origin in records.origins() {
        let record = source.next_record();
        match &record.expected {
            campaigns::ExpectedEvent::Event(event) => expected.row("events", event_line(event, origin)),
            campaigns::ExpectedEvent::Dropped => expected.dropped += 1,
            campaigns::ExpectedEvent::Malformed(reason) => expected.letter(origin, letter(&record, reason)),
        }
    }
    expected
}

fn event_line(event: &campaigns::Event, origin: Origin) -> String {
    let campaigns::Event { time, source, campaign_id, events, .. } = event;
    let (name, channel) = (event.campaign.map(|(name, _)| name), event.campaign.map(|(_, channel)| channel));
    let [name, channel] = [name, channel].map(|text| nullable(text.map(escaped)));
    let (amount, click, order) = (nullable(event.amount), nullable(event.click_id.as_ref()), nullable(event.order_id));
    let place = place(origin);
    format!("{time}\t{source}\t{campaign_id}\t{name}\t{channel}\t{events}\t{amount}\t{click}\t{order}\t{place}")
}

fn place((partition, offset): Origin) -> String {
    format!("{partition}\t{offset}")
}

fn letter<E>(record: &Generated<'_, E>, reason: &'static str) -> Letter {
    let headers = record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)));
    let message = Message {
        key: Some(record.key.to_vec()),
        value: record.value.map(<[u8]>::to_vec),
        headers: headers.collect(),
        timestamp: record.timestamp,
    };
    Letter { message, reason }
}
