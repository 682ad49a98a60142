//! Where reading stands in a text, and the steps that every front end takes: over spaces, into brackets, to the end.

use crate::DEPTH;
use crate::error::Error;
use crate::learned::Learned;
use crate::locate;
use crate::source::Source;
use crate::text::Text;

/// Reads a text, front to back.
#[derive(Debug)]
pub struct Reader<'s, 'de> {
    pub(crate) source: Source<'de>,
    pub(crate) at: usize,
    pub(crate) depth: u8,
    /// What few texts need. One pointer, so that it costs little where it is not.
    aside: Option<Box<Aside>>,
    /// What is known of texts that came before.
    pub(crate) learned: Option<&'s mut Learned>,
}

#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// Strings with escapes are put together here.
    pub(crate) scratch: String,
    /// Why a key could not be read, until somebody asks.
    pub(crate) failure: Option<Error>,
}

impl<'s, 'de> Reader<'s, 'de> {
    #[inline]
    pub(crate) fn new(text: Text<'de>, learned: Option<&'s mut Learned>) -> Self {
        // An object or array ends with its bracket, so what lies behind it is never taken for a part of it. A number alone goes
        // on as far as there are digits.
        let readable = match text.first() {
            b'{' | b'[' => text.readable(),
            _ => text.as_str(),
        };
        Self { source: Source::new(readable), at: 0, depth: 0, aside: None, learned }
    }

    pub(crate) fn aside(&mut self) -> &mut Aside {
        self.aside.get_or_insert_default()
    }

    pub(crate) fn scratch(&self) -> &str {
        self.aside.as_ref().map_or("", |aside| &aside.scratch)
    }

    /// Reads a value that makes up the whole text, white space around it aside.
    ///
    /// # Errors
    /// Those of `read`, with their place, and where there is more.
    #[inline(always)]
    pub(crate) fn whole<T>(
        text: Text<'de>,
        learned: Option<&'s mut Learned>,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut reader = Self::new(text, learned);
        let mut result = read(&mut reader);
        if result.is_err() || !reader.is_done(text.len()) {
            result = Err(failed(text, result.err(), reader.at));
        }
        if let Some(aside) = reader.aside {
            forget(aside);
        }
        result
    }

    /// Has something done that is rarely to be done, with a copy of this reader: as long as nobody has the address of a reader, what
    /// it knows lies in no memory, and the next byte to look at is known some steps sooner.
    #[doc(hidden)]
    #[inline(always)]
    pub fn apart<T>(&mut self, act: impl FnOnce(&mut Reader<'_, 'de>) -> T) -> T {
        let mut copy = Reader {
            source: self.source,
            at: self.at,
            depth: self.depth,
            aside: self.aside.take(),
            learned: self.learned.as_deref_mut(),
        };
        let result = act(&mut copy);
        let Reader { at, depth, aside, .. } = copy;
        (self.at, self.depth) = (at, depth);
        // It was taken out above, so there is nothing to be dropped.
        std::mem::forget(std::mem::replace(&mut self.aside, aside));
        result
    }

    /// Whether nothing but white space stands behind the value that was read, up to the end of a text of so many bytes.
    #[inline(always)]
    pub(crate) fn is_done(&mut self, length: usize) -> bool {
        // Nothing beyond it was taken, but space may run on into what lies behind the text.
        self.at == length
            || self.at < length && {
                self.peek_apart();
                self.at >= length
            }
    }

    /// The next byte that is not white space, without taking it; 0 at the end.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> u8 {
        let byte = self.source.byte(self.at);
        if byte > b' ' { byte } else { self.peek_behind_space() }
    }

    #[inline(never)]
    fn peek_behind_space(&mut self) -> u8 {
        self.at = self.source.behind_space(self.at);
        self.source.byte(self.at)
    }

    /// The same, with this reader's address kept to itself: see [`apart`](Self::apart).
    #[inline(always)]
    pub(crate) fn peek_apart(&mut self) -> u8 {
        let byte = self.source.byte(self.at);
        if byte > b' ' {
            return byte;
        }
        self.at = self.source.behind_any_space(self.at);
        self.source.byte(self.at)
    }

    #[inline(always)]
    pub(crate) fn colon(&mut self) -> Result<(), Error> {
        if self.peek() != b':' {
            return Err(Error::expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes the closing bracket of an object or array that is read no further. If there is more in it, it does not fit.
    #[inline]
    pub(crate) fn close(&mut self, bracket: u8, more: &'static str) -> Result<(), Error> {
        if self.peek() != bracket {
            return Err(serde::de::Error::custom(more));
        }
        self.at += 1;
        Ok(())
    }

    /// Takes `true`, `false` or `null`, of which the first letter stands here.
    #[inline]
    pub(crate) fn word(&mut self, word: &'static str) -> Result<(), Error> {
        let mut wanted = [0; 8];
        wanted.iter_mut().zip(word.bytes()).for_each(|(byte, letter)| *byte = letter);
        let mask = u64::MAX >> (64 - 8 * word.len() as u32);
        if self.source.eight(self.at) & mask != u64::from_le_bytes(wanted) {
            return Err(Error::expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Takes an opening bracket, and with it a level.
    #[inline(always)]
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        if self.depth >= DEPTH {
            return Err(too_deep());
        }
        self.at += 1;
        self.depth += 1;
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// The error with its place; without one, that there is more behind the value.
#[cold]
#[inline(never)]
fn failed(text: Text<'_>, error: Option<Error>, at: usize) -> Error {
    locate::explain(text.as_str(), error.unwrap_or_else(|| Error::expected("the end of the text")), at)
}

#[cold]
#[inline(never)]
fn forget(aside: Box<Aside>) {
    drop(aside);
}

#[cold]
pub(crate) fn too_deep() -> Error {
    Error::syntax("nested deeper than 127 levels")
}
