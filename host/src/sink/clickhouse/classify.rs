//! Errors of the server: what may pass by itself, and what somebody has to mend.

use clickhouse::error::Error;

use crate::rows::shortened;
use crate::sink::SinkFault;

/// Errors that somebody has to mend, by ClickHouse's codes; all others may pass by themselves.
/// 8, 10, 16 and 47 no such column, 44 a column that takes no values, 53 types do not fit, 60 no such table, 81 no such database,
/// 117 names or types of the header do not fit, 164 read-only, 192 to 194 and 516 wrong user or password, 497 not enough rights.
const REFUSED: [u32; 15] = [8, 10, 16, 44, 47, 53, 60, 81, 117, 164, 192, 193, 194, 497, 516];

/// An answer quotes the statement and lists columns: its beginning says what is wrong.
const LONGEST_ANSWER: usize = 500;

pub(super) fn classify(action: &str, fault: &Error) -> SinkFault {
    match fault {
        Error::BadResponse(answer) => {
            let answer = answer.trim();
            let text = format!("{action}: {}", shortened(answer.to_owned(), LONGEST_ANSWER));
            match code(answer).is_some_and(|code| REFUSED.contains(&code)) {
                true => SinkFault::Refused(text),
                false => SinkFault::Unavailable(text),
            }
        }
        Error::Network(cause) => SinkFault::Unavailable(format!("{action}: network error: {}", chain(&**cause))),
        other => SinkFault::Unavailable(format!("{action}: {other}")),
    }
}

/// The number in `Code: 516. DB::Exception: ...`.
fn code(answer: &str) -> Option<u32> {
    let rest = answer.split_once("Code: ")?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest.get(..end)?.parse().ok()
}

fn chain(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_somebody_must_mend_are_told_from_those_that_pass() {
        let classified = |answer: &str| classify("insert", &Error::BadResponse(answer.to_owned()));
        assert!(matches!(
            classified("Code: 516. DB::Exception: default: Authentication failed"),
            SinkFault::Refused(_)
        ));
        assert!(matches!(classified("Code: 241. DB::Exception: Memory limit"), SinkFault::Unavailable(_)));
        assert!(matches!(classified("Bad Gateway"), SinkFault::Unavailable(_)));
        assert!(matches!(classify("insert", &Error::TimedOut), SinkFault::Unavailable(_)));
    }
}
