//! Where in a value an error is. A text that could not be read is walked over once more, with the path kept: so nobody pays for
//! paths but those who need one.

use std::fmt::Write;

use crate::error::Error;
use crate::reader::Reader;
use crate::text::Text;

/// A place in a text: a byte, counted from 0, and what stands there, as `$.items[2].price`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub offset: usize,
    pub path: String,
}

/// The error with its place. `at` is where reading stopped: behind the value that does not fit or its key, or at the byte
/// that is not wanted there.
///
/// A text that is not JSON is said to be none, whatever else is wrong with it: what lies behind it may have been taken for a
/// part of it, and what was made of that means nothing.
pub fn explain(text: &str, error: Error, at: usize) -> Error {
    let mut walk = Walk::new(text, usize::MAX);
    if let Err(error) = walk.run() {
        return error.placed(text, Place { offset: walk.reader.at.min(text.len()), path: walk.path() });
    }
    let at = at.min(text.len());
    let mut walk = Walk::new(text, at);
    let begin = walk.run().unwrap_or(at);
    let offset = if error.is_data() { begin } else { at };
    error.placed(text, Place { offset, path: walk.path() })
}

struct Walk<'t> {
    reader: Reader<'t, 't>,
    levels: Vec<Level<'t>>,
    target: usize,
}

/// An open object or array.
struct Level<'t> {
    begin: usize,
    within: Within<'t>,
}

enum Within<'t> {
    /// The key of the member that is being read, between its quotes.
    Object(Option<&'t str>),
    /// The index of the element that is being read.
    Array(usize),
}

impl<'t> Walk<'t> {
    fn new(text: &'t str, target: usize) -> Self {
        Self { reader: Reader::new(Text::from(text), None), levels: Vec::new(), target }
    }

    /// Goes on until the target. Returns where the value begins that ends there, that is about to begin, or that it lies in.
    fn run(&mut self) -> Result<usize, Error> {
        loop {
            let byte = self.reader.peek();
            let mut begin = self.reader.at;
            if begin >= self.target {
                return Ok(begin);
            }
            let opened = match byte {
                b'{' => Some((Within::Object(None), b'}')),
                b'[' => Some((Within::Array(0), b']')),
                _ => None,
            };
            match opened {
                Some((within, closing)) => {
                    self.reader.enter()?;
                    self.levels.push(Level { begin, within });
                    if self.reader.peek() != closing {
                        self.key("a key in quotes or `}`")?;
                        continue;
                    }
                    self.close();
                }
                None => self.reader.skip_scalar(byte)?,
            }
            // A value has ended; so may what it stands in.
            loop {
                if self.reader.at >= self.target {
                    return Ok(begin);
                }
                if self.levels.is_empty() {
                    return self.end(begin);
                }
                match self.next()? {
                    Some(ended) => begin = ended,
                    None => break,
                }
            }
        }
    }

    /// The whole value has ended.
    fn end(&mut self, begin: usize) -> Result<usize, Error> {
        match self.reader.is_done(self.reader.source.text().len()) || self.target != usize::MAX {
            true => Ok(begin),
            false => Err(Error::expected("the end of the text")),
        }
    }

    /// Takes what stands behind a value: a comma with the next key, or a closing bracket, for which it returns where its object
    /// or array began.
    fn next(&mut self) -> Result<Option<usize>, Error> {
        let Some(level) = self.levels.last_mut() else { return Ok(None) };
        let (closing, expected) = match &mut level.within {
            Within::Object(key) => {
                *key = None;
                (b'}', "`,` or `}`")
            }
            Within::Array(_) => (b']', "`,` or `]`"),
        };
        match self.reader.peek() {
            b',' => {
                self.reader.at += 1;
                if let Within::Array(index) = &mut level.within {
                    *index += 1;
                }
                self.key("a key in quotes")?;
                Ok(None)
            }
            byte if byte == closing => Ok(self.close()),
            _ => Err(Error::expected(expected)),
        }
    }

    /// Takes a key and its colon, where the innermost level is an object.
    fn key(&mut self, expected: &'static str) -> Result<(), Error> {
        let Some(Level { within: Within::Object(key), .. }) = self.levels.last_mut() else { return Ok(()) };
        if self.reader.peek() != b'"' {
            return Err(Error::expected(expected));
        }
        let start = self.reader.at + 1;
        self.reader.skip_string()?;
        *key = self.reader.source.text().get(start..self.reader.at - 1);
        self.reader.colon()
    }

    fn close(&mut self) -> Option<usize> {
        self.reader.at += 1;
        self.reader.leave();
        self.levels.pop().map(|level| level.begin)
    }

    fn path(&self) -> String {
        let mut path = String::from("$");
        let (outer, inner) = match self.levels.len() > SHOWN_OUTER + SHOWN_INNER {
            true => self.levels.split_at(SHOWN_OUTER),
            false => (&*self.levels, [].as_slice()),
        };
        outer.iter().for_each(|level| level.within.append_to(&mut path));
        if let Some(left_out) = inner.len().checked_sub(SHOWN_INNER).filter(|left_out| *left_out > 0) {
            path.push('…');
            inner.iter().skip(left_out).for_each(|level| level.within.append_to(&mut path));
        }
        path
    }
}

/// A path is shown as far as people read it: its first levels, and its last.
const SHOWN_OUTER: usize = 8;
const SHOWN_INNER: usize = 4;

impl Within<'_> {
    fn append_to(&self, path: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Object(None) => Ok(()),
            Self::Object(Some(key)) if is_plain(key) => write!(path, ".{key}"),
            Self::Object(Some(key)) => write!(path, "[\"{key}\"]"),
            Self::Array(index) => write!(path, "[{index}]"),
        };
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '-'))
}
