//! The grammar's corners, each with its answer: what must be read, what must be refused, and what the standard (RFC 8259)
//! leaves to the parser. Every text is read in every way there is: as a value, as the type that fits it, passed over, within
//! other JSON, alone and in a stream that has learned.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tidegate_json::{Batch, Error, Stream};

/// Must be read.
const READ: &[&[u8]] = &[
    // Arrays and objects.
    b"[]", b"[ ]", b"[\"\"]", b"[[]   ]", b"[null, 1, \"1\", {}]", b"[1\n]", b" [1]", b"[1,null,null,null,2]", b"[2] ", b"[[[[]]]]",
    b"{}", b"{ }", b"{\"\":0}", b"{\"a\":[]}", b"{\"a\":\"b\",\"c\":\"d\"}", b"{\"a\":\"b\",\"a\":\"c\"}", b"{\"a\":\"b\",\"a\":\"b\"}",
    b"{\n\"a\" :\r\n\t\"b\"\n}", b"{\"foo\\u0000bar\": 42}", b"{\"\\u041f\\u043e\":1}", b"{ \"min\": -1.0e+28, \"max\": 1.0e+28 }",
    b"{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
    // Numbers.
    b"0", b"-0", b"1", b"-1", b"-12", b"123", b"20e1", b"1E22", b"1E-2", b"1E+2", b"0e1", b"0e+1", b"0E0", b"-0.0", b"-1.5e-7",
    b"123.456e78", b"123e45", b"123e65", b"123.456789", b"1e-2", b"1e+2", b"4.35",
    b"-0.000000000000000000000000000000000000000000000000000000000000000000000000000001", b"9007199254740993",
    b"18446744073709551615", b"-9223372036854775808", b"1.7976931348623157e308", b"5e-324", b"[1,-2 , 3]",
    // Words.
    b"true", b"false", b"null", b"[null]", b"\tnull\r\n",
    // Strings: escapes, pairs of surrogates, all lengths of UTF-8, what is no control character.
    b"\"\"", b"\" \"", b"\"asd\"", b"\"a/*b*/c/*d//e\"", b"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", b"\"\\u0060\\u012a\\u12AB\"",
    b"\"\\uD801\\udc37\"", b"\"\\ud83d\\ude39\\ud83d\\udc8d\"", b"\"\\\\u0000\"", b"\"\\\\a\"", b"\"\\\\n\"", b"\"\\u0012\"", b"\"\\uFFFF\"",
    b"\"\\uDBFF\\uDFFE\"", b"\"\\u0000\"", b"\"\\u0022\"", b"\"\\u005C\"", b"\"\\uA66D\"", b"\"\\u200B\\u2064\"", b"\"\\uFDD0\"",
    b"\"new\\u000Aline\"", b"\"\x7f\"", b"\"a\x7fa\"", b"\"\xc3\xa9\"", b"\"\xe2\x82\xac\"", b"\"\xf0\x9d\x84\x9e\"", b"\"\xef\xbf\xbf\"",
    b"\"\xe2\x80\xa8\xe2\x80\xa9\"", b"\"\xef\xbb\xbf\"", b"\"\xf4\x8f\xbf\xbf\"", b"\"\xed\x9f\xbf\xee\x80\x80\"", b"\"{[,:]}\"",
    b"\"fourteen bytes\"", b"\"fifteen bytes: \"", b"\"sixteen bytes: \\n\"", b"\"a quote \\\" that stands behind sixteen bytes \\\" and again\"",
    b"\"0123456789abcde\\u0041\"", b"\"0123456789abcdef\xc3\xa9\"",
    // White space: four characters are.
    b" \t\r\n1\n\r\t ", b"[ \n\r\t1 \n\r\t, \n\r\t2 \n\r\t]", b"                                        1",
];

