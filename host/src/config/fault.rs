//! Faults of configuration files.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// The key with the sections around it: `batch.linger`.
    pub key: String,
    /// The value, and what would be right.
    pub problem: String,
    /// What would mend it, where a statement for a database can.
    pub statement: Option<String>,
}

/// All that is wrong in a file; at least one fault.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ConfigFaults {
    /// The file.
    pub file: PathBuf,
    /// In the order of their lines.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let Fault { line, key, problem, statement } = fault;
            let separator = if index == 0 { "" } else { "\n" };
            match key.as_str() {
                "" => write!(f, "{separator}{}:{line}: {problem}", self.file.display())?,
                key => write!(f, "{separator}{}:{line}: `{key}`: {problem}", self.file.display())?,
            }
            if let Some(statement) = statement {
                write!(f, "; {statement}")?;
            }
        }
        Ok(())
    }
}
