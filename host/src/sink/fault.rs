//! Why a sink does not take rows. Told to an operator as it is, so every text names the table.

use std::fmt;

/// Why a sink does not take rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkFault {
    /// It cannot be reached, or cannot just now.
    #[error("{0}")]
    Unavailable(String),
    /// It refuses: credentials, rights, a setting. Somebody has to mend something.
    #[error("{0}")]
    Refused(String),
    /// It takes the write as such, but not some of the rows: [`Table::blame`](super::Table::blame) says which.
    #[error("{0}")]
    Rows(String),
    /// The live table is not one that takes rows of the declared columns.
    #[error("{0}")]
    Mismatch(Mismatch),
}

/// All in which a live table does not fit the declared columns; at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// As the pipeline file calls it.
    pub table: String,
    /// In the order of the declared columns.
    pub problems: Vec<Problem>,
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The column, where it is one.
    pub column: Option<String>,
    /// What is wrong: "it has no column `a`".
    pub problem: String,
    /// What would mend it, where a statement can.
    pub statement: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}` does not fit the plugin: ", self.table)?;
        for (index, Problem { problem, statement, .. }) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
            if let Some(statement) = statement {
                write!(f, "; {statement}")?;
            }
        }
        Ok(())
    }
}
