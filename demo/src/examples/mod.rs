//! Records for the example plugins that are not the shop's, each with what should become of it. As with the shop, the same
//! seed gives the same bytes, and what is expected is worked out from the values that a record was rendered from.

pub mod sensors;
pub mod syslog;

use crate::produce::{Outgoing, Source};

impl Source for sensors::Sensors {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        let record = sensors::Sensors::next_record(self);
        take(Outgoing { key: record.key, value: record.value, timestamp: record.timestamp });
    }
}

impl Source for syslog::Syslog {
    fn next_record(&mut self, take: &mut dyn FnMut(Outgoing<'_>)) {
        let record = syslog::Syslog::next_record(self);
        take(Outgoing { key: record.key, value: record.value, timestamp: record.timestamp });
    }
}
