//! Generated readings and messages of syslog: every row of every record, and the summaries of all ranges taken together.
//! Natively, where any number of ranges is cheap; nothing here needs a service.

use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::ensure;
use tidegate_demo::examples::sensors::{ExpectedReadings, Sensors, Totals};
use tidegate_demo::examples::syslog::{ExpectedMessage, Syslog};
use tidegate_plugin::native::{Decoded, Input, Instance, MemoryEnvironment, batch, decode};

const RECORDS: usize = 20_000;
const RANGE: usize = 777;

#[test]
fn generated_readings_become_their_rows_and_summaries_add_up_over_ranges() -> anyhow::Result<()> {
    let mut source = Sensors::new(1, 0.05);
    let (mut totals, mut expected, mut malformed) = (Totals::default(), Vec::new(), 0);
    let mut values = Vec::new();
    for _ in 0..RECORDS {
        let record = source.next_record();
        values.push(record.value.unwrap_or_default().to_vec());
        match record.expected {
            ExpectedReadings::Malformed => malformed += 1,
            ExpectedReadings::Readings(readings) => {
                for reading in readings {
                    totals.add(reading);
                    let note = Some(reading.note).filter(|note| !note.is_empty()).map(str::to_owned);
                    if reading.in_range {
                        expected.push((reading.device.clone(), reading.metric, reading.time, reading.value, note));
                    }
                }
            }
        }
    }
    let (mut found, mut rejects, mut found_totals) = (Vec::new(), 0, BTreeMap::new());
    for range in values.chunks(RANGE) {
        let records: Vec<_> = range.iter().map(|value| Input::value(value.as_slice())).collect();
        let mut instance = Instance::<sensors::Exported>::new(Rc::new(MemoryEnvironment::new()), "{}")?;
        let output = instance.transform(&batch("sensors", 0, &records));
        rejects += output.rejects.len();
        found.extend(decode::<sensors::Exported>(&output)?);
        for row in decode::<sensors::Exported>(&instance.finish())? {
            add(&mut found_totals, &row);
        }
    }
    ensure!(malformed > 500 && rejects == malformed, "{rejects} of {malformed} malformed records are rejected");
    ensure!(found.len() == expected.len() && expected.len() > RECORDS, "{} of {} rows", found.len(), expected.len());
    for (row, (device, metric, time, value, note)) in found.iter().zip(expected) {
        let time = tidegate_plugin::DateTime64::<3>::from_millis(time)?.to_string();
        let columns = ["device", "metric", "time", "note"].map(|column| row.get(column).map(str::to_owned));
        ensure!(columns == [Some(device), Some(metric.to_owned()), Some(time), note], "{row:?}");
        ensure!(hundredths(row, "value") == Some(value), "{row:?} is not {value} hundredths");
    }
    let totals: BTreeMap<_, _> = totals
        .0
        .into_iter()
        .map(|((device, _), total)| (device, (total.readings, total.out_of_range, total.bounds)))
        .collect();
    ensure!(found_totals == totals, "found {found_totals:#?}, expected {totals:#?}");
    Ok(())
}

type Found = (u64, u64, Option<(i64, i64)>);

fn add(totals: &mut BTreeMap<String, Found>, row: &Decoded) {
    let number = |column| row.get(column).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let (readings, out_of_range, bounds) = totals.entry(row.get("device").unwrap_or_default().to_owned()).or_default();
    *readings += number("readings");
    *out_of_range += number("out_of_range");
    if let (Some(min), Some(max)) = (hundredths(row, "min"), hundredths(row, "max")) {
        let before = bounds.unwrap_or((min, max));
        *bounds = Some((before.0.min(min), before.1.max(max)));
    }
}

fn hundredths(row: &Decoded, column: &str) -> Option<i64> {
    Some((row.get(column)?.parse::<f64>().ok()? * 100.0).round() as i64)
}

#[test]
fn generated_messages_of_syslog_become_their_rows() -> anyhow::Result<()> {
    let mut source = Syslog::new(1, 0.05);
    let mut malformed = 0;
    for _ in 0..RECORDS {
        let record = source.next_record();
        let input = Input::value(record.value.unwrap_or_default()).timestamp(record.timestamp);
        let mut instance = Instance::<syslog::Exported>::new(Rc::new(MemoryEnvironment::new()), "{}")?;
        let output = instance.transform(&batch("syslog", 0, &[input]));
        let rows = decode::<syslog::Exported>(&output)?;
        let ExpectedMessage::Message(message) = record.expected else {
            ensure!(rows.is_empty() && output.rejects.len() == 1, "a malformed message became {rows:?}");
            malformed += 1;
            continue;
        };
        let [row] = rows.as_slice() else { anyhow::bail!("{message:?} became {output:?}") };
        let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let data: Vec<_> =
            message.structured_data.iter().map(|(key, value)| format!("{}:{}", quoted(key), quoted(value))).collect();
        let time = tidegate_plugin::DateTime64::<6>::from_ticks(message.time)?.to_string();
        let data = format!("{{{}}}", data.join(","));
        let expected = [
            ("time", Some(&*time)),
            ("facility", Some(message.facility)),
            ("severity", Some(message.severity)),
            ("host", message.host),
            ("app", message.app),
            ("procid", message.procid.as_deref()),
            ("msgid", message.msgid),
            ("structured_data", Some(&*data)),
            ("message", Some(message.message)),
            ("format", Some(message.format)),
        ];
        for (column, value) in expected {
            ensure!(row.get(column) == value, "{column} of {row:?} is not {value:?}");
        }
    }
    ensure!(malformed > 500, "only {malformed} were malformed");
    Ok(())
}
