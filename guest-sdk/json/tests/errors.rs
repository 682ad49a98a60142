//! What errors say: what was expected, what was found, and where.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use tidegate_json::{Batch, Stream};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only what cannot be read is looked at")]
struct Order {
    id: u32,
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    notes: BTreeMap<String, Option<bool>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only what cannot be read is looked at")]
struct Item {
    price: u8,
    kind: Option<Kind>,
}

#[derive(Debug, Deserialize)]
enum Kind {
    Large,
    Custom(#[expect(dead_code, reason = "only what cannot be read is looked at")] u8),
}

/// The error of a text alone, which is that of the same text in a batch.
fn error<T: for<'de> Deserialize<'de> + Debug>(text: &str) -> String {
    let alone = tidegate_json::from_str::<T>(text).unwrap_err();
    for behind in ["", "0", "}", "\"}]}", "{\"id\":1}", ",\"id\":1}"] {
        let bytes = [text, behind].concat();
        let text = Batch::new(bytes.as_bytes()).text(0..text.len()).unwrap();
        assert_eq!(Stream::new().read::<T>(text).unwrap_err(), alone, "{bytes}");
    }
    alone.to_string()
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_path_and_its_first_byte() {
    let cases = [
        (
            r#"{"id":1,"items":[{"price":1},{"price":"2"}]}"#,
            r#"invalid type: string "2", expected u8 at $.items[1].price, byte 38"#,
        ),
        (
            r#"{"id":1,"items":[{"price":256}]}"#,
            "invalid value: integer `256`, expected u8 at $.items[0].price, byte 26",
        ),
        (r#"{"id":1,"items":[{}]}"#, "missing field `price` at $.items[0], byte 17"),
        (r#"{"items":[]}"#, "missing field `id` at byte 0"),
        (r#"{"id":1,"id":2}"#, "duplicate field `id` at $.id, byte 13"),
        (r#"{"id":1,"x":2}"#, "unknown field `x`, expected one of `id`, `items`, `notes` at $.x, byte 12"),
        (r#"{"id":1,"items":{}}"#, "invalid type: map, expected a sequence at $.items, byte 16"),
        (r#"{"id":1,"items":[1]}"#, "invalid type: integer `1`, expected struct Item at $.items[0], byte 17"),
        (
            r#"{"id":1,"notes":{"a b":1}}"#,
            r#"invalid type: integer `1`, expected a boolean at $.notes["a b"], byte 23"#,
        ),
        (
            r#"{"id":1,"items":[{"price":1,"kind":"Tiny"}]}"#,
            "unknown variant `Tiny`, expected `Large` or `Custom` at $.items[0].kind, byte 35",
        ),
        (
            r#"{"id":1,"items":[{"price":1,"kind":{"Custom":-1}}]}"#,
            "invalid value: integer `-1`, expected u8 at $.items[0].kind.Custom, byte 45",
        ),
        (
            r#"{"id":1,"items":[{"price":1,"kind":{"Large":null,"Custom":1}}]}"#,
            "a variant is an object of one member, and there are more at $.items[0].kind.Large, byte 44",
        ),
        (r#"{"id":-1}"#, "invalid value: integer `-1`, expected u32 at $.id, byte 6"),
        (r#" {"id": 1.0}"#, "invalid type: floating point `1.0`, expected u32 at $.id, byte 8"),
        (r#""order""#, r#"invalid type: string "order", expected struct Order at byte 0"#),
    ];
    for (text, expected) in cases {
        assert_eq!(error::<Order>(text), expected);
        assert!(tidegate_json::from_str::<Order>(text).unwrap_err().is_data());
    }
    assert_eq!(error::<(u8, u8)>("[1,2,3]"), "the array has more elements than are expected at $[1], byte 3");
    assert_eq!(error::<BTreeMap<u8, u8>>(r#"{"x":1}"#), r#"invalid type: string "x", expected u8 at $.x, byte 5"#);
}

#[test]
fn what_is_not_json_is_named_with_what_was_expected_and_found() {
    let cases = [
        ("", "expected a value, found the end of the text at byte 0"),
        (r#"{"id":1"#, "expected `,` or `}`, found the end of the text at byte 7"),
        (r#"{"id":1 "x":2}"#, "expected `,` or `}`, found `\"` at byte 8"),
        (r#"{"id":1,}"#, "expected a key in quotes, found `}` at byte 8"),
        (r#"{id:1}"#, "expected a key in quotes or `}`, found `i` at byte 1"),
        (r#"{"id" 1}"#, "expected `:`, found `1` at $.id, byte 6"),
        (r#"{"id":}"#, "expected a value, found `}` at $.id, byte 6"),
        (r#"{"id":01}"#, "a number begins with a zero at $.id, byte 6"),
        (r#"{"id":-}"#, "expected a digit, found `}` at $.id, byte 7"),
        (r#"{"id":1.}"#, "expected a digit, found `}` at $.id, byte 8"),
        (r#"{"id":1e+}"#, "expected a digit, found `}` at $.id, byte 9"),
        (r#"{"id":tru}"#, "expected a value, found `t` at $.id, byte 6"),
        (r#"{"id":1}x"#, "expected the end of the text, found `x` at byte 8"),
        (r#"{"id":1,"items":[{"price":1},]}"#, "expected a value, found `]` at $.items[1], byte 29"),
        (r#"{"id":1,"items":[{"price":1}}"#, "expected `,` or `]`, found `}` at $.items[0], byte 28"),
        (r#"{"notes":{"a":"\x"}}"#, r#"expected one of `"\/bfnrtu` behind `\`, found `x` at $.notes.a, byte 16"#),
        (r#"{"notes":{"a":"\u12"}}"#, "expected four hexadecimal digits, found `\"` at $.notes.a, byte 19"),
        ("{\"notes\":{\"a\":\"\n\"}}", "a control character stands in a string at $.notes.a, byte 15"),
        (r#"{"notes":{"a":"x"#, "expected `\"`, found the end of the text at $.notes.a, byte 16"),
        // The value before does not fit either, but no text that ends so means anything.
        (r#"{"id":"x","items":["#, "expected a value, found the end of the text at $.items[0], byte 19"),
    ];
    for (text, expected) in cases {
        assert_eq!(error::<Order>(text), expected);
        assert!(!tidegate_json::from_str::<Order>(text).unwrap_err().is_data());
    }
    assert_eq!(error::<String>(r#""\ud800""#), "half of a surrogate pair stands alone at byte 3");
    assert_eq!(error::<f64>("1e999"), "the number is out of range at byte 0");
}

#[test]
fn an_error_tells_its_offset_and_its_path() {
    let error = tidegate_json::from_str::<Order>(r#"{"id":1,"items":[{"price":null}]}"#).unwrap_err();
    assert_eq!((error.offset(), error.path()), (26, "$.items[0].price"));
}

#[test]
fn a_path_of_many_levels_is_shown_at_its_ends() {
    #[derive(Debug, Deserialize)]
    struct Nested(#[expect(dead_code, reason = "nothing is read")] Vec<Nested>);
    let text = "[".repeat(20) + "1" + &"]".repeat(20);
    let expected = "invalid type: integer `1`, expected a sequence at $[0][0][0][0][0][0][0][0]…[0][0][0][0], byte 20";
    assert_eq!(error::<Nested>(&text), expected);
}