/// Must be refused, whoever reads.
const REFUSED: &[&[u8]] = &[
    b"",
    b" ",
    b"\n",
    // Arrays.
    b"[1 true]",
    b"[a\xe5]",
    b"[\"\": 1]",
    b"[\"\"],",
    b"[,1]",
    b"[1,,2]",
    b"[\"x\",,]",
    b"[\"x\"]]",
    b"[\"\",]",
    b"[\"x\"",
    b"[x",
    b"[3[4]]",
    b"[\xff]",
    b"[1:2]",
    b"[,]",
    b"[-]",
    b"[   , \"\"]",
    b"[\"a\",\n4\n,1,",
    b"[1,]",
    b"[1,,]",
    b"[\"\x0ba\"\\f]",
    b"[*]",
    b"[1",
    b"[1,\n1\n,1",
    b"[{}",
    b"[1}",
    b"[",
    b"[[",
    b"[1,2",
    b"]",
    b"[}",
    b"[\"a\",",
    b"[1,\"",
    b"[]]",
    b"[][]",
    b"[1]x",
    b"[\"\\",
    b"[true",
    b"[ false, nul",
    // Words.
    b"nul",
    b"tru",
    b"fals",
    b"nulll",
    b"truee",
    b"true1",
    b"True",
    b"TRUE",
    b"nil",
    b"None",
    b"undefined",
    b"n",
    b"t",
    b"f",
    b"[nul]",
    b"[tru]",
    b"a",
    b"na\xc3\xaf",
    b"null\x00",
    b"[\x00]",
    b"\x00",
    b"tr\x00e",
    // Numbers.
    b"++1234",
    b"+1",
    b"+Inf",
    b"-01",
    b"-1.0.",
    b"-2.",
    b"-NaN",
    b".-1",
    b".2e-3",
    b"0.1.2",
    b"0.3e+",
    b"0.3e",
    b"0.e1",
    b"0_1",
    b"0E+",
    b"0E",
    b"0e+",
    b"0e",
    b"1_000",
    b"1.0e+",
    b"1.0e-",
    b"1.0e",
    b"1 000.0",
    b"1eE2",
    b"2.e+3",
    b"2.e-3",
    b"2.e3",
    b"9.e+",
    b"Inf",
    b"NaN",
    b"\xef\xbc\x91",
    b"1+2",
    b"0x1",
    b"0x42",
    b"Infinity",
    b"-Infinity",
    b"0e+-1",
    b"-123.123foo",
    b"123\xe5",
    b"1e1\xe5",
    b"0\xe5",
    b"-1x",
    b"1.2a-3",
    b"1.8011670033376514H-308",
    b"012",
    b"-",
    b"--1",
    b"- 1",
    b"-foo",
    b"-.123",
    b"1.",
    b"1ea",
    b".5",
    b"1e",
    b"1e5.5",
    b"00",
    b"-00",
    b"01.5",
    b"1,5",
    b"1 2",
    b"1e 5",
    b"1. 5",
    b"1\x00",
    b"\xd9\xa1",
    // Objects.
    b"{\"x\", null}",
    b"{\"x\"::\"b\"}",
    b"{\xf0\x9f\x87\xa8}",
    b"{\"a\":\"a\" 123}",
    b"{key: 'value'}",
    b"{\"a\" b}",
    b"{:\"b\"}",
    b"{\"a\" \"b\"}",
    b"{\"a\":",
    b"{\"a\"",
    b"{1:1}",
    b"{9999E9999:1}",
    b"{null:null,null:null}",
    b"{\"id\":0,,,,,}",
    b"{'a':0}",
    b"{\"id\":0,}",
    b"{\"a\":\"b\"}/**/",
    b"{\"a\":\"b\"}//",
    b"{\"a\":\"b\"}/",
    b"{\"a\":\"b\",,\"c\":\"d\"}",
    b"{a: \"b\"}",
    b"{\"a\":\"a",
    b"{ \"foo\" : \"bar\", \"a\" }",
    b"{\"a\":\"b\"}#",
    b"{\"\xb9\":\"0\",}",
    b"{",
    b"{\"",
    b"{,",
    b"{]",
    b"}",
    b"{\"a\":1]",
    b"{\"a\":1",
    b"{\"a\":1,",
    b"{\"a\":,}",
    b"{true:1}",
    b"{[]:1}",
    b"{\"a\":1}}",
    b"{\"a\":1}{}",
    b"{\"a\":1 \"b\":2}",
    b"{,\"a\":1}",
    b"{{}:1}",
    b"{\"a\":{}",
    // Strings.
    b"\"",
    b"\"a",
    b"\"\\",
    b"\"\\\"",
    b"\"\\u",
    b"\"\\u1\"",
    b"\"\\u12\"",
    b"\"\\u123\"",
    b"\"\\u00A\"",
    b"\"\\u 123\"",
    b"\"\\u+123\"",
    b"\"\\u-123\"",
    b"\"\\uqqqq\"",
    b"\"\\u00zz\"",
    b"\"\\a\"",
    b"\"\\x00\"",
    b"\"\\\x00\"",
    b"\"\\'\"",
    b"\"\\0\"",
    b"\"\\U0041\"",
    b"\"\\\xf0\x9f\x8c\x80\"",
    b"\"\\\t\"",
    b"\"\\ \"",
    b"\"\x00\"",
    b"\"a\x00a\"",
    b"\"\x1f\"",
    b"\"\t\"",
    b"\"new\nline\"",
    b"\"\r\"",
    b"'a'",
    b"\"a\"b",
    b"\"a\"\"",
    b"a\"",
    b"\\u0020\"asd\"",
    b"\xc3\xa9",
    b"\"x\x1b\"",
    b"\"0123456789abcdef\x01\"",
    b"\"0123456789abcdef\\",
    b"\"0123456789abcdef",
    b"\"\\\\\\\"",
    // No UTF-8: a byte that begins nothing, a character cut off, one written too long, a surrogate, beyond the last one.
    b"\"\xff\"",
    b"\"\x80\"",
    b"\"\xc3\"",
    b"\"\xe2\x82\"",
    b"\"\xc0\xaf\"",
    b"\"\xc1\xbf\"",
    b"\"\xe0\x80\xaf\"",
    b"\"\xfc\x83\xbf\xbf\xbf\xbf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xed\xb0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xf8\x88\x80\x80\x80\"",
    b"\"0123456789abcdef\xe9\"",
    b"{\"\xe9\":1}",
    b"\"\xe9\\n\"",
    // A byte order mark, and what is no white space here.
    b"\xef\xbb\xbf{}",
    b"\xef\xbb\xbf",
    b"\xfe\xff\x00\"",
    b"\x0b1",
    b"\x0c1",
    b"\xc2\xa01",
    b"1\xe2\x80\xa8",
    b"[\x0c]",
    b"\xe2\x81\xa0[]",
    b"[\xe2\x81\xa0]",
    // What is not JSON and often taken for it.
    b"/**/1",
    b"1//",
    b"<.>",
    b"[<null>]",
    b"1]",
    b"*",
    b"!",
    b"{\"a\":/*comment*/\"b\"}",
    b"[0]#",
    b"{\"a\":true} \"x\"",
    b"\"x\" {",
    b"1,",
    b"1;",
];

