//! The server's errors, told as they are: its message, what it says besides, and its SQLSTATE, which says whose fault it is. The states are
//! those of the appendix "PostgreSQL Error Codes" of PostgreSQL's documentation.

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::rows::shortened;
use crate::sink::SinkFault;

/// An error quotes values and statements: its beginning says what is wrong.
const LONGEST: usize = 500;

/// States that rows are to blame for, by class or in full: 21 more rows than one, 22 values, 23 constraints, partitions that are missing
/// and exclusion, 44 WITH CHECK OPTION, 54 values that are too large or too deep, and what a function in PL/pgSQL raises, as triggers do.
const ROWS: [&str; 9] = ["21", "22", "23", "44", "54", "P0001", "P0002", "P0003", "P0004"];

/// States that somebody has to mend; all others may pass by themselves. By class: 28 credentials, 3D no such database, 3F no such schema,
/// 42 names, types and rights, 0A not supported; 25006 a server that only reads.
const REFUSED: [&str; 6] = ["28", "3D", "3F", "42", "0A", "25006"];

/// What an error of `action` is.
pub fn classify(action: &str, fault: &Error) -> SinkFault {
    let Some(answer) = fault.as_db_error() else {
        return SinkFault::Unavailable(format!("{action}: {}", chain(fault)));
    };
    let text = format!("{action}: {}", shortened(said(answer), LONGEST));
    let is_one_of = |states: &[&str]| states.iter().any(|state| answer.code().code().starts_with(state));
    match (is_one_of(&ROWS), is_one_of(&REFUSED)) {
        (true, _) => SinkFault::Rows(text),
        (false, true) => SinkFault::Refused(text),
        (false, false) => SinkFault::Unavailable(text),
    }
}

/// The row of a COPY, from 0, at which the server gave up; a hint and no more: a row may have been looked at behind others.
pub fn row(fault: &Error) -> Option<usize> {
    // "COPY sales, line 7, column price", behind the lines of functions that were under way within. The number is that of the row.
    let context = fault.as_db_error()?.where_()?;
    let (_, rest) = context.rsplit_once(", line ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse::<usize>().ok()?.checked_sub(1)
}

fn said(answer: &DbError) -> String {
    let parts = [Some(answer.message()), answer.detail(), answer.where_(), answer.hint()];
    let parts: Vec<_> = parts.into_iter().flatten().map(one_line).collect();
    format!("{} (SQLSTATE {})", parts.join("; "), answer.code().code())
}

/// Some of the server's texts have several lines: Greenplum's of a segment that is gone, and the places in functions.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn chain(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    let mut texts: Vec<String> = Vec::new();
    for text in causes.map(ToString::to_string) {
        // An error of the client prints its cause already.
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
