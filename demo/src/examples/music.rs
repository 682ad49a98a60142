//! The clickstream of a music service, for the plugin `music`.

use serde_json::{Value, json};

use super::{DELAY, START, ascii, uuid};
use crate::shop::Generated;
use crate::shop::dice::Dice;

/// Apart from the other streams.
const STREAM: u64 = 103;

/// Numbers beyond 32 bits, and beyond what a double holds exactly.
const FIRST_USER: u64 = 9_007_199_254_740_993;

/// What is done at a place in the track, by number and name.
const PLAYBACK: [(u8, &str); 5] = [
    (1, "track_playback"),
    (2, "pause_track"),
    (3, "resume_track"),
    (4, "skipping_track_next"),
    (5, "skipping_track_prev"),
];

/// What a listener thinks of a track, by number and name.
const TASTE: [(u8, &str); 3] = [(6, "adding_track_to_playlist"), (7, "track_like"), (8, "track_unlike")];

/// One with what JSON escapes, and so escapes twice within a text, one that is not ASCII.
const PLATFORMS: [&str; 5] = ["android", "ios", "web", "tv \"Öko\\1\"", "умная колонка 🎧"];

/// What became of a listener's doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Milliseconds since 1970.
    pub time: i64,
    /// Its name.
    pub event: &'static str,
    /// Who.
    pub user_id: u64,
    /// What.
    pub track_id: u64,
    /// Of playback: where in the track, in milliseconds.
    pub position_ms: u32,
    /// Of taste: always where a track is put on one.
    pub playlist_id: Option<u64>,
    /// What it was heard on.
    pub platform: &'static str,
    /// A UUID.
    pub session_id: Option<String>,
}

/// What should become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedEvent {
    /// A row of the route `playback`.
    Playback(Heard),
    /// A row of the route `taste`.
    Taste(Heard),
    /// A dead letter whose reason has this part.
    Malformed(&'static str),
}

/// What is wrong with a malformed record.
#[derive(Clone, Copy)]
enum Fault {
    Null,
    Empty,
    CutOff,
    ParamsCutOff,
    ParamsObject,
    UnknownType,
    NoTrack,
    NoPosition,
    NoPlaylist,
    TimeWord,
    TimeNumber,
}

const FAULTS: [Fault; 11] = [
    Fault::Null,
    Fault::Empty,
    Fault::CutOff,
    Fault::ParamsCutOff,
    Fault::ParamsObject,
    Fault::UnknownType,
    Fault::NoTrack,
    Fault::NoPosition,
    Fault::NoPlaylist,
    Fault::TimeWord,
    Fault::TimeNumber,
];

/// The stream of a seed.
#[derive(Clone, Debug)]
pub struct Music {
    dice: Dice,
    malformed: f64,
    clock: i64,
    key: String,
    value: Option<String>,
}

impl Music {
    /// Starts the stream of `seed`, with this share of malformed records, from 0 to 1.
    pub fn new(seed: u64, malformed: f64) -> Self {
        Self { dice: Dice::new(seed, STREAM), malformed, clock: START, key: String::new(), value: None }
    }