/// Refused where they are read, and passed over where they are not: as `serde_json` does.
const REFUSED_IF_READ: &[&[u8]] = &[
    // Surrogates that are no pair.
    b"\"\\ud800\"",
    b"\"\\uDADA\"",
    b"\"\\udc00\"",
    b"\"\\uD888\\u1234\"",
    b"\"\\uDd1e\\uD834\"",
    b"\"\\ud800\\ud800\"",
    b"\"\\uD800\\n\"",
    b"\"\\ud800abc\"",
    b"\"\\uD800\\uD800\\uDC00\"",
    b"{\"\\udc00\":1}",
    b"\"\\ud83d\\\\u\"",
    // Beyond what a float can hold.
    b"[0.4e00669999999999999999]",
    b"1e309",
    b"-1e309",
    b"1e9999",
    b"[123123e100000]",
    b"-123123e100000",
    b"1.7976931348623159e308",
    b"[1e400]",
];

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it is read matters")]
struct Around<T> {
    v: T,
    behind: u8,
}

/// Whether a text is read as this type, which must be so alone, in a stream, and in one that has read other things before.
fn is_read<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> bool {
    let streamed = |stream: &Stream, bytes: &[u8]| -> Option<Result<T, Error>> {
        Batch::new(bytes).text(0..bytes.len()).map(|text| stream.read(text))
    };
    let alone = streamed(&Stream::new(), bytes).is_some_and(|read| read.is_ok());
    let stream = Stream::new();
    for _ in 0..8 {
        let _ = streamed(&stream, b"{\"a\":1,\"b\":[{\"a\":2}],\"v\":\"x\"}");
    }
    assert_eq!(streamed(&stream, bytes).is_some_and(|read| read.is_ok()), alone, "{}", bytes.escape_ascii());
    // More of the batch behind it must change nothing.
    let followed = [bytes, b"\"}]0123456789abcdef"].concat();
    let text = std::str::from_utf8(bytes).ok().and_then(|_| Batch::new(&followed).text(0..bytes.len()));
    assert_eq!(text.is_some_and(|text| stream.read::<T>(text).is_ok()), alone, "{}", bytes.escape_ascii());
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(tidegate_json::from_str::<T>(text).is_ok(), alone, "{text}");
    }
    alone
}

/// Whether one of the types that a text may be of reads it.
fn is_read_as_what_it_is(bytes: &[u8]) -> bool {
    [
        is_read::<f64>(bytes),
        is_read::<String>(bytes),
        is_read::<bool>(bytes),
        is_read::<()>(bytes),
        is_read::<Vec<Value>>(bytes),
        is_read::<BTreeMap<String, Value>>(bytes),
    ]
    .contains(&true)
}

/// The text as a member of an object of which more follows.
fn around(bytes: &[u8]) -> Vec<u8> {
    [b"{\"v\":", bytes, b",\"behind\":7}"].concat()
}

