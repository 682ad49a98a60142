//! Readings of devices: topic `sensors`, CSV values of one or more lines, one row a reading. At the end of a range every
//! device has a row more, on a route of its own: how many readings it had there, and between which values.
//!
//! Columns: `device`, `metric` (or `unit`), `time`, `value`, and `note`, which may be left out. A header row is skipped
//! wherever it stands; the lines below it, up to the end of the record, are in its order. Settings, all optional: `min`
//! and `max` (-50 and 150), and for a metric of its own bounds `[settings.metrics.NAME]`. What is beyond them is left
//! out and counted.
//!
//! ```text
//! csv          a text as lines, a line as fields
//! layout       which field is which column
//! measurement  a line as a measurement
//! bounds       the settings
//! summary      what is known of a device
//! ```

mod bounds;
mod csv;
mod layout;
mod measurement;
mod summary;

use std::collections::BTreeMap;

use tidegate_plugin::{DateTime64, Out, Record, Reject, Row, Setup, SetupError, plugin};

use crate::bounds::Bounds;
use crate::csv::Lines;
use crate::layout::Layout;
use crate::measurement::Measurement;
use crate::summary::{Series, Summary};

plugin! {
    init: Sensors::init,
    routes: { "reading" => Reading<'_>, "summary" => DeviceSummary<'_> },
    transform_mut: Sensors::transform,
    finish: Sensors::finish,
}

struct Sensors {
    bounds: Bounds,
    /// In an order that does not depend on that of the records: a range that is read again gives the same rows.
    summaries: BTreeMap<Series, Summary>,
}

#[derive(Row)]
#[row(partition, offset, ordinal)]
struct Reading<'a> {
    #[row(low_cardinality)]
    device: &'a str,
    #[row(low_cardinality)]
    metric: &'a str,
    time: DateTime64<3>,
    value: f64,
    note: Option<&'a str>,
}

/// A device's readings of one metric over a range. Offset and partition are those of the range's last record.
#[derive(Row)]
#[row(partition, offset)]
struct DeviceSummary<'a> {
    #[row(low_cardinality)]
    device: &'a str,
    #[row(low_cardinality)]
    metric: &'a str,
    readings: u64,
    out_of_range: u64,
    /// Null where every reading was out of range, as `max` and `mean` are.
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
}

impl Sensors {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        Ok(Self { bounds: Bounds::read(setup)?, summaries: BTreeMap::new() })
    }

    fn transform(&mut self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        // All lines before any: the summaries cannot take back what the gateway takes back of a rejected record.
        let measurements = read(record.text()?)?;
        for measurement in &measurements {
            let summary = self.summaries.entry(measurement.series()).or_default();
            if self.bounds.hold(&measurement.metric, measurement.value) {
                summary.add(measurement.value);
                out.emit(&measurement.reading());
            } else {
                summary.out_of_range += 1;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), Reject> {
        for (series, summary) in &self.summaries {
            out.emit(&DeviceSummary {
                device: &series.device,
                metric: &series.metric,
                readings: summary.readings,
                out_of_range: summary.out_of_range,
                min: summary.min(),
                max: summary.max(),
                mean: summary.mean(),
            });
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Vec<Measurement<'_>>, Reject> {
    if text.is_empty() {
        return Err(Reject::new("the value is empty"));
    }
    let mut layout = Layout::default();
    let mut measurements = Vec::new();
    for line in Lines::of(text) {
        let line = line?;
        match Layout::of_header(&line)? {
            Some(header) => layout = header,
            None => measurements.push(Measurement::read(line, &layout)?),
        }
    }
    Ok(measurements)
}

#[cfg(test)]
mod tests;
