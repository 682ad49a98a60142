//! Streams of similar texts, and what was learned of them.

use std::cell::RefCell;

use serde::Deserialize;

use crate::error::Error;
use crate::learned::Learned;
use crate::reader::Reader;
use crate::record::FromJson;
use crate::text::Text;

/// Reads many texts that are alike, each the quicker for those before it.
///
/// Any texts may come in any order, of any types: what was learned makes them quick and never decides what they are.
#[derive(Debug)]
pub struct Stream {
    learned: RefCell<Learned>,
}

impl Stream {
    /// A stream of which nothing is known yet. It takes some 30 KiB.
    pub fn new() -> Self {
        Self { learned: RefCell::new(Learned::new()) }
    }

    /// Reads one JSON value that makes up the whole text, white space around it aside.
    ///
    /// # Errors
    /// Where the text is not JSON, or is JSON that does not fit `T`.
    #[inline(always)]
    pub fn read<'de, T: Deserialize<'de>>(&self, text: Text<'de>) -> Result<T, Error> {
        // Taken already where a type reads from the stream that it is read from itself; that one learns nothing.
        let mut learned = self.learned.try_borrow_mut().ok();
        Reader::whole(text, learned.as_deref_mut(), |reader| T::deserialize(reader))
    }

    /// The same without serde: for types that derive [`Record`](crate::Record).
    ///
    /// # Errors
    /// Where the text is not JSON, or is JSON that does not fit `T`.
    #[inline(always)]
    pub fn record<'de, T: FromJson<'de>>(&self, text: Text<'de>) -> Result<T, Error> {
        let mut learned = self.learned.try_borrow_mut().ok();
        Reader::whole(text, learned.as_deref_mut(), |reader| T::from_text(reader))
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}
