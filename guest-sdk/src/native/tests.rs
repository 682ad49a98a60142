//! The forms of `plugin!`, run as the gateway runs them.

use super::*;
use crate::contract::{Level, NO_RECORD};
use crate::{Out, Record, Reject, Row, log};

mod plain {
    use super::*;

    #[derive(Row)]
    #[row(topic, partition, offset, ordinal)]
    pub(super) struct Word<'a> {
        word: &'a str,
    }

    #[derive(Row)]
    pub(super) struct Length {
        length: u32,
    }

    fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        for word in record.text()?.split(' ') {
            if word == "bad" {
                return Err(Reject::new("a bad word"));
            }
            if word != "skip" {
                out.emit(&Word { word });
                out.emit(&Length { length: word.len() as u32 });
            }
        }
        Ok(())
    }

    crate::plugin! { routes: { "word" => Word<'_>, "length" => Length }, transform: transform }
}

mod summing {
    use super::*;
    use crate::{Setup, SetupError};
    use serde::Deserialize;

    #[derive(Row)]
    #[row(partition, offset, ordinal)]
    pub(super) struct Sum {
        sum: u64,
    }

    #[derive(Deserialize)]
    pub(super) struct Sums {
        limit: u64,
        #[serde(skip)]
        sum: u64,
    }

    impl Sums {
        fn init(setup: &Setup) -> Result<Self, SetupError> {
            log::info("started");
            setup.settings()
        }

        fn transform(&mut self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
            let number: u64 = record.text()?.parse()?;
            self.sum += number;
            if number == 7 {
                out.emit(&Sum { sum: 7 });
                log::warn("seven");
            }
            Ok(())
        }

        fn finish(&mut self, out: &mut Out) -> Result<(), Reject> {
            out.emit(&Sum { sum: self.sum });
            if self.sum > self.limit {
                return Err(Reject::new("over the limit"));
            }
            Ok(())
        }
    }

    crate::plugin! { init: Sums::init, routes: { "sum" => Sum }, transform_mut: Sums::transform, finish: Sums::finish }
}

fn decoded<P: Plugin>(output: &Output) -> Vec<(String, Option<u32>, Vec<String>)> {
    decode::<P>(output)
        .unwrap_or_default()
        .into_iter()
        .map(|row| (row.route, row.record, row.columns.into_iter().flat_map(|(_, value)| value).collect()))
        .collect()
}

fn row(route: &str, record: Option<u32>, values: &[&str]) -> (String, Option<u32>, Vec<String>) {
    (route.into(), record, values.iter().map(|&value| value.into()).collect())
}

#[test]
fn a_plain_function_emits_drops_and_refuses() -> Result<(), SetupError> {
    let records = [
        Input::value("one two"),
        Input::value("skip"),
        Input::value("three bad"),
        Input::null(),
        Input::value("four").offset(70),
    ];
    let output = run::<plain::Exported>(MemoryEnvironment::new(), "{}", &records)?;
    assert_eq!(
        decoded::<plain::Exported>(&output),
        [
            row("word", Some(0), &["one", "test", "0", "0", "0"]),
            row("word", Some(0), &["two", "test", "0", "0", "2"]),
            row("word", Some(4), &["four", "test", "0", "70", "0"]),
            row("length", Some(0), &["3"]),
            row("length", Some(0), &["3"]),
            row("length", Some(4), &["4"]),
        ]
    );
    let rejects: Vec<_> = output.rejects.iter().map(|reject| (reject.origin, &*reject.reason)).collect();
    assert_eq!(rejects, [(2, "a bad word"), (3, "the value is null")]);
    Ok(())
}

#[test]
fn a_description_names_the_crate_and_the_routes_in_order() {
    let plain = plain::Exported::describe();
    assert_eq!((&*plain.name, plain.stateless), ("tidegate-plugin", true));
    assert_eq!(plain.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(plain.routes.iter().map(|route| &*route.name).collect::<Vec<_>>(), ["word", "length"]);
    assert!(!summing::Exported::describe().stateless);
}

#[test]
fn rows_of_finish_stand_for_the_range() -> Result<(), SetupError> {
    let records = [Input::value("1").offset(4), Input::value("7").offset(9)];
    let output = run::<summing::Exported>(MemoryEnvironment::new(), r#"{"limit":100}"#, &records)?;
    assert_eq!(
        decoded::<summing::Exported>(&output),
        [row("sum", Some(1), &["7", "0", "9", "0"]), row("sum", None, &["8", "0", "9", "1"])]
    );
    assert_eq!(output.rejects, []);
    Ok(())
}

#[test]
fn an_error_of_finish_takes_back_its_rows_alone() -> Result<(), SetupError> {
    let output =
        run::<summing::Exported>(MemoryEnvironment::new(), r#"{"limit":7}"#, &[Input::value("7"), Input::value("1")])?;
    assert_eq!(decoded::<summing::Exported>(&output), [row("sum", Some(0), &["7", "0", "0", "0"])]);
    let rejects: Vec<_> = output.rejects.iter().map(|reject| (reject.origin, &*reject.reason)).collect();
    assert_eq!(rejects, [(NO_RECORD, "over the limit")]);
    Ok(())
}

#[test]
fn state_lives_as_long_as_its_instance() -> Result<(), SetupError> {
    let mut instance = Instance::<summing::Exported>::new(Rc::new(MemoryEnvironment::new()), r#"{"limit":100}"#)?;
    for _ in 0..2 {
        assert_eq!(instance.transform(&batch("t", 1, &[Input::value("5")])).rows, []);
    }
    let output = instance.finish();
    assert_eq!(decoded::<summing::Exported>(&output), [row("sum", None, &["10", "1", "0", "0"])]);
    Ok(())
}

#[test]
fn settings_that_do_not_fit_are_refused_at_the_start() {
    let refused = run::<summing::Exported>(MemoryEnvironment::new(), r#"{"limit":"x"}"#, &[]);
    let expected = "settings: invalid type: string \"x\", expected u64 at $.limit, byte 9";
    assert_eq!(refused.map_err(String::from), Err(expected.to_owned()));
}

#[test]
fn log_lines_reach_the_environment_of_their_instance() -> Result<(), SetupError> {
    let environment = MemoryEnvironment::new();
    run::<summing::Exported>(environment.clone(), r#"{"limit":100}"#, &[Input::value("7")])?;
    let lines = environment.lines();
    let lines: Vec<_> = lines.iter().map(|(level, line)| (*level, &**line)).collect();
    assert_eq!(lines, [(Level::Info, "started"), (Level::Warn, "seven")]);
    Ok(())
}

#[test]
fn output_is_the_same_whatever_batches_came_before() -> Result<(), SetupError> {
    let mut instance = Instance::<plain::Exported>::new(Rc::new(MemoryEnvironment::new()), "{}")?;
    let first = batch("t", 1, &[Input::value("a"), Input::value("bad"), Input::value("b c")]);
    let expected = instance.transform(&first);
    instance.transform(&batch("u", 2, &[Input::value("something else altogether")]));
    assert_eq!(instance.transform(&batch("t", 1, &[])).rows, []);
    assert_eq!(instance.transform(&first), expected);
    Ok(())
}
