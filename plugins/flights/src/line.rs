//! A line of the file as its columns. The file has neither quotes nor fields with commas; a line that had some would
//! have another number of fields and be refused.

use std::fmt::Display;
use std::str::FromStr;

use tidegate_plugin::Reject;

/// The columns in the order of the file. `year`, `month`, `day` and `hour` say in New York's time what `time_hour` says in
/// UTC.
const COLUMNS: [&str; 19] = [
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
];

/// How the file writes that something is not known.
const NOT_AVAILABLE: &str = "NA";

/// The fields of a line.
pub struct Line<'a>([&'a str; COLUMNS.len()]);

impl<'a> Line<'a> {
    pub fn split(text: &'a str) -> Result<Self, Reject> {
        let mut fields = [""; COLUMNS.len()];
        let mut count = 0;
        for field in text.trim_end_matches(['\r', '\n']).split(',') {
            if let Some(place) = fields.get_mut(count) {
                *place = field;
            }
            count += 1;
        }
        if count != COLUMNS.len() {
            return Err(Reject::new(format!("the line has {count} fields, a flight has {}", COLUMNS.len())));
        }
        Ok(Self(fields))
    }

    /// A field, where it is known.
    pub fn known(&self, column: &str) -> Result<Option<&'a str>, Reject> {
        let position = COLUMNS.iter().position(|name| *name == column);
        let field = position.and_then(|position| self.0.get(position)).copied();
        match field.ok_or_else(|| Reject::new(format!("a flight has no column {column}")))? {
            NOT_AVAILABLE => Ok(None),
            "" => Err(Reject::new(format!(
                "column {column} is empty, it should be {NOT_AVAILABLE} where nothing is known"
            ))),
            field => Ok(Some(field)),
        }
    }

    /// A field that must be known.
    pub fn text(&self, column: &str) -> Result<&'a str, Reject> {
        self.known(column)?
            .ok_or_else(|| Reject::new(format!("column {column} is {NOT_AVAILABLE}, every flight has one")))
    }

    /// A value, where it is known.
    pub fn optional<T: FromStr<Err: Display>>(&self, column: &str) -> Result<Option<T>, Reject> {
        self.known(column)?.map(|field| read(column, field)).transpose()
    }

    /// A value that must be known.
    pub fn parse<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, Reject> {
        read(column, self.text(column)?)
    }
}

fn read<T: FromStr<Err: Display>>(column: &str, field: &str) -> Result<T, Reject> {
    field.parse().map_err(|fault| Reject::new(format!("column {column} is {field:?}: {fault}")))
}
