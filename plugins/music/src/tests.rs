//! What the golden cases cannot say: every event by its number, and texts that are cut off anywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tidegate_plugin::contract::Output;
use tidegate_plugin::native::{self, Input, MemoryEnvironment};

use super::Exported;

const PARAMS: &str = r#"{"event_type_id":1,"user_id":1,"track_id":2,"position_ms":3,"playlist_id":4,"platform":"web"}"#;

fn run(value: &str) -> Output {
    native::run::<Exported>(MemoryEnvironment::new(), "{}", &[Input::value(value)]).unwrap()
}

fn envelope(params: &str) -> String {
    let params = params.replace('\\', "\\\\").replace('"', "\\\"");
    format!(r#"{{"event_params":"{params}","event_timestamp_ms":"1795169700123"}}"#)
}

#[test]
fn every_number_is_an_event_of_its_route_and_no_other_number_is_one() {
    let routes = [
        ("playback", "track_playback"),
        ("playback", "pause_track"),
        ("playback", "resume_track"),
        ("playback", "skipping_track_next"),
        ("playback", "skipping_track_prev"),
        ("taste", "adding_track_to_playlist"),
        ("taste", "track_like"),
        ("taste", "track_unlike"),
    ];
    for number in -2..20 {
        let output = run(&envelope(&PARAMS.replace(r#"_id":1,"user"#, &format!(r#"_id":{number},"user"#))));
        let rows = native::decode::<Exported>(&output).unwrap();
        match usize::try_from(number - 1).ok().and_then(|index| routes.get(index)) {
            Some((route, event)) => {
                assert_eq!((rows.len(), output.rejects.len()), (1, 0), "{number}");
                assert_eq!((rows[0].route.as_str(), rows[0].get("event")), (*route, Some(*event)));
            }
            None => {
                let reason = format!("event_params: event_type_id is {number}, which is no event; they are 1 to 8");
                assert_eq!(output.rejects[0].reason, reason);
            }
        }
    }
}

#[test]
fn every_beginning_of_the_inner_text_and_of_the_outer_is_refused_and_nothing_else() {
    for end in 0..PARAMS.len() {
        let output = run(&envelope(&PARAMS[..end]));
        assert_eq!(output.rows, [], "{end}");
        assert!(output.rejects[0].reason.starts_with("event_params: the text is "), "{}", output.rejects[0].reason);
    }
    let whole = envelope(PARAMS);
    for end in 1..whole.len() {
        let output = run(&whole[..end]);
        assert!(output.rejects[0].reason.starts_with("the value is not JSON: "), "{}", output.rejects[0].reason);
    }
}

#[test]
fn a_timestamp_of_few_digits_is_milliseconds_as_well() {
    let output = run(&envelope(PARAMS).replace("1795169700123", "1795169700"));
    assert_eq!(native::decode::<Exported>(&output).unwrap()[0].get("event_time"), Some("1970-01-21 18:39:29.700"));
}
