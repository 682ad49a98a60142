//! A value that its column's type cannot hold. Made where times and decimals are read.

use std::error::Error;
use std::fmt;

/// A value that its type cannot hold; the text names the value and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue(String);

impl InvalidValue {
    #[cold]
    pub(crate) fn new(message: String) -> Self {
        Self(message)
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for InvalidValue {}
