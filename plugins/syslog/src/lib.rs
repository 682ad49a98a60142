//! Messages of syslog: topic `syslog`, a message a record, as RFC 5424 or RFC 3164 says; one row each.
//!
//! Setting, optional: `utc_offset` ("+00:00"), where the clocks of RFC 3164 stand, whose times name no zone. They name
//! no year either: it is the one that puts them nearest to the record's timestamp.
//!
//! ```text
//! reader           where in a message one is, and what is wrong there
//! priority         facility and severity
//! rfc5424          the newer format
//!   structured     its structured data
//! rfc3164          the older one
//!   clock          its times
//! ```

mod clock;
mod priority;
mod reader;
mod rfc3164;
mod rfc5424;
mod structured;

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_plugin::{DateTime64, Out, Record, Reject, Row, Setup, SetupError, plugin};

use crate::clock::UtcOffset;
use crate::priority::Priority;
use crate::reader::Reader;

plugin! { init: Syslog::init, routes: { "message" => Message<'_> }, transform: Syslog::transform }

struct Syslog {
    offset: UtcOffset,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    utc_offset: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { utc_offset: "+00:00".to_owned() }
    }
}

#[derive(Row)]
#[row(partition, offset)]
struct Message<'a> {
    time: DateTime64<6>,
    #[row(low_cardinality)]
    facility: &'static str,
    #[row(low_cardinality)]
    severity: &'static str,
    #[row(low_cardinality)]
    host: Option<&'a str>,
    #[row(low_cardinality)]
    app: Option<&'a str>,
    procid: Option<&'a str>,
    #[row(low_cardinality)]
    msgid: Option<&'a str>,
    /// `ELEMENT.NAME` and the value.
    structured_data: BTreeMap<String, String>,
    message: &'a str,
    #[row(low_cardinality)]
    format: &'static str,
}

impl Syslog {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        let settings: Settings = setup.settings()?;
        Ok(Self { offset: UtcOffset::new(settings.utc_offset)? })
    }

    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let mut reader = Reader::new(record.text()?);
        let priority = Priority::read(&mut reader)?;
        // A time of RFC 3164 begins with the name of a month, and a version is a number.
        let message = match reader.next_is(|byte| byte.is_ascii_digit()) {
            true => rfc5424::read(reader, priority, record.timestamp())?,
            false => rfc3164::read(reader, priority, &self.offset, record.timestamp())?,
        };
        out.emit(&message);
        Ok(())
    }
}

/// The text of a message without the line end that a transport over streams leaves behind it.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests;
