//! What the golden cases cannot say: the lookup table, and headers in every order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tidegate_plugin::contract::Output;
use tidegate_plugin::native::{self, Input, MemoryEnvironment};

use super::Exported;

const CLICK: &str = r#"{"click_id":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","time":0,"campaign":"brand"}"#;

fn campaigns() -> MemoryEnvironment {
    MemoryEnvironment::new().with_table(
        "campaigns",
        &["campaign_id", "name", "channel"],
        &[["brand", "Brand", "search"]],
    )
}

fn run(record: Input<'_>) -> Output {
    native::run::<Exported>(campaigns(), "{}", &[record]).unwrap()
}

#[test]
fn the_header_is_found_wherever_it_stands() {
    for place in 0..3 {
        let mut record = Input::value(CLICK);
        for index in 0..3 {
            record = if index == place { record.header("source", "clicks") } else { record.header("trace", "orders") };
        }
        let rows = native::decode::<Exported>(&run(record)).unwrap();
        assert_eq!((rows[0].get("source"), rows[0].get("campaign")), (Some("clicks"), Some("Brand")));
    }
}

#[test]
fn the_value_does_not_matter_where_the_header_is_wrong() {
    for value in [CLICK, "", "garbage"] {
        let output = run(Input::value(value).header("source", "clicks").null_header("source"));
        assert_eq!(output.rejects[0].reason, "the header `source` stands there 2 times; it should stand there once");
    }
}

#[test]
fn a_campaign_is_asked_for_once_whether_known_or_not() {
    let environment = campaigns();
    let unknown = CLICK.replace("brand", "retired");
    let records: Vec<_> =
        [CLICK, &unknown].repeat(50).into_iter().map(|value| Input::value(value).header("source", "clicks")).collect();
    let output = native::run::<Exported>(environment.clone(), "{}", &records).unwrap();
    let names: Vec<_> = native::decode::<Exported>(&output).unwrap();
    let known = names.iter().filter(|row| row.get("campaign") == Some("Brand")).count();
    assert_eq!((names.len(), known, environment.gets()), (100, 50, 2));
}

#[test]
fn a_table_without_the_columns_names_them_in_the_reason() {
    let table = MemoryEnvironment::new().with_table("campaigns", &["campaign_id", "title"], &[["brand", "Brand"]]);
    let output = native::run::<Exported>(table, "{}", &[Input::value(CLICK).header("source", "clicks")]).unwrap();
    let reason = "lookup table campaigns, key brand: no column name, there are: campaign_id, title";
    assert_eq!(output.rejects[0].reason, reason);
}

#[test]
fn a_pipeline_without_the_campaigns_is_refused() {
    let refused = native::run::<Exported>(MemoryEnvironment::new(), "{}", &[]).unwrap_err();
    assert!(refused.to_string().starts_with("open lookup table campaigns: "), "{refused}");
}
