//! `derive(Record)` answers as `derive(Deserialize)` on the same struct: the same value or the same error. The fuzzer compares
//! them on very many texts; here stand those that were thought of.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use tidegate_json::{Batch, FromJson, Record, Stream};

#[derive(Debug, PartialEq, Deserialize, Record)]
#[serde(rename_all = "camelCase")]
struct Sale<'a> {
    product_name: &'a str,
    quantity: u32,
    price: f64,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
    #[serde(rename = "type", alias = "art", alias = "kind")]
    kind: String,
    #[serde(default)]
    tags: Vec<Option<i8>>,
    #[serde(default = "seven")]
    seven: u8,
    place: Option<Box<Place>>,
    #[record(deserialize)]
    more: Option<BTreeMap<String, bool>>,
    paid: bool,
}

fn seven() -> u8 {
    7
}

#[derive(Debug, Default, PartialEq, Deserialize, Record)]
#[serde(default, deny_unknown_fields)]
struct Place {
    shelf: i64,
    r#box: Vec<char>,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
#[serde(deny_unknown_fields)]
struct One {
    #[serde(alias = "b", alias = "0")]
    a: u8,
}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct None {}

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Pair<T, const N: usize> {
    left: T,
    right: T,
}

/// Reads texts in a stream, several times over so that they are foreseen, and each by itself.
fn same<'a, T: Deserialize<'a> + FromJson<'a> + PartialEq + Debug>(batch: &'a str, texts: &[&'a str]) {
    let (serde, record) = (Stream::new(), Stream::new());
    let bytes = Batch::new(batch.as_bytes());
    for _ in 0..12 {
        let mut start = 0;
        for text in texts {
            let lying = bytes.text(start..start + text.len()).unwrap();
            start += text.len();
            let wanted = serde.read::<T>(lying).map_err(|error| error.to_string());
            assert_eq!(record.record::<T>(lying).map_err(|error| error.to_string()), wanted, "{text}");
            assert_eq!(tidegate_json::record::<T>(text).map_err(|error| error.to_string()), wanted, "{text}");
        }
    }
}

macro_rules! same {
    ($type:ty: $($text:expr),+ $(,)?) => {{
        let texts = [$($text),+];
        same::<$type>(&texts.concat(), &texts);
    }};
}

#[test]
fn a_record_is_read_as_serde_reads_it() {
    let whole = r#"{"productName":"tea","quantity":3,"price":-1.25,"note":"a","type":"x","tags":[1,null,-128],"seven":8,"place":{"shelf":-5,"box":["a"]},"more":{"a":true},"paid":false}"#;
    let sale: Sale<'_> = tidegate_json::record(whole).unwrap();
    assert_eq!((sale.product_name, sale.quantity, sale.seven, sale.paid), ("tea", 3, 8, false));
    assert_eq!(sale.place.unwrap().shelf, -5);
    same!(Sale<'_>:
        whole,
        r#"{"productName":"tea","quantity":3,"price":1e2,"type":"x","paid":true}"#,
        r#"{ "paid" : true , "kind" : "\u0061" , "price" : 7 , "quantity" : 3 , "productName" : "tea" , "note" : null }"#,
        "{\r\n\t\"paid\": true,\r\n\t\"art\": \"\",\n\"price\":0.5,\"quantity\":4294967295,\"productName\":\"\", \"unknown\": [{}, 1]}",
        r#"["tea",3,1.5,null,"x",[],1,null,null,true]"#,
        r#"["tea",3,1.5,null,"x",[],1,null,null]"#,
        r#"["tea",3,1.5,null,"x",[],1,null,null,true,1]"#,
        r#"{"productName":"tea","quantity":3,"quantity":3}"#,
        r#"{"productName":"tea","type":"x","kind":"y"}"#,
        r#"{"productName":"tea","quantity":-1}"#,
        r#"{"productName":"tea","quantity":4294967296}"#,
        r#"{"productName":"tea","quantity":1.0}"#,
        r#"{"productName":"t\n","quantity":1}"#,
        r#"{"productName":"tea","quantity":3,"price":"1"}"#,
        r#"{"productName":"tea","quantity":3,"price":1,"place":{"shelf":-0}}"#,
        r#"{"productName":"tea","quantity":3,"price":1,"place":{"other":1}}"#,
        r#"{"productName":"tea","quantity":3,"price":1,"place":{"box":["ab"]}}"#,
        r#"{"productName":"tea","quantity":3,"price":1,"type":"x","paid":True}"#,
        r#"{"productName":"tea"}"#,
        r#"{"productName":"tea",}"#,
        r#"{"productName" "tea"}"#,
        r#"{"productName":"tea"} x"#,
        "{", "", "7", "null", "\"a\"", "[", "[]", "{}", " {} ", "{,}",
    );
}

#[test]
fn small_structs_and_those_with_parameters_are_read_as_serde_reads_them() {
    same!(One: r#"{"a":1}"#, r#"{"b":2}"#, r#"{"0":3}"#, r#"{"\u0061":4}"#, r#"{"c":5}"#, "[6]", "[]", "[7,8]", "{}");
    same!(None: "{}", r#"{"a":[1,{"b":null}]}"#, "[]", "[1]", "{1}", "null");
    same!(Pair<u8, 3>: r#"{"left":1,"right":2}"#, r#"{"right":1,"left":256}"#, r#"{"right":1}"#, "[1,2]", "[1,-2]");
    same!(Pair<Option<Pair<Option<u8>, 1>>, 0>: r#"{"left":{},"right":{"left":1,"right":null}}"#, "{}", "[null,[1]]");
}

#[test]
fn no_record_is_nested_deeper_than_others() {
    #[derive(Debug, PartialEq, Deserialize, Record)]
    struct Chain {
        next: Option<Box<Chain>>,
    }
    let nested = |levels: usize| format!("{}null{}", r#"{"next":"#.repeat(levels), "}".repeat(levels));
    let (right, wrong) = (nested(127), nested(128));
    same!(Chain: right.as_str(), wrong.as_str());
    assert!(tidegate_json::record::<Chain>(&right).is_ok());
    assert!(tidegate_json::record::<Chain>(&wrong).is_err());
}