/// serde_json's own answer, which none of the lists may contradict.
fn is_read_by_serde_json<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<T>(text).is_ok())
}

#[test]
fn what_must_be_read_is_read() {
    for bytes in READ {
        let shown = bytes.escape_ascii();
        assert!(is_read_by_serde_json::<Value>(bytes), "{shown}");
        assert!(is_read::<Value>(bytes), "{shown}");
        assert!(is_read_as_what_it_is(bytes), "{shown}");
        assert!(is_read::<IgnoredAny>(bytes), "{shown}");
        assert!(is_read::<Around<Value>>(&around(bytes)), "{shown}");
        assert!(is_read::<Around<IgnoredAny>>(&around(bytes)), "{shown}");
    }
}

#[test]
fn what_must_be_refused_is_refused() {
    for bytes in REFUSED {
        let shown = bytes.escape_ascii();
        assert!(!is_read_by_serde_json::<IgnoredAny>(bytes), "{shown}");
        assert!(!is_read::<Value>(bytes), "{shown}");
        assert!(!is_read_as_what_it_is(bytes), "{shown}");
        assert!(!is_read::<IgnoredAny>(bytes), "{shown}");
        assert!(!is_read::<Around<Value>>(&around(bytes)), "{shown}");
        assert!(!is_read::<Around<IgnoredAny>>(&around(bytes)), "{shown}");
    }
}

#[test]
fn what_stands_for_nothing_is_refused_where_it_is_read_and_passed_over_where_it_is_not() {
    for bytes in REFUSED_IF_READ {
        let shown = bytes.escape_ascii();
        assert_eq!(
            (is_read_by_serde_json::<Value>(bytes), is_read_by_serde_json::<IgnoredAny>(bytes)),
            (false, true),
            "{shown}"
        );
        assert!(!is_read::<Value>(bytes), "{shown}");
        assert!(!is_read_as_what_it_is(bytes), "{shown}");
        assert!(is_read::<IgnoredAny>(bytes), "{shown}");
        assert!(!is_read::<Around<Value>>(&around(bytes)), "{shown}");
        assert!(is_read::<Around<IgnoredAny>>(&around(bytes)), "{shown}");
    }
}

#[test]
fn the_depth_is_bounded_in_what_is_read_and_in_what_is_not() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), (" [ ", " ] "), ("[{\"a\":", "}]")] {
        let levels = if open.starts_with("[{") { 2 } else { 1 };
        for depth in [1, 2, 62, 126, 127, 128, 129, 100_000].map(|depth| depth / levels) {
            let text = open.repeat(depth) + "0" + &close.repeat(depth);
            let read = depth * levels <= usize::from(tidegate_json::DEPTH);
            assert_eq!(is_read::<Value>(text.as_bytes()), read, "{depth} of {open}");
            assert_eq!(is_read::<IgnoredAny>(text.as_bytes()), read, "{depth} of {open}");
            // Never closed.
            assert!(!is_read::<Value>(open.repeat(depth).as_bytes()));
            assert!(!is_read::<IgnoredAny>(open.repeat(depth).as_bytes()));
        }
    }
}

#[test]
fn every_byte_in_every_place_is_taken_or_refused_as_serde_json_does() {
    for text in ["{\"v\":[1.5e3,\"x\\n\\u00e9\",true,null,{}],\"w\":\"0123456789abcdef\",\"n\":-10}"] {
        for at in 0..=text.len() {
            for byte in 0..=0xff {
                let mut bytes = text.as_bytes().to_vec();
                bytes.splice(at..at, [byte]);
                compare(&bytes);
                bytes = text.as_bytes().to_vec();
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
                compare(&bytes);
            }
            compare(&text.as_bytes()[..at]);
        }
    }
    fn compare(bytes: &[u8]) {
        let shown = bytes.escape_ascii();
        let ours = Batch::new(bytes).text(0..bytes.len()).map(|text| Stream::new().read::<Value>(text));
        let theirs = std::str::from_utf8(bytes).ok().map(serde_json::from_str::<Value>);
        match (ours, theirs) {
            (Some(Ok(ours)), Some(Ok(theirs))) => assert_eq!(ours, theirs, "{shown}"),
            (None, None) | (Some(Err(_)), Some(Err(_))) => {}
            (ours, theirs) => panic!("{shown}\nours: {ours:?}\ntheirs: {theirs:?}"),
        }
        let ours = Batch::new(bytes).text(0..bytes.len()).map(|text| Stream::new().read::<IgnoredAny>(text).is_ok());
        assert_eq!(ours == Some(true), is_read_by_serde_json::<IgnoredAny>(bytes), "{shown}");
    }
}
