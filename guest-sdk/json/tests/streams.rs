//! Streams: whatever was learned from one text, the next is read as serde_json reads it, in all of serde's representations.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use tidegate_json::{Batch, Stream, Text};

/// Reads the texts in one stream, end to end in one batch, over and over, so that each is read by what the others taught.
fn same<T: for<'de> Deserialize<'de> + PartialEq + Debug>(texts: &[&str]) {
    let stream = Stream::new();
    let bytes = texts.concat();
    let batch = Batch::new(bytes.as_bytes());
    for _ in 0..4 {
        let mut start = 0;
        for text in texts {
            let range = start..start + text.len();
            start = range.end;
            for _ in 0..5 {
                compare::<T>(text, stream.read(batch.text(range.clone()).unwrap()));
            }
        }
    }
}

fn compare<'de, T: Deserialize<'de> + PartialEq + Debug>(text: &'de str, ours: Result<T, tidegate_json::Error>) {
    match (ours, serde_json::from_str::<T>(text)) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{text}"),
        (Err(ours), Err(theirs)) => {
            // What serde says of a value is the same, whoever reads it.
            let theirs = theirs.to_string();
            let theirs = theirs.split(" at line ").next().unwrap();
            assert!(!theirs.starts_with("unknown field") || ours.to_string().starts_with(theirs), "{ours}\n{theirs}");
        }
        (ours, theirs) => panic!("{text}\nours: {ours:?}\ntheirs: {theirs:?}"),
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Plain {
    first: u32,
    second: Option<String>,
    third: Option<f64>,
}

#[test]
fn keys_may_come_in_any_order_and_be_left_out() {
    same::<Plain>(&[
        r#"{"first":1,"second":"a","third":1.5}"#,
        r#"{"first":2,"third":2.5,"second":"b"}"#,
        r#"{"third":3,"first":4294967295}"#,
        r#"{"first":4,"second":null}"#,
        r#"{"second":"é\n","first":5}"#,
        r#"{"first":6}"#,
        r#"{}"#,
    ]);
}

#[test]
fn white_space_may_stand_where_it_did_not_before() {
    same::<Plain>(&[
        r#"{"first":1,"second":"a","third":1.5}"#,
        r#"{"first": 1,"second":	"a","third":
 1.5}"#,
        r#"{ "first":1 ,"second":"a", "third":1.5 }"#,
        "{\n  \"first\" : 1,\n  \"second\" : \"a\",\n  \"third\" : 1.5\n}",
        " {\"first\":1,\"second\":\"a\",\"third\":1.5} \n",
    ]);
}

#[test]
fn what_is_wrong_is_wrong_also_where_it_was_foreseen() {
    same::<Plain>(&[
        r#"{"first":1,"second":"a","third":1.5}"#,
        r#"{"first":1,"second":"a","third":1.5"#,
        r#"{"first":1,"second":"a","third":}"#,
        r#"{"first":1,"second":"a","third":1.5,}"#,
        r#"{"first":1,"second":"a","first":2}"#,
        r#"{"first":1,"second":"a""third":1.5}"#,
        r#"{"first":1 "second":"a","third":1.5}"#,
        r#"{"first":1,"second":"a","third"1.5}"#,
        r#"{"first":1.5,"second":"a","third":1.5}"#,
        r#"{"first":01,"second":"a","third":1.5}"#,
        r#"{"first":1,"second":"a,"third":1.5}"#,
        r#"{,"first":1}"#,
        r#"{"first":1}}"#,
        r#"["first",1]"#,
    ]);
}

#[derive(Debug, PartialEq, Deserialize)]
struct Aliased {
    #[serde(alias = "one", alias = "zzz")]
    a: u8,
    #[serde(rename = "b2", alias = "two")]
    b: u8,
    #[serde(default)]
    c: u8,
}

/// Has the same list of names as [`Aliased`], which the linker may keep once.
#[derive(Debug, PartialEq, Deserialize)]
struct Unaliased {
    #[serde(default)]
    a: u8,
    #[serde(default)]
    one: u8,
    #[serde(default)]
    zzz: u8,
    #[serde(default)]
    b2: u8,
    #[serde(default)]
    two: u8,
    #[serde(default)]
    c: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Both {
    aliased: Vec<Aliased>,
    unaliased: Vec<Unaliased>,
}

/// What does not fit is nothing, and what cannot be read by itself is read as text.
#[derive(Debug, PartialEq, Deserialize)]
struct Lenient {
    #[serde(default, deserialize_with = "if_it_fits")]
    small: Option<u8>,
    #[serde(default, deserialize_with = "if_it_fits")]
    text: Option<String>,
    #[serde(default, deserialize_with = "if_it_fits")]
    flag: Option<bool>,
    #[serde(default, deserialize_with = "if_it_fits")]
    letter: Option<char>,
    #[serde(default, deserialize_with = "if_it_fits")]
    number: Option<f64>,
    #[serde(default, deserialize_with = "if_it_fits")]
    id: Option<Id>,
    last: Option<Id>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(u32);

fn if_it_fits<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(deserializer).ok())
}

