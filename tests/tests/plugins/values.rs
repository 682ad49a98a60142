//! Values that a shop never sends, through the plugin `sales`: each is a row or a refusal that says why, never a trap.

use tidegate::pipeline::{RecordRef, Records};
use tidegate_tests::cases::{self, Outcome};

use crate::{load, with_products};

/// A right sale, to be changed in one place.
const SALE: &str = r#"{"event_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","event_time":"2026-11-20T10:15:00.123Z","product_id":1,"quantity":2,"price":149.90,"channel":"web","customer_id":5}"#;

enum Expected {
    Row,
    Refused(&'static str),
}

use Expected::{Refused, Row};

#[tokio::test]
async fn every_value_is_a_row_or_a_refusal_with_its_reason() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let with = |from: &str, to: &str| {
        assert!(SALE.contains(from), "{from}");
        Some(SALE.replace(from, to).into_bytes())
    };
    let unread = |json: &str| with("}", &format!(r#","unread":{json}}}"#));
    let long = "x".repeat(1 << 20);
    let mut not_utf8 = with("web", "w?b").unwrap();
    let place = not_utf8.iter().position(|byte| *byte == b'?').unwrap();
    not_utf8[place] = 0xff;
    let values: Vec<(&str, Option<Vec<u8>>, Expected)> = vec![
        ("as it should be", with("web", "web"), Row),
        ("null", None, Refused("the value is null")),
        ("empty", Some(Vec::new()), Refused("the value is empty")),
        (
            "white space",
            Some(b" \n".to_vec()),
            Refused("the value is not JSON: expected a value, found the end of the text at byte 2"),
        ),
        ("1 MiB that is read", with("web", &long), Row),
        ("1 MiB that is not read", unread(&format!("\"{long}\"")), Row),
        (
            "1 MiB that is not JSON",
            Some(long.clone().into_bytes()),
            Refused("the value is not JSON: expected a value, found `x` at byte 0"),
        ),
        ("a number of 1 MiB", with("149.90", &"9".repeat(1 << 20)), Refused("the JSON does not fit: 9999999999")),
        ("not UTF-8", Some(not_utf8), Refused("the value is not UTF-8 at byte 146")),
        ("no text at all", Some(vec![0, 0xff, 0]), Refused("the value is not UTF-8 at byte 1")),
        (
            "deep where it is read",
            with("\"web\"", &nested(10_000)),
            Refused(
                "the value is not JSON: nested deeper than 127 levels at $.channel[0][0][0][0][0][0][0]…[0][0][0][0]",
            ),
        ),
        ("not too deep where it is not", unread(&nested(126)), Row),
        (
            "deep where it is not",
            unread(&nested(10_000)),
            Refused(
                "the value is not JSON: nested deeper than 127 levels at $.unread[0][0][0][0][0][0][0]…[0][0][0][0], byte 301",
            ),
        ),
        (
            "deep and open",
            unread(&"[".repeat(10_000)),
            Refused(
                "the value is not JSON: nested deeper than 127 levels at $.unread[0][0][0][0][0][0][0]…[0][0][0][0], byte 301",
            ),
        ),
        ("nothing but deep", Some(nested(10_000).into_bytes()), Refused("the value is not JSON: nested deeper")),
        (
            "deep objects",
            unread(&(r#"{"a":"#.repeat(10_000) + "1" + &"}".repeat(10_000))),
            Refused(
                "the value is not JSON: nested deeper than 127 levels at $.unread.a.a.a.a.a.a.a….a.a.a.a, byte 805",
            ),
        ),
        (
            "quantity below 16 bits",
            with(":2,", ":-1,"),
            Refused("the JSON does not fit: invalid value: integer `-1`, expected u16"),
        ),
        (
            "quantity above 16 bits",
            with(":2,", ":65536,"),
            Refused("the JSON does not fit: invalid value: integer `65536`, expected u16"),
        ),
        (
            "product above 32 bits",
            with(":1,", ":4294967296,"),
            Refused("the JSON does not fit: invalid value: integer `4294967296`, expected u32"),
        ),
        (
            "customer above 64 bits",
            with(":5}", ":18446744073709551616}"),
            Refused("the JSON does not fit: invalid type: floating point `18446744073709552000.0`, expected u64"),
        ),
        ("customer of 64 bits", with(":5}", ":18446744073709551615}"), Row),
        (
            "price out of its digits",
            with("149.90", "\"100000000000000\""),
            Refused("the JSON does not fit: 100000000000000 does not fit Decimal(18, 4)"),
        ),
        (
            "amount out of its digits",
            with("149.90", "\"99999999999999.9999\""),
            Refused("price times quantity does not fit Decimal(18, 4)"),
        ),
        (
            "price beyond any float",
            with("149.90", "1e999"),
            Refused("the JSON does not fit: 1e999 does not fit Decimal(18, 4)"),
        ),
        (
            "NaN",
            with("149.90", "NaN"),
            Refused("the value is not JSON: expected a value, found `N` at $.price, byte 127"),
        ),
        ("NaN as text", with("149.90", "\"NaN\""), Refused("the JSON does not fit: \"NaN\" is not a decimal number")),
        (
            "infinity",
            with("149.90", "-Infinity"),
            Refused("the value is not JSON: expected a digit, found `I` at $.price, byte 128"),
        ),
        ("time before DateTime64", with("2026-11-20T", "1899-12-31T"), Refused("the JSON does not fit: ")),
        ("time after DateTime64", with("2026-11-20T", "2300-01-01T"), Refused("the JSON does not fit: ")),
        (
            "a null that may not be",
            with("\"web\"", "null"),
            Refused("the JSON does not fit: invalid type: null, expected a string"),
        ),
        ("a zero byte in text", with("web", r"w\u0000b"), Row),
    ];
    let mut records = Records::default();
    for (offset, (_, value, _)) in (0..).zip(&values) {
        records.push(RecordRef { offset, timestamp: -1, key: None, value: value.as_deref() });
    }
    let plugin = load("sales", with_products()).await;
    let transformed = cases::transform(plugin.clone(), records).await.unwrap();
    // Reads every row, so that wrong ones would show.
    Outcome::new(plugin.description(), &transformed).unwrap();
    let rows: Vec<_> = transformed.routes[0].chunks.iter().flat_map(|chunk| &chunk.origins).collect();
    let mut surprises = Vec::new();
    for (index, (what, _, expected)) in (0u32..).zip(&values) {
        let rejects = transformed.rejects.iter().filter(|reject| reject.record == index as usize);
        let reasons: Vec<_> = rejects.map(|reject| reject.reason.as_str()).collect();
        let rows = rows.iter().filter(|row| ***row == index).count();
        match (expected, rows, reasons.as_slice()) {
            (Row, 1, []) => {}
            // A reason is cut off, or a batch of bad records would be answered with itself.
            (Refused(expected), 0, [reason]) if reason.starts_with(expected) && reason.len() < 1_030 => {}
            _ => surprises.push(format!("{what}: {rows} rows, {reasons:?}")),
        }
    }
    assert_eq!(surprises, Vec::<String>::new());
    assert_eq!(transformed.dropped, 0);
}
