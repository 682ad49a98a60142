//! The server's errors, told as they are: its message, what it says besides, and its SQLSTATE.

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::rows::shortened;
use crate::sink::SinkFault;

/// An error quotes values and statements: its beginning says what is wrong.
const LONGEST: usize = 500;

/// States that somebody has to mend; all others may pass by themselves. By class: 22 values, 23 constraints, 28 credentials,
/// 3D no such database, 3F no such schema, 42 names, types and rights, 0A not supported; 25006 a server that only reads.
const REFUSED: [&str; 8] = ["22", "23", "28", "3D", "3F", "42", "0A", "25006"];

/// What an error of `action` is.
pub fn classify(action: &str, fault: &Error) -> SinkFault {
    match fault.as_db_error() {
        Some(answer) => {
            let text = format!("{action}: {}", shortened(said(answer), LONGEST));
            match REFUSED.iter().any(|state| answer.code().code().starts_with(state)) {
                true => SinkFault::Refused(text),
                false => SinkFault::Unavailable(text),
            }
        }
        None => SinkFault::Unavailable(format!("{action}: {}", chain(fault))),
    }
}

fn said(answer: &DbError) -> String {
    let parts = [Some(answer.message()), answer.detail(), answer.where_(), answer.hint()];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    format!("{} (SQLSTATE {})", parts.join("; "), answer.code().code())
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
