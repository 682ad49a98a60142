//! What the golden cases cannot say: how a person is read where nothing is copied and where something has to be.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tidegate_plugin::native::{self, Input, MemoryEnvironment};

use super::Exported;

fn run(values: &[&str]) -> tidegate_plugin::contract::Output {
    let records: Vec<_> = values.iter().map(|value| Input::value(*value)).collect();
    native::run::<Exported>(MemoryEnvironment::new(), "{}", &records).unwrap()
}

const ADA: &str = r#"{"uuid":"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e","first_name":"Ada","last_name":"Lovelace",
    "middle_name":"King","timestamp":"2026-11-20T10:15:00.123Z"}"#;

#[test]
fn a_middle_name_that_is_missing_and_one_that_is_null_are_the_same_row() {
    let [missing, null] = ["", r#""middle_name":null,"#].map(|member| ADA.replace(r#""middle_name":"King","#, member));
    let rows = native::decode::<Exported>(&run(&[ADA, &missing, &null])).unwrap();
    let middle_names: Vec<_> = rows.iter().map(|row| row.get("middle_name")).collect();
    assert_eq!(middle_names, [Some("King"), None, None]);
    let others = |index: usize| ["uuid", "first_name", "last_name", "timestamp"].map(|column| rows[index].get(column));
    assert_eq!(others(1), others(0));
    assert_eq!(others(2), others(0));
}

#[test]
fn a_bad_record_does_not_take_its_neighbours_along() {
    let output = run(&[ADA, "{", ADA]);
    let offsets: Vec<_> = native::decode::<Exported>(&output).unwrap();
    let offsets: Vec<_> = offsets.iter().map(|row| row.get("_offset")).collect();
    assert_eq!(offsets, [Some("0"), Some("2")]);
    assert_eq!(output.rejects.len(), 1);
    assert_eq!(output.rejects[0].origin, 1);
}
