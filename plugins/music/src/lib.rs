//! The clickstream of a music service: topic `music`. A value is an envelope, JSON with two texts: `event_params`, which is
//! JSON itself, and `event_timestamp_ms`, milliseconds since 1970. What was played goes to the route `playback`, what was
//! liked or put on a playlist to `taste`. No settings, no lookup tables.
//!
//! In `event_params`: `event_type_id`, `user_id`, `track_id` and `platform` always; `position_ms`, where in the track that
//! happened, of playback; `playlist_id`, needed where a track is put on a playlist; `session_id`, a UUID, where there is one.

mod event;

use serde::Deserialize;
use tidegate_plugin::{DateTime64, Out, Record, Reject, Row, Text, Uuid, plugin};

use crate::event::{Event, Playing, Taste};

plugin! { routes: { "playback" => PlaybackRow<'_>, "taste" => TasteRow<'_> }, transform: transform }

/// The value of a record.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event_params: Text<'a>,
    #[serde(borrow)]
    event_timestamp_ms: Text<'a>,
}

/// All but the type may be missing here, so that of an unknown event the type is what its reason says.
#[derive(Deserialize)]
struct Params<'a> {
    event_type_id: i64,
    user_id: Option<u64>,
    track_id: Option<u64>,
    #[serde(borrow)]
    platform: Option<Text<'a>>,
    position_ms: Option<u32>,
    playlist_id: Option<u64>,
    session_id: Option<Uuid>,
}

#[derive(Row)]
#[row(partition, offset)]
struct PlaybackRow<'a> {
    event_time: DateTime64<3>,
    event: Playing,
    user_id: u64,
    track_id: u64,
    position_ms: u32,
    #[row(low_cardinality)]
    platform: &'a str,
    session_id: Option<Uuid>,
}

#[derive(Row)]
#[row(partition, offset)]
struct TasteRow<'a> {
    event_time: DateTime64<3>,
    event: Taste,
    user_id: u64,
    track_id: u64,
    playlist_id: Option<u64>,
    #[row(low_cardinality)]
    platform: &'a str,
    session_id: Option<Uuid>,
}

fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
    let envelope: Envelope<'_> = record.json()?;
    let event_time = time(&envelope.event_timestamp_ms).map_err(|reject| within("event_timestamp_ms", &reject))?;
    let params: Params<'_> = envelope.event_params.json().map_err(|reject| within("event_params", &reject))?;
    let event = Event::of(params.event_type_id)?;
    let user_id = required(params.user_id, event, "user_id")?;
    let track_id = required(params.track_id, event, "track_id")?;
    let platform = required(params.platform.as_deref(), event, "platform")?;
    let (playlist_id, session_id) = (params.playlist_id, params.session_id);
    match event {
        Event::Playback(playing) => {
            let position_ms = required(params.position_ms, event, "position_ms")?;
            out.emit(&PlaybackRow { event_time, event: playing, user_id, track_id, position_ms, platform, session_id });
        }
        Event::Taste(taste) => {
            if matches!(taste, Taste::AddingTrackToPlaylist) {
                required(playlist_id, event, "playlist_id")?;
            }
            out.emit(&TasteRow { event_time, event: taste, user_id, track_id, playlist_id, platform, session_id });
        }
    }
    Ok(())
}

/// Milliseconds alone: `DateTime64` itself would read a smaller number as seconds.
fn time(text: &str) -> Result<DateTime64<3>, Reject> {
    let millis: i64 = text.parse().map_err(|_| {
        Reject::new(format!("\"{text}\" is not milliseconds since 1970 as a text, such as \"1795169700123\""))
    })?;
    Ok(DateTime64::from_millis(millis)?)
}

fn required<T>(value: Option<T>, event: Event, member: &str) -> Result<T, Reject> {
    value.ok_or_else(|| Reject::new(format!("event_params: {} needs {member}", event.name())))
}

fn within(member: &str, reject: &Reject) -> Reject {
    Reject::new(format!("{member}: {reject}"))
}

#[cfg(test)]
mod tests;
