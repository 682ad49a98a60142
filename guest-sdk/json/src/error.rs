//! What is wrong with a text, and where.

use std::fmt;

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Problem>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    message: Message,
    /// Counted from 0; none as long as nobody knows.
    byte: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    Syntax(&'static str),
    Fit(String),
}

impl Error {
    #[cold]
    pub(crate) fn syntax(message: &'static str) -> Self {
        Self(Box::new(Problem { message: Message::Syntax(message), byte: None }))
    }

    /// Says where, unless that is known already.
    #[cold]
    pub(crate) fn at(mut self, byte: usize) -> Self {
        self.0.byte.get_or_insert(byte);
        self
    }

    /// Whether the text is JSON as far as it was read, but does not fit the type.
    pub fn is_data(&self) -> bool {
        matches!(self.0.message, Message::Fit(_))
    }

    /// The byte of the text at which reading stopped, counted from 0.
    pub fn byte(&self) -> usize {
        self.0.byte.unwrap_or_default()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.message {
            Message::Syntax(message) => f.write_str(message)?,
            Message::Fit(message) => f.write_str(message)?,
        }
        write!(f, " at byte {}", self.byte())
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Problem { message: Message::Fit(message.to_string()), byte: None }))
    }
}
