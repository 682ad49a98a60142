//! What the golden cases cannot say: the lookups, the settings, and values too large to keep as files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tidegate_plugin::contract::Output;
use tidegate_plugin::native::{self, Input, MemoryEnvironment};

use super::Exported;

const SALE: &str = r#"{"event_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","event_time":"2026-11-20T10:15:00.123Z",
    "product_id":17,"quantity":2,"price":149.90,"channel":"web","customer_id":123456,"ignored":{"a":[1,2]}}"#;

fn products() -> MemoryEnvironment {
    let rows = [["17", "Samovar, brass", "kitchen"], ["18", "Kettle", "kitchen"]];
    MemoryEnvironment::new().with_table("products", &["product_id", "name", "category"], &rows)
}

fn run(settings: &str, value: &str) -> Output {
    native::run::<Exported>(products(), settings, &[Input::value(value)]).unwrap()
}

fn reason(value: &str) -> String {
    let output = run("{}", value);
    assert_eq!(output.rows, []);
    output.rejects[0].reason.clone()
}

#[test]
fn a_sale_becomes_a_row_with_its_product() {
    let sale = native::decode::<Exported>(&run("{}", SALE)).unwrap().remove(0);
    let columns: Vec<_> = sale.columns.iter().map(|(name, value)| (&**name, value.as_deref().unwrap())).collect();
    assert_eq!(
        columns,
        [
            ("event_id", "0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e"),
            ("event_time", "2026-11-20 10:15:00.123"),
            ("product_id", "17"),
            ("product", "Samovar, brass"),
            ("category", "kitchen"),
            ("quantity", "2"),
            ("price", "149.9000"),
            ("amount", "299.8000"),
            ("currency", "RUB"),
            ("channel", "web"),
            ("customer_id", "123456"),
            ("_partition", "0"),
            ("_offset", "0"),
        ]
    );
}

#[test]
fn settings_choose_the_currency_and_the_channel_to_drop() {
    let settings = r#"{"currency":"KZT","test_channel":"web"}"#;
    assert_eq!(run(settings, SALE), Output { rows: vec![], rejects: vec![] });
    let sale = native::decode::<Exported>(&run(settings, &SALE.replace("web", "test"))).unwrap().remove(0);
    assert_eq!((sale.get("currency"), sale.get("channel")), (Some("KZT"), Some("test")));
}

#[test]
fn an_unknown_setting_is_refused() {
    let refused = native::run::<Exported>(products(), r#"{"curency":"EUR"}"#, &[]).unwrap_err();
    assert!(refused.to_string().starts_with("settings: unknown field `curency`, expected `currency`"), "{refused}");
}

#[test]
fn a_pipeline_without_the_products_is_refused() {
    let refused = native::run::<Exported>(MemoryEnvironment::new(), "{}", &[]).unwrap_err();
    assert!(refused.to_string().starts_with("open lookup table products: "), "{refused}");
}

#[test]
fn a_product_is_asked_for_once() {
    let environment = products();
    native::run::<Exported>(environment.clone(), "{}", &vec![Input::value(SALE); 100]).unwrap();
    assert_eq!(environment.gets(), 1);
}

#[test]
fn nesting_of_ten_thousand_levels_is_refused_wherever_it_stands() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let unread = reason(&SALE.replace(r#"{"a":[1,2]}"#, &deep));
    assert!(unread.starts_with("the value is not JSON: nested deeper than 127 levels at $."), "{unread}");
    assert!(reason(&"[".repeat(10_000)).starts_with("the value is not JSON: nested deeper than 127 levels"));
    assert!(reason(&r#"{"a":"#.repeat(10_000)).starts_with("the value is not JSON: nested deeper than 127 levels"));
}

#[test]
fn an_escape_in_a_string_is_resolved() {
    let sale = native::decode::<Exported>(&run("{}", &SALE.replace("web", r"w\u0065b\n"))).unwrap().remove(0);
    assert_eq!(sale.get("channel"), Some("web\n"));
}

#[test]
fn a_reason_does_not_repeat_a_long_value() {
    let reason = reason(&SALE.replace("149.90", &format!("\"{}\"", "9".repeat(100_000))));
    assert!(reason.len() < 1_100 && reason.ends_with('…'), "{}", reason.len());
}
