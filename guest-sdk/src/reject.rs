//! Why a record is refused. Made by the author's code and by `?`; read by the glue that answers a batch.

use std::error::Error;
use std::fmt;

/// A reason goes into a header of the dead letter and into a log line. Longer ones come from errors that quote
/// their input, and a batch of bad records must not be answered with a copy of itself.
const LONGEST_REASON: usize = 1_024;

/// A record that the plugin refuses, with the reason that goes to the dead letters with it.
///
/// Any [`Error`] becomes one, with its sources, so `?` works in a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    reason: String,
}

impl Reject {
    /// A refusal for this reason, which is cut after 1,024 bytes.
    #[cold]
    pub fn new(reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > LONGEST_REASON {
            reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
            reason.push('…');
        }
        Self { reason }
    }

    /// The reason as the dead letter will carry it.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn into_reason(self) -> String {
        self.reason
    }
}

impl<E: Error> From<E> for Reject {
    #[cold]
    fn from(error: E) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(reason)
    }
}

impl From<Reject> for String {
    fn from(reject: Reject) -> Self {
        reject.reason
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_a_long_reason_between_characters() {
        let reject = Reject::new("é".repeat(2_000));
        assert_eq!(reject.reason(), format!("{}…", "é".repeat(512)));
        let odd = Reject::new(format!("x{}", "é".repeat(2_000)));
        assert_eq!(odd.reason().len(), 1 + 511 * 2 + '…'.len_utf8());
    }

    #[test]
    fn names_the_sources_of_an_error() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("read price")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let cause = "x".parse::<u8>().map_err(Outer);
        assert_eq!(cause.map_err(Reject::from), Err(Reject::new("read price: invalid digit found in string")));
    }
}
