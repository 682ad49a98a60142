//! `<34>`: eight times the facility and the severity, the same in both formats. Names are those of syslog.conf.

use tidegate_plugin::Reject;

use crate::reader::Reader;

/// What sent a message, and how urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    pub facility: &'static str,
    pub severity: &'static str,
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl Priority {
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Reject> {
        reader.expect("<")?;
        let digits = reader.word("a priority from 0 to 191", |byte| byte.is_ascii_digit())?;
        let priority = Self::numbered(digits).ok_or_else(|| {
            reader.give_back(digits);
            reader.expected("a priority from 0 to 191")
        })?;
        reader.expect(">")?;
        Ok(priority)
    }

    fn numbered(digits: &str) -> Option<Self> {
        let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
        let number: usize = digits.parse().ok().filter(|_| !has_leading_zero)?;
        let facility = FACILITIES.get(number / SEVERITIES.len())?;
        Some(Self { facility, severity: SEVERITIES.get(number % SEVERITIES.len())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Option<(&'static str, &'static str)> {
        let priority = Priority::read(&mut Reader::new(text)).ok()?;
        Some((priority.facility, priority.severity))
    }

    #[test]
    fn a_priority_is_a_facility_and_a_severity() {
        assert_eq!(names("<0>"), Some(("kern", "emerg")));
        assert_eq!(names("<34>"), Some(("auth", "crit")));
        assert_eq!(names("<165>"), Some(("local4", "notice")));
        assert_eq!(names("<191>"), Some(("local7", "debug")));
    }

    #[test]
    fn other_numbers_are_none() {
        for text in ["<192>", "<034>", "<00>", "<-1>", "<>", "<34", "34>", "", "<99999999999999999999999>"] {
            assert_eq!(names(text), None, "{text}");
        }
    }
}
