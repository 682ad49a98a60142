//! What the golden cases cannot say: settings, ranges of several batches, and texts too large to keep as files.

use std::rc::Rc;

use tidegate_plugin::native::{self, Decoded, Input, Instance, MemoryEnvironment};

use super::Exported;

fn run(settings: &str, values: &[&str]) -> Vec<Decoded> {
    let records: Vec<_> = values.iter().map(|value| Input::value(*value)).collect();
    let output = native::run::<Exported>(MemoryEnvironment::new(), settings, &records).unwrap();
    assert_eq!(output.rejects, []);
    native::decode::<Exported>(&output).unwrap()
}

fn summary(row: &Decoded) -> [Option<&str>; 7] {
    ["device", "metric", "readings", "out_of_range", "min", "max", "mean"].map(|column| row.get(column))
}

fn summaries(rows: &[Decoded]) -> Vec<[Option<&str>; 7]> {
    rows.iter().filter(|row| row.route == "summary").map(summary).collect()
}

fn refused(settings: &str) -> String {
    native::run::<Exported>(MemoryEnvironment::new(), settings, &[]).unwrap_err().to_string()
}

#[test]
fn a_device_is_summed_up_once_a_range_whatever_the_order_of_its_readings() {
    let lines = ["b,t,1795169700,2", "a,t,1795169700,4", "b,t,1795169701,-1.5", "a,t,1795169700,4\nb,t,1795169702,400"];
    let mut turned = lines;
    turned.reverse();
    let expected = [
        [Some("a"), Some("t"), Some("2"), Some("0"), Some("4"), Some("4"), Some("4")],
        [Some("b"), Some("t"), Some("2"), Some("1"), Some("-1.5"), Some("2"), Some("0.25")],
    ];
    assert_eq!(summaries(&run("{}", &lines)), expected);
    assert_eq!(summaries(&run("{}", &turned)), expected);
}

#[test]
fn a_range_of_several_batches_has_one_summary_and_the_next_range_starts_anew() {
    for _range in 0..2 {
        let mut instance = Instance::<Exported>::new(Rc::new(MemoryEnvironment::new()), "{}").unwrap();
        for _batch in 0..3 {
            let batch = native::batch("sensors", 0, &[Input::value("a,t,1795169700,1")]);
            instance.transform(&batch);
        }
        let rows = native::decode::<Exported>(&instance.finish()).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].record, rows[0].get("readings")), (None, Some("3")));
    }
}

#[test]
fn a_rejected_record_leaves_nothing_in_the_summaries() {
    let records = [Input::value("a,t,1795169700,1\nb,t,1795169700,500\nb,t,1795169700,warm"), Input::value("c,t,0,7")];
    let output = native::run::<Exported>(MemoryEnvironment::new(), "{}", &records).unwrap();
    assert_eq!(output.rejects.len(), 1);
    let rows = native::decode::<Exported>(&output).unwrap();
    let devices: Vec<_> = rows.iter().map(|row| row.get("device").unwrap()).collect();
    assert_eq!(devices, ["c", "c"]);
}

#[test]
fn bounds_are_in_range_and_a_metric_may_have_its_own() {
    let settings = r#"{"min":0,"max":10,"metrics":{"rpm":{"max":9000},"volt":{"min":-400,"max":400}}}"#;
    let value = "a,t,0,0\na,t,0,10\na,t,0,10.1\na,t,0,-0.1\na,rpm,0,9000\na,rpm,0,-1\na,volt,0,-400\na,volt,0,401";
    let rows = run(settings, &[value]);
    let counts: Vec<_> = summaries(&rows).into_iter().map(|row| (row[1], row[2], row[3])).collect();
    let [one, two] = [Some("1"), Some("2")];
    assert_eq!(counts, [(Some("rpm"), one, one), (Some("t"), two, two), (Some("volt"), one, one)]);
}

#[test]
fn bounds_that_no_value_is_between_are_refused() {
    assert_eq!(refused(r#"{"min":5,"max":-5}"#), "settings: min is 5 and max is -5, no value is in range");
    let own = r#"{"metrics":{"rpm":{"min":151}}}"#;
    assert_eq!(refused(own), "settings: metrics.rpm: min is 151 and max is 150, no value is in range");
    assert!(refused(r#"{"minimum":5}"#).starts_with("settings: unknown field `minimum`"));
}

#[test]
fn a_record_of_a_hundred_thousand_lines_is_read_whole() {
    let value = "pump-1,temperature,1795169700,20.5,\"a\nb\"\n".repeat(100_000);
    let rows = run("{}", &[&value]);
    assert_eq!(rows.len(), 100_001);
    assert_eq!(rows[99_999].get("_ordinal"), Some("99999"));
    assert_eq!(summaries(&rows)[0][6], Some("20.5"));
}

#[test]
fn a_reason_does_not_repeat_a_long_field() {
    let value = format!("a,t,0,{}", "x".repeat(100_000));
    let output = native::run::<Exported>(MemoryEnvironment::new(), "{}", &[Input::value(&*value)]).unwrap();
    assert!(output.rejects[0].reason.len() < 1_100);
}
