//! Errors of the server: what may pass by itself, what somebody has to mend, and what some of the rows are to blame for. By the codes
//! that ClickHouse publishes (`src/Common/ErrorCodes.cpp`), and by the text where one code means several things.

use clickhouse::error::Error;

use crate::rows::shortened;
use crate::sink::SinkFault;

/// Errors that somebody has to mend, by ClickHouse's codes; all others may pass by themselves.
/// 8, 10, 16 and 47 no such column, 44 a column that takes no values, 53 types do not fit, 60 no such table, 81 no such database,
/// 115 no such setting, 117 names or types of the header do not fit, 164 read-only, 192 to 194 and 516 wrong user or password, 452 and
/// 472 a setting that the user may not change, 497 not enough rights.
const REFUSED: [u32; 18] = [8, 10, 16, 44, 47, 53, 60, 81, 115, 117, 164, 192, 193, 194, 452, 472, 497, 516];

/// Errors that values make: of a constraint, of what a column is computed from, of a partition's or a sorting key, of a text for a JSON
/// column. What a table makes of every row alike may be among them: who looks for the rows finds that out.
/// 6, 25, 26, 27, 72, 130, 441, 467, 563 and 632 no such number, text, list or map, 38 and 41 no date or time, 69, 128, 131, 321 and 407
/// beyond what a type or a function holds, 153 division by zero, 190 lists of different lengths, 349 a null for a column that takes none,
/// 376 no UUID, 395 `throwIf`, 469 a constraint, 675 and 676 no address, 691 none of an Enum's names.
const ROWS: [u32; 26] = [
    6, 25, 26, 27, 38, 41, 69, 72, 128, 130, 131, 153, 190, 321, 349, 376, 395, 407, 441, 467, 469, 563, 632, 675, 676,
    691,
];

/// Where a code means other things as well, the texts that name values. 117: a JSON text that is none, a Sign or an `is_deleted` that
/// is out of its set. 252, which is also "too many parts": rows of more partitions than one insert may have.
const ROWS_BY_TEXT: [(u32, &str); 4] = [
    (117, "Cannot parse JSON object"),
    (117, "Incorrect data: "),
    (117, "(at row "),
    (252, "Too many partitions for single INSERT block"),
];

/// How the server ends a text that is about a view of the table. The table itself has the rows by then.
const VIEW: &str = "while pushing to view ";

/// An answer quotes the statement and lists columns: its beginning says what is wrong.
const LONGEST_ANSWER: usize = 500;

/// What an answer to a question means.
pub(super) fn classify(action: &str, fault: &Error) -> SinkFault {
    match fault {
        Error::BadResponse(answer) => {
            let (text, code) = (told(action, answer), code(answer));
            match code.is_some_and(|code| REFUSED.contains(&code)) {
                true => SinkFault::Refused(text),
                false => SinkFault::Unavailable(text),
            }
        }
        Error::Network(cause) => SinkFault::Unavailable(format!("{action}: network error: {}", chain(&**cause))),
        other => SinkFault::Unavailable(format!("{action}: {other}")),
    }
}

/// What an answer to an insert means, where rows may be to blame.
pub(super) fn classify_insert(action: &str, fault: &Error) -> SinkFault {
    let Error::BadResponse(answer) = fault else { return classify(action, fault) };
    if let Some((_, view)) = answer.split_once(VIEW) {
        let view = view.split([':', ' ', '(']).next().unwrap_or_default().trim_end_matches('.');
        let text = told(action, answer);
        // Not the rows' fault: the table has them. Whatever the view does not take now, it takes with the next try once it is mended.
        return SinkFault::Unavailable(format!(
            "{text}; the table has the rows already, its view `{view}` fails on them: mend the view or drop it, and what it lacks is \
             written into it"
        ));
    }
    if are_rows_to_blame(answer) { SinkFault::Rows(told(action, answer)) } else { classify(action, fault) }
}

fn are_rows_to_blame(answer: &str) -> bool {
    let Some(code) = code(answer) else { return false };
    ROWS.contains(&code) || ROWS_BY_TEXT.iter().any(|(other, text)| *other == code && answer.contains(text))
}

fn told(action: &str, answer: &str) -> String {
    format!("{action}: {}", shortened(answer.trim().to_owned(), LONGEST_ANSWER))
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

    fn inserted(answer: &str) -> SinkFault {
        classify_insert("insert", &Error::BadResponse(answer.to_owned()))
    }

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

    #[test]
    fn rows_are_to_blame_for_values_and_for_nothing_else() {
        for answer in [
            "Code: 469. DB::Exception: Constraint `c` for table shop.sales is violated at row 2. (VIOLATED_CONSTRAINT)",
            "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100). The limit is controlled by ...",
            "Code: 117. DB::Exception: Cannot parse JSON object here: {\"a\":1: (at row 1)",
            "Code: 117. DB::Exception: Incorrect data: Sign = 5 (must be 1 or -1). (INCORRECT_DATA)",
            "Code: 349. DB::Exception: Cannot convert NULL value to non-Nullable type",
            "Code: 38. DB::Exception: Cannot parse date: expected a date in the YYYY-MM-DD format",
        ] {
            assert!(matches!(inserted(answer), SinkFault::Rows(_)), "{answer}");
        }
        for answer in [
            "Code: 252. DB::Exception: Too many parts (3000 with average size of 1.00 KiB). Merges are processing slower than inserts",
            "Code: 159. DB::Exception: Timeout exceeded",
            "Code: 201. DB::Exception: Quota for user `u` for 60s has been exceeded",
            "Code: 202. DB::Exception: Too many simultaneous queries",
            "Code: 241. DB::Exception: Memory limit (total) exceeded",
            "Code: 242. DB::Exception: Table is in readonly mode",
            "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space",
            "Code: 319. DB::Exception: Unknown status of insert",
            "Code: 33. DB::Exception: Cannot read all data",
            "Code: 99999. DB::Exception: what nobody knows yet",
            "<html>503 Service Unavailable</html>",
            "429 Too Many Requests",
            "",
        ] {
            assert!(matches!(inserted(answer), SinkFault::Unavailable(_)), "{answer}");
        }
        assert!(matches!(
            inserted("Code: 117. DB::Exception: Type of 'n' must be UInt32, not UInt64"),
            SinkFault::Refused(_)
        ));
        assert!(matches!(inserted("Code: 497. DB::Exception: u: Not enough privileges"), SinkFault::Refused(_)));
    }

    #[test]
    fn a_view_that_fails_is_named_and_no_row_is_blamed() {
        let answer = "Code: 469. DB::Exception: Constraint `cc` for table z.d is violated at row 2: while pushing to view z.v3 \
                      (9c980aa9-d8c6-4199-bad7-5d3841dfdcfe): while pushing to view z.v2. (VIOLATED_CONSTRAINT)";
        let SinkFault::Unavailable(text) = inserted(answer) else { panic!("{answer}") };
        assert!(text.contains("its view `z.v3` fails on them"), "{text}");
        let last = "Code: 153. DB::Exception: Division by zero: while pushing to view z.v1. (ILLEGAL_DIVISION)";
        let SinkFault::Unavailable(text) = inserted(last) else { panic!("{last}") };
        assert!(text.contains("its view `z.v1` fails"), "{text}");
    }
}