#[test]
fn an_error_that_a_type_keeps_to_itself_does_not_change_what_is_read() {
    let keys = ["small", "text", "flag", "letter", "number", "id"];
    let values =
        ["7", "300", "-7", "0", "-0", "1.5", "\"a\"", "\"ab\"", "\"\\n\"", "true", "false", "null", "12345678", "1e2"];
    let mut texts = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        for value in values {
            for space in ["", " ", "  "] {
                let other = keys.get(at + 1).unwrap_or(&"other");
                texts.push(format!("{{\"{key}\":{space}{value}{space},\"{other}\":{value},\"last\":{space}4}}"));
            }
        }
    }
    same::<Lenient>(&texts.iter().map(|text| &**text).collect::<Vec<_>>());
}

#[test]
fn an_alias_is_its_field_and_not_its_place_in_the_list_of_names() {
    same::<Aliased>(&[
        r#"{"a":1,"b2":2,"c":3}"#,
        r#"{"one":1,"two":2}"#,
        r#"{"zzz":1,"b2":2,"c":3}"#,
        r#"{"a":1,"one":2,"b2":3}"#,
        r#"{"b":1,"a":2,"two":3}"#,
    ]);
    let objects = r#"[{"a":1,"b2":2,"c":3},{"one":1,"two":2},{"zzz":4,"two":5,"c":6}]"#;
    same::<Both>(&[&format!(r#"{{"aliased":{objects},"unaliased":{objects}}}"#)]);
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    only: u8,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct StrictDefault {
    left: u8,
    #[serde(alias = "r")]
    right: u8,
}

#[test]
fn an_unknown_field_is_named_where_it_is_denied() {
    same::<Strict>(&[r#"{"only":1}"#, r#"{"only":1,"other":2}"#, r#"{"only":1,"ot\u0068er":2}"#, r#"{"":0}"#]);
    same::<StrictDefault>(&[r#"{"left":1,"r":2}"#, r#"{"left":1,"right":2,"more":{}}"#, r#"{}"#]);
}

#[derive(Debug, PartialEq, Deserialize)]
struct Empty {}

#[test]
fn keys_that_nobody_wants_are_passed_over_however_many_they_are() {
    let many: Vec<String> = (0..300).map(|number| format!("\"key {number}\":[{number}]")).collect();
    let many = format!("{{{}}}", many.join(","));
    let long = format!("{{\"{}\":1,\"first\":2,\"{}\":3}}", "x".repeat(100), "é".repeat(40));
    same::<Empty>(&[&many, "{}", &long]);
    same::<Plain>(&[&many, r#"{"first":1,"unknown":{"a":[1,{}]},"second":"a"}"#, &long, r#"{"fir\u0073t":1}"#]);
}

macro_rules! wide {
    ($($name:ident)*) => {
        #[derive(Debug, PartialEq, Default, Deserialize)]
        #[serde(default)]
        struct Wide { $($name: u32,)* }
        const WIDE: &[&str] = &[$(stringify!($name)),*];
    };
}

wide! {
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0 d1 d2 d3 d4 d5 d6 d7 d8 d9
    e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 g0 g1 g2 g3 g4 g5 g6 g7 g8 g9 h0 h1 h2 h3 h4 h5 h6 h7 h8 h9
}

#[test]
fn more_keys_than_can_be_learned_are_read_all_the_same() {
    let object = |names: &mut dyn Iterator<Item = &&str>| {
        let members: Vec<_> = names.enumerate().map(|(number, name)| format!("\"{name}\":{number}")).collect();
        format!("{{{}}}", members.join(","))
    };
    same::<Wide>(&[&object(&mut WIDE.iter()), &object(&mut WIDE.iter().rev()), &object(&mut WIDE.iter().skip(40))]);
}

#[test]
fn keys_that_come_in_no_order_end_prediction_and_nothing_else() {
    let stream = Stream::new();
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut members = [r#""first":1"#, r#""second":"a""#, r#""third":2"#, r#""more":[]"#, r#""none":{}"#];
        for at in (1..members.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            members.swap(at, (state >> 33) as usize % (at + 1));
        }
        let text = format!("{{{}}}", members.join(","));
        let expected = Plain { first: 1, second: Some("a".to_owned()), third: Some(2.0) };
        assert_eq!(stream.read(Text::from(&*text)), Ok(expected));
    }
}

#[derive(Debug, PartialEq, Deserialize)]
enum External {
    Unit,
    Newtype(Plain),
    Tuple(u8, String),
    Struct { first: u8, second: Vec<External> },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "t")]
enum Internal {
    One {
        first: u8,
    },
    Two(Plain),
    #[serde(other)]
    Other,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    One { first: u8 },
    Two(Plain, u8),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Struct(Plain),
    Number(i64),
    Texts(Vec<String>),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flat {
    first: u8,
    #[serde(flatten)]
    inner: Aliased,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[test]
fn every_representation_of_an_enum_is_read() {
    same::<External>(&[
        r#""Unit""#,
        r#"{"Unit":null}"#,
        r#"{"Newtype":{"first":1}}"#,
        r#"{"Tuple":[1,"a"]}"#,
        r#"{"Struct":{"first":1,"second":["Unit",{"Struct":{"second":[],"first":2}}]}}"#,
        r#"{"Tuple":[1]}"#,
        r#"{"Unit":null,"Tuple":[1,"a"]}"#,
        r#"{}"#,
        r#""Tuple""#,
        r#"{"None":1}"#,
    ]);
    same::<Internal>(&[
        r#"{"t":"One","first":1}"#,
        r#"{"first":1,"t":"One"}"#,
        r#"{"t":"Two","first":1,"second":"a","third":1}"#,
        r#"{"t":"Three","x":1}"#,
        r#"{"x":1}"#,
        r#"{"t":"One"}"#,
    ]);
    same::<Adjacent>(&[
        r#"{"t":"One","c":{"first":1}}"#,
        r#"{"c":{"first":1},"t":"One"}"#,
        r#"{"t":"Unit"}"#,
        r#"{"t":"Two","c":[{"first":1},2]}"#,
        r#"{"t":"Two"}"#,
        r#"{"c":1}"#,
    ]);
    same::<Untagged>(&[r#"{"first":1}"#, "-5", r#"["a","b"]"#, r#"{"second":"a"}"#, "1.5", "null"]);
    same::<Flat>(&[
        r#"{"first":1,"a":2,"two":3,"x":[1],"y":null}"#,
        r#"{"one":1,"b2":2,"first":3}"#,
        r#"{"first":1,"one":2}"#,
    ]);
}

#[derive(Debug, PartialEq, Deserialize)]
struct Scalars {
    signed: i128,
    unsigned: u128,
    small: (i8, i16, i32, i64),
    single: f32,
    letter: char,
    yes: bool,
    nothing: (),
    unit: Nothing,
    wrapped: Wrapped,
    map: BTreeMap<i16, Option<bool>>,
    any: IgnoredAny,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Nothing;

#[derive(Debug, PartialEq, Deserialize)]
struct Wrapped(u64);

#[test]
fn every_scalar_is_read() {
    same::<Scalars>(&[
        r#"{"signed":-170141183460469231731687303715884105728,"unsigned":340282366920938463463374607431768211455,"small":[-128,-32768,-2147483648,-9223372036854775808],"single":3.4028235e38,"letter":"ж","yes":true,"nothing":null,"unit":null,"wrapped":18446744073709551615,"map":{"-5":null,"7":true},"any":[{"a":1}]}"#,
        r#"{"signed":0,"unsigned":0,"small":[0,-1,12345678,123456789012345678],"single":0.1,"letter":"\u0436","yes":false,"nothing":null,"unit":null,"wrapped":0,"map":{},"any":"x"}"#,
        r#"{"signed":0,"unsigned":-1}"#,
        r#"{"signed":1e3}"#,
        r#"{"small":[1,2,3]}"#,
        r#"{"small":[1,2,3,4,5]}"#,
        r#"{"letter":"ab"}"#,
        r#"{"yes":truf}"#,
        r#"{"nothing":nul}"#,
    ]);
}

#[test]
fn strings_are_borrowed_where_they_have_no_escape() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Borrowing<'a> {
        plain: &'a str,
        #[serde(borrow)]
        either: Cow<'a, str>,
        bytes: &'a [u8],
    }
    let stream = Stream::new();
    for _ in 0..3 {
        let text = r#"{"plain":"as it is, and longer than two blocks of it","either":"ж","bytes":"raw"}"#;
        let read: Borrowing<'_> = stream.read(Text::from(text)).unwrap();
        assert!(text.as_bytes().as_ptr_range().contains(&read.plain.as_ptr()));
        assert!(matches!(read.either, Cow::Borrowed("ж")) && read.bytes == b"raw");
        let escaped = r#"{"plain":"a","either":"\u0436","bytes":"raw"}"#;
        let read: Borrowing<'_> = stream.read(Text::from(escaped)).unwrap();
        assert!(matches!(&read.either, Cow::Owned(text) if text == "ж"));
        let refused = stream.read::<Borrowing<'_>>(Text::from(r#"{"plain":"\n"}"#)).unwrap_err();
        let expected = r#"invalid type: string "\n", expected a borrowed string at $.plain, byte 9"#;
        assert_eq!(refused.to_string(), expected);
    }
}

/// Written by hand: its keys know no numbers, and it stops where it has what it wants.
#[derive(Debug, PartialEq)]
struct ByHand(Vec<(String, u8)>);

impl<'de> Deserialize<'de> for ByHand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = ByHand;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByHand, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    members.push((key, map.next_value()?));
                }
                // Asking once more is asking for nothing.
                assert!(map.next_key::<String>()?.is_none());
                Ok(ByHand(members))
            }
        }
        deserializer.deserialize_struct("ByHand", &["a", "b"], Members)
    }
}

#[test]
fn a_visitor_that_takes_no_numbers_gets_the_keys() {
    same::<ByHand>(&[r#"{"a":1,"b":2}"#, r#"{"b":1,"c":2,"\u0061":3}"#, "{}", r#"{"a":"x"}"#]);
    same::<Vec<ByHand>>(&[r#"[{"a":1},{"b":2}]"#]);
}

/// Keys by hand that take numbers, and make of them something else than of names.
#[derive(Debug, PartialEq)]
enum OwnKey {
    A,
    Rest(String),
}

impl<'de> Deserialize<'de> for OwnKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl Visitor<'_> for Key {
            type Value = OwnKey;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_u64<E>(self, number: u64) -> Result<OwnKey, E> {
                Ok(if number == 0 { OwnKey::A } else { OwnKey::Rest(number.to_string()) })
            }

            fn visit_str<E>(self, name: &str) -> Result<OwnKey, E> {
                Ok(if name == "a" { OwnKey::A } else { OwnKey::Rest(name.to_owned()) })
            }
        }
        deserializer.deserialize_identifier(Key)
    }
}

#[derive(Debug, PartialEq)]
struct KeyByKey(Vec<(OwnKey, u8)>);

impl<'de> Deserialize<'de> for KeyByKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = KeyByKey;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyByKey, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(KeyByKey(members))
            }
        }
        deserializer.deserialize_struct("KeyByKey", &["a"], Members)
    }
}

#[test]
fn keys_that_make_of_a_number_something_else_get_none() {
    same::<KeyByKey>(&[r#"{"a":1,"b":2,"c":3}"#, r#"{"b":1,"a":2}"#, r#"{"c":1}"#]);
}

#[test]
fn a_type_may_read_from_the_stream_that_it_is_read_from() {
    thread_local! {
        static INNER: RefCell<Option<Rc<Stream>>> = const { RefCell::new(None) };
    }
    #[derive(Debug, PartialEq)]
    struct Nested(Plain);
    impl<'de> Deserialize<'de> for Nested {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text: &str = Deserialize::deserialize(deserializer)?;
            let stream = INNER.with_borrow(|stream| stream.clone().unwrap());
            stream.read(Text::from(text.trim_end_matches('!'))).map(Nested).map_err(serde::de::Error::custom)
        }
    }
    let stream = Rc::new(Stream::new());
    INNER.set(Some(Rc::clone(&stream)));
    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        inner: Nested,
        n: u8,
    }
    for _ in 0..3 {
        let refused = stream.read::<Outer>(Text::from(r#"{"n":1,"inner":"{}!"}"#)).unwrap_err();
        assert!(refused.to_string().starts_with("missing field `first` at byte 0 at $.inner, byte 15"), "{refused}");
    }
}
