//! The same answers as serde_json's: on texts made for the purpose, and on very many that were mutated.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_json::{Batch, Stream, Text};

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Sale<'a> {
    event_id: &'a str,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
    #[serde(alias = "product", rename = "product_id")]
    product: u32,
    quantity: i16,
    price: f64,
    #[serde(default)]
    tags: Vec<String>,
    kind: Kind,
    place: Option<Box<Place>>,
    wide: Option<i128>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
enum Kind {
    Plain,
    Wrapped(u8),
    Pair(u8, String),
    Named { a: bool, b: () },
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Place {
    shelf: (u8, char),
    #[serde(flatten)]
    by_number: BTreeMap<String, f32>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "type")]
enum Inside {
    A { x: i8 },
    B { y: Option<String> },
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Text(String),
    Many(Vec<Either>),
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Reads a value without looking at it.
#[derive(Debug, PartialEq)]
struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A text as it lies in a batch: something follows that might belong to it.
struct Case {
    bytes: String,
    length: usize,
}

impl Case {
    fn new(text: &str, behind: &str) -> Self {
        Self { bytes: [text, behind].concat(), length: text.len() }
    }
}

thread_local! {
    // One for all types and texts: whatever was learned before must not change an answer.
    static STREAM: Stream = Stream::new();
}

/// Whether `T` is read, in all the ways that there are, as serde_json reads it.
fn same<'t, T: Deserialize<'t> + PartialEq + Debug>(case: &'t Case) -> bool {
    let text = &case.bytes[..case.length];
    let theirs = serde_json::from_str::<T>(text);
    let is_json = serde_json::from_str::<Value>(text).is_ok();
    let in_batch = Batch::new(case.bytes.as_bytes()).text(0..case.length).unwrap();
    let all_ours = STREAM.with(|stream| {
        [
            tidegate_json::from_str::<T>(text),
            stream.read(Text::from(text)),
            stream.read(in_batch),
            Stream::new().read(in_batch),
        ]
    });
    for ours in &all_ours {
        match (ours, &theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{text}"),
            // What is JSON is never called none, but for numbers that no float holds.
            (Err(ours), Err(theirs)) => {
                let out_of_range = ours.to_string().starts_with("the number is out of range");
                assert!(!is_json || ours.is_data() || out_of_range, "{text}\nours: {ours}\ntheirs: {theirs}");
            }
            _ => panic!("{text}\nours: {ours:?}\ntheirs: {theirs:?}"),
        }
    }
    if let [Err(alone), Err(streamed), Err(in_batch), Err(fresh)] = &all_ours {
        assert!(
            alone == streamed && in_batch == fresh && alone == in_batch,
            "{text}\n{alone}\n{streamed}\n{in_batch}\n{fresh}"
        );
    }
    theirs.is_ok()
}

fn all(text: &str, behind: &str) -> usize {
    let case = &Case::new(text, behind);
    let read = [
        same::<Value>(case),
        same::<Sale<'_>>(case),
        same::<Inside>(case),
        same::<Either>(case),
        same::<Flat>(case),
        same::<BTreeMap<i32, Either>>(case),
        // On a key of this type that is not ASCII serde_json 1.0.154 makes text of bytes that are none.
        text.is_ascii() && same::<BTreeMap<bool, u64>>(case),
        same::<Option<(u64, i64, f64)>>(case),
        same::<Ignored>(case),
        same::<u128>(case),
        same::<String>(case),
        same::<()>(case),
    ];
    read.iter().filter(|read| **read).count()
}

const SEEDS: [&str; 12] = [
    r#"{"event_id":"0192f0c1-7a3b","note":"caf\u00e9 \"x\"","product_id":4711,"quantity":-2,"price":149.90,"tags":["a","b\n"],"kind":"Plain","place":null,"wide":170141183460469231731687303715884105727}"#,
    r#" { "event_id" : "x" , "product" : 1 , "quantity" : 2 , "price" : 1e3 , "kind" : { "Wrapped" : 7 } , "place" : { "shelf" : [3, "ж"], "1": 2.5 } , "other" : {"deep":[[[{}]],[],{"a":[1,2,{"b":null}]}],"t":true,"f":false} } "#,
    r#"{"event_id":"","product_id":0,"quantity":32767,"price":-0.0,"kind":{"Pair":[1,"z"]},"note":null}"#,
    r#"{"event_id":"y","product_id":4294967295,"quantity":-32768,"price":12345678901234567890,"kind":{"Named":{"a":true,"b":null}}}"#,
    r#"{"type":"A","x":-128}"#,
    r#"{"y":"\ud83d\ude00\/\b\f\r\t","type":"B"}"#,
    r#"[1,"two",[3,[4,"five"]],-6]"#,
    r#"{"id":3,"a":[1.5,2e-3,0.1,1e22,1e23,123456789.123456789],"b":{"c":null}}"#,
    r#"{"1":2,"-3":"x","40":[]}"#,
    r#"{"true":1,"false":18446744073709551615}"#,
    r#"[18446744073709551615,-9223372036854775808,1.7976931348623157e308]"#,
    r#""a plain string with \u0416 and more than sixteen bytes""#,
];

#[test]
fn reads_what_was_made_for_the_purpose_as_serde_json_does() {
    for seed in SEEDS {
        assert!(all(seed, "") > 1, "{seed}");
    }
    let texts = [
        "",
        " ",
        "null",
        "nul",
        "nulll",
        "tru",
        "-",
        "-0",
        "-1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1e5",
        "1E-5",
        "+1",
        "1_0",
        "0x1",
        "NaN",
        "Infinity",
        "1e999",
        "-1e999",
        "1e-999",
        "18446744073709551616",
        "-9223372036854775809",
        "340282366920938463463374607431768211456",
        "0.30000000000000004",
        "9007199254740993",
        "123456789012345678901234567890",
        "4.35",
        "0.000001",
        "2.2250738585072014e-308",
        "5e-324",
        "1.0",
        "100000000000000000000.5",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "\"\u{7f}\"",
        "\"\u{1f}\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[]]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}}",
        "{\"id\":1,\"id\":2}",
        "{\"id\":1,\"id\":2,\"a\":3,\"a\":4}",
        "\u{feff}1",
        "1 1",
        "[1}",
        "{\"a\":1]",
        "{\"1x\":1}",
        "{\" 1\":1}",
        "{\"1 \":1}",
        "{\"\\u0031\":1}",
        "{\"type\":\"C\"}",
        "{\"type\":0,\"x\":1}",
        "\"Plain\"",
        "{\"Plain\":null}",
        "\t\r\n 7 \n",
        "\u{b}7",
        "\u{a0}7",
        "/**/1",
        "[1,2,3]",
        "[1,2]",
        "[1,2,3,4]",
    ];
    for text in texts {
        for behind in [
            "",
            "1",
            " ",
            "]",
            "}",
            ":1}",
            ",\"b\":2}",
            "\"}",
            "{\"a\":1}",
            "000000000000000000000000",
            "abcdefghijklmnopqr\"]",
        ] {
            all(text, behind);
            let case = &Case::new(text, behind);
            same::<Kind>(case);
            same::<f32>(case);
            same::<char>(case);
            same::<Vec<u8>>(case);
        }
    }
}

#[test]
fn nesting_ends_where_serde_jsons_does() {
    for depth in [1, 126, 127, 128, 129, 10_000] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        same::<Value>(&Case::new(&text, "]"));
        let text = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        same::<Value>(&Case::new(&text, "}"));
        // What nobody reads is bounded, too; serde_json does not bound that.
        let skipped = format!("{{\"type\":\"A\",\"x\":1,\"skipped\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        #[derive(Deserialize)]
        struct Empty {}
        assert_eq!(tidegate_json::from_str::<Empty>(&skipped).is_ok(), depth < 127, "{depth}");
    }
}

/// xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

const PIECES: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u00e9",
    "\\ud800",
    "\\n",
    "0",
    "1",
    "-",
    ".",
    "e",
    "E+",
    "9999999999999999999",
    "null",
    "true",
    "false",
    " ",
    "\n",
    "\u{0}",
    "é",
    "\"a\":1,",
    "\"type\":",
    "[]",
    "{}",
    "\u{1f600}",
];

