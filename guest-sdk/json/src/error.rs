//! What is wrong with a text, and where. While a text is read an error says only what; `locate` adds the rest when reading
//! has failed, so that nothing of it costs a text that is right.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::locate::Place;

/// Why a text could not be read: what was expected, what was found, at which byte and where in the value.
///
/// It reads ``expected `,` or `}`, found `x` at $.items[2].price, byte 41``; where the whole value is meant, ``at byte 41``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Problem>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    message: Message,
    /// None as long as nobody knows.
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Message {
    /// Something else was expected than what stands there.
    Expected {
        expected: &'static str,
        found: String,
    },
    Syntax(&'static str),
    Fit(String),
}

impl Error {
    /// Something else stands in the text than what JSON wants there.
    #[cold]
    pub(crate) fn expected(expected: &'static str) -> Self {
        Self::new(Message::Expected { expected, found: String::new() })
    }

    #[cold]
    pub(crate) fn syntax(message: &'static str) -> Self {
        Self::new(Message::Syntax(message))
    }

    fn new(message: Message) -> Self {
        Self(Box::new(Problem { message, place: None }))
    }

    /// The same with its place, and with what stands there.
    pub(crate) fn placed(mut self, text: &str, place: Place) -> Self {
        if let Message::Expected { found, .. } = &mut self.0.message {
            *found = match text.get(place.offset..).map(|rest| rest.chars().next()) {
                Some(Some(char @ ('`' | '\''))) => format!("\"{char}\""),
                Some(Some(char)) if char.is_control() => format!("{char:?}"),
                Some(Some(char)) => format!("`{char}`"),
                _ => "the end of the text".to_owned(),
            };
        }
        self.0.place = Some(place);
        self
    }

    /// Whether the text is JSON as far as it was read, but does not fit the type.
    pub fn is_data(&self) -> bool {
        matches!(self.0.message, Message::Fit(_))
    }

    /// Where, in bytes from 0: where the value begins that does not fit, or the first byte that is not JSON.
    pub fn offset(&self) -> usize {
        self.0.place.as_ref().map_or(0, |place| place.offset)
    }

    /// Where in the value: `$` for all of it, `$.items[2].price` for a part.
    pub fn path(&self) -> &str {
        self.0.place.as_ref().map_or("$", |place| &place.path)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.message {
            Message::Expected { expected, found } if found.is_empty() => write!(f, "expected {expected}")?,
            Message::Expected { expected, found } => write!(f, "expected {expected}, found {found}")?,
            Message::Syntax(message) => f.write_str(message)?,
            Message::Fit(message) => f.write_str(message)?,
        }
        match &self.0.place {
            None => Ok(()),
            Some(Place { offset, path }) if path == "$" => write!(f, " at byte {offset}"),
            Some(Place { offset, path }) => write!(f, " at {path}, byte {offset}"),
        }
    }
}

impl std::error::Error for Error {}

// Every one of them apart and cold: what serde would write in place of its own takes room where values are read.
impl serde::de::Error for Error {
    #[cold]
    #[inline(never)]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Message::Fit(message.to_string()))
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid type: {unexpected}, expected {expected}"))
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid value: {unexpected}, expected {expected}"))
    }

    #[cold]
    #[inline(never)]
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid length {length}, expected {expected}"))
    }

    #[cold]
    #[inline(never)]
    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("missing field `{field}`"))
    }

    #[cold]
    #[inline(never)]
    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("duplicate field `{field}`"))
    }
}