    /// The next record. It borrows the buffers, which the one after it overwrites.
    pub fn next_record(&mut self) -> Generated<'_, ExpectedEvent> {
        let dice = &mut self.dice;
        self.clock += i64::from(dice.below(3));
        let fault = dice.share(self.malformed).then(|| dice.pick(&FAULTS));
        let playback = match fault {
            Some(Fault::NoPosition) => true,
            Some(Fault::NoPlaylist) => false,
            _ => !dice.one_in(4),
        };
        let (mut type_id, event) = if playback { dice.pick(&PLAYBACK) } else { dice.pick(&TASTE) };
        if let Some(Fault::NoPlaylist) = fault {
            type_id = 6;
        }
        let heard = Heard {
            time: self.clock - i64::from(dice.below(DELAY)),
            event,
            user_id: FIRST_USER + u64::from(dice.below(5_000)),
            track_id: 1 + u64::from(dice.below(60_000)),
            position_ms: dice.below(400_000),
            // Likes may come from a playlist, too.
            playlist_id: (type_id == 6 || dice.one_in(5)).then(|| 1 + u64::from(dice.below(900))),
            platform: dice.pick(&PLATFORMS),
            session_id: (!dice.one_in(6)).then(|| uuid(dice.bits(), dice.bits())),
        };
        self.key = heard.user_id.to_string();
        self.value = render(dice, type_id, &heard, fault);
        let expected = match fault {
            Some(fault) => ExpectedEvent::Malformed(fault.reason()),
            None if playback => ExpectedEvent::Playback(heard),
            None => ExpectedEvent::Taste(heard),
        };
        let value = self.value.as_ref().map(String::as_bytes);
        Generated { key: self.key.as_bytes(), value, headers: &[], timestamp: self.clock, expected }
    }
}

impl Fault {
    /// A part of what is to be said of it.
    fn reason(self) -> &'static str {
        match self {
            Self::Null => "the value is null",
            Self::Empty => "the value is empty",
            Self::CutOff => "the value is not JSON",
            Self::ParamsCutOff => "event_params: the text is not JSON",
            Self::ParamsObject | Self::TimeNumber => "expected a string",
            Self::UnknownType => "which is no event; they are 1 to 8",
            Self::NoTrack => "needs track_id",
            Self::NoPosition => "needs position_ms",
            Self::NoPlaylist => "event_params: adding_track_to_playlist needs playlist_id",
            Self::TimeWord => "event_timestamp_ms: \"",
        }
    }
}

fn render(dice: &mut Dice, type_id: u8, heard: &Heard, fault: Option<Fault>) -> Option<String> {
    let Heard { time, user_id, track_id, position_ms, playlist_id, platform, session_id, .. } = heard;
    let type_id = match fault {
        Some(Fault::UnknownType) => dice.pick(&[0, 9, -1, 1_007]),
        _ => i64::from(type_id),
    };
    let mut params = serde_json::Map::new();
    let mut member = |name: &str, value: Value| drop(params.insert(name.to_owned(), value));
    member("event_type_id", json!(type_id));
    member("user_id", json!(user_id));
    member("platform", json!(platform));
    member("app", json!({ "build": 7 }));
    if !matches!(fault, Some(Fault::NoTrack)) {
        member("track_id", json!(track_id));
    }
    if !matches!(fault, Some(Fault::NoPosition)) {
        member("position_ms", json!(position_ms));
    }
    if !matches!(fault, Some(Fault::NoPlaylist)) && (playlist_id.is_some() || dice.one_in(2)) {
        member("playlist_id", json!(playlist_id));
    }
    if session_id.is_some() || dice.one_in(2) {
        member("session_id", json!(session_id));
    }
    let params = Value::Object(params);
    let mut inner = params.to_string();
    if dice.one_in(3) {
        inner = ascii(&inner);
    }
    if let Some(Fault::ParamsCutOff) = fault {
        // A quote is a character of its own, so that no other is cut in two.
        inner.truncate(inner.rfind("\"user_id\"").unwrap_or_default());
    }
    let event_params = if let Some(Fault::ParamsObject) = fault { params } else { Value::String(inner) };
    let timestamp = match fault {
        Some(Fault::TimeWord) => json!(dice.pick(&["", "yesterday", "2026-11-20T10:15:00Z", "1795169700.5"])),
        Some(Fault::TimeNumber) => json!(time),
        _ => json!(time.to_string()),
    };
    let mut value = json!({ "event_params": event_params, "event_timestamp_ms": timestamp }).to_string();
    if dice.one_in(3) {
        value = ascii(&value);
    }
    match fault {
        Some(Fault::Null) => return None,
        Some(Fault::Empty) => value.clear(),
        Some(Fault::CutOff) => drop(value.pop()),
        _ => {}
    }
    Some(value)
}