fn mutated(random: &mut Random, seed: &str) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(text.len() + 1);
        match random.below(4) {
            0 if at < text.len() => {
                text.remove(at);
            }
            1 => {
                let piece = PIECES[random.below(PIECES.len())];
                text.splice(at..at, piece.chars());
            }
            2 if at < text.len() => {
                let piece = PIECES[random.below(PIECES.len())];
                text.splice(at..=at, piece.chars());
            }
            _ => {
                let end = (at + random.below(12)).min(text.len());
                let copied: Vec<char> = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, copied);
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn reads_mutated_texts_as_serde_json_does() {
    let rounds: usize =
        std::env::var("TIDEGATE_JSON_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(200_000);
    let mut random = Random(0x5eed);
    let mut read = 0;
    for round in 0..rounds {
        let text = mutated(&mut random, SEEDS[round % SEEDS.len()]);
        let behind = PIECES[random.below(PIECES.len())].repeat(random.below(20));
        read += usize::from(all(&text, &behind) > 0);
    }
    // Mutations that all fail early would show nothing.
    assert!(read > rounds / 10, "only {read} of {rounds} were read");
}

#[test]
fn owned_values_come_from_a_text_that_is_gone() {
    fn owned<T: DeserializeOwned>(text: String) -> T {
        tidegate_json::from_str(&text).unwrap()
    }
    assert_eq!(owned::<Vec<String>>(r#"["a","\u0062"]"#.to_owned()), ["a", "b"]);
}

#[test]
fn errors_say_what_and_where() {
    let error = |text| tidegate_json::from_str::<Inside>(text).unwrap_err().to_string();
    assert_eq!(error("{\"type\":\"A\",\"x\":1"), "expected `,` or `}`, found the end of the text at byte 17");
    let wrong = tidegate_json::from_str::<Vec<u8>>("[1, \"two\"]").unwrap_err();
    assert_eq!(wrong.to_string(), "invalid type: string \"two\", expected u8 at $[1], byte 4");
    assert!(wrong.is_data());
}
