//! `derive(Record)` answers as `derive(Deserialize)` on the same struct.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use tidegate_json::{Record, Stream};

#[derive(Debug, PartialEq, Deserialize, Record)]
struct Sale<'a> {
    product: &'a str,
    quantity: u32,
    note: Option<String>,
}

#[test]
fn a() {
    let stream = Stream::new();
    let text = r#"{"product":"tea","quantity":3}                                                            "#;
    for _ in 0..5 {
        let sale: Sale = stream.record(text.into()).unwrap();
        assert_eq!(sale, tidegate_json::from_str(text).unwrap());
    }
}
