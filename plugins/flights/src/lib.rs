//! Flights that left New York City in 2013: topic `flights`, a line of the data set's CSV file a record, just as it stands
//! there; one row each. `docs/examples.md` says where the data set comes from.
//!
//! No settings. Lookup table: `airlines`, a file of the same data set, with the columns `carrier` and `name`.

mod line;

use std::rc::Rc;

use tidegate_plugin::{DateTime, Out, Record, Reject, Row, Setup, SetupError, Table, plugin};

use crate::line::Line;

plugin! { init: Flights::init, routes: { "flight" => Flight<'_> }, transform: Flights::transform }

struct Flights {
    airlines: Table<String, String>,
}

/// Times of day are those of the airport's clock, as hours times 100 and minutes; delays and the time in the air are
/// minutes. What is null did not happen: a flight that was cancelled has no departure, one that was diverted no arrival.
#[derive(Row)]
#[row(partition, offset)]
struct Flight<'a> {
    scheduled: DateTime,
    departed: Option<DateTime>,
    #[row(low_cardinality)]
    carrier: &'a str,
    #[row(low_cardinality)]
    airline: &'a str,
    flight: u16,
    tailnum: Option<&'a str>,
    #[row(low_cardinality)]
    origin: &'a str,
    #[row(low_cardinality)]
    dest: &'a str,
    sched_dep_time: u16,
    dep_time: Option<u16>,
    /// Negative where it left early.
    dep_delay: Option<i16>,
    sched_arr_time: u16,
    arr_time: Option<u16>,
    arr_delay: Option<i16>,
    air_time: Option<u16>,
    /// In miles.
    distance: u16,
}

const SECONDS_A_MINUTE: i64 = 60;

impl Flights {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        Ok(Self { airlines: setup.table("airlines", |row| Ok(row.get("name")?.to_owned()))? })
    }

    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let line = Line::split(record.text()?)?;
        let hour: DateTime = line.parse("time_hour")?;
        let scheduled = later(hour, line.parse::<u8>("minute")?.into())?;
        let dep_delay: Option<i16> = line.optional("dep_delay")?;
        let carrier = line.text("carrier")?;
        let airline: Option<Rc<String>> = self.airlines.get(&carrier.to_owned())?;
        out.emit(&Flight {
            scheduled,
            departed: dep_delay.map(|minutes| later(scheduled, minutes.into())).transpose()?,
            carrier,
            airline: airline.as_deref().map_or("unknown", |name| name),
            flight: line.parse("flight")?,
            tailnum: line.known("tailnum")?,
            origin: line.text("origin")?,
            dest: line.text("dest")?,
            sched_dep_time: line.parse("sched_dep_time")?,
            dep_time: line.optional("dep_time")?,
            dep_delay,
            sched_arr_time: line.parse("sched_arr_time")?,
            arr_time: line.optional("arr_time")?,
            arr_delay: line.optional("arr_delay")?,
            air_time: line.optional("air_time")?,
            distance: line.parse("distance")?,
        });
        Ok(())
    }
}

fn later(time: DateTime, minutes: i64) -> Result<DateTime, Reject> {
    let seconds = i64::from(time.seconds()) + minutes * SECONDS_A_MINUTE;
    let seconds =
        u32::try_from(seconds).map_err(|_| Reject::new(format!("{minutes} minutes after {time} is no DateTime")))?;
    Ok(DateTime::from_seconds(seconds))
}

#[cfg(test)]
mod tests;
