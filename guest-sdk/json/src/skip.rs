//! Values that nobody reads: checked to be JSON, and passed over without recursion.

use crate::deserializer::Deserializer;
use crate::error::Error;
use crate::{DEPTH, number};

/// Which brackets are open: one bit each, 1 for an object.
#[derive(Default)]
struct Open {
    objects: u128,
    depth: u8,
}

impl Open {
    fn push(&mut self, object: bool, outer: u8) -> Result<(), Error> {
        if outer.saturating_add(self.depth) >= DEPTH {
            return Err(Error::syntax("nested deeper than 127 levels"));
        }
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl Deserializer<'_> {
    /// Passes over the next value.
    pub(crate) fn skip_value(&mut self) -> Result<(), Error> {
        let mut open = Open::default();
        loop {
            let begun = self.skip_scalar_or_bracket(&mut open)?;
            if begun {
                continue;
            }
            // A value has ended; so may what it stands in.
            loop {
                if open.depth == 0 {
                    return Ok(());
                }
                match (self.next_byte(), open.in_object()) {
                    (Some(b','), true) => {
                        self.skip_key()?;
                        break;
                    }
                    (Some(b','), false) => break,
                    (Some(b'}'), true) | (Some(b']'), false) => open.pop(),
                    (_, true) => return Err(self.back("expected `,` or `}`")),
                    (_, false) => return Err(self.back("expected `,` or `]`")),
                }
            }
        }
    }

    /// Passes over a scalar, or into an object or array that is not empty; says whether it did the latter.
    fn skip_scalar_or_bracket(&mut self, open: &mut Open) -> Result<bool, Error> {
        match self.peek() {
            Some(b'"') => {
                self.advance(1);
                self.skip_string()?;
            }
            Some(b'-' | b'0'..=b'9') => {
                let length = number::length(self.rest())?;
                self.advance(length);
            }
            Some(b'{') => {
                self.advance(1);
                if self.peek() == Some(b'}') {
                    self.advance(1);
                    self.check_depth(open.depth)?;
                } else {
                    open.push(true, self.depth())?;
                    self.skip_key()?;
                    return Ok(true);
                }
            }
            Some(b'[') => {
                self.advance(1);
                if self.peek() == Some(b']') {
                    self.advance(1);
                    self.check_depth(open.depth)?;
                } else {
                    open.push(false, self.depth())?;
                    return Ok(true);
                }
            }
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return Err(Error::syntax("expected a value")),
        }
        Ok(false)
    }

    fn check_depth(&self, inner: u8) -> Result<(), Error> {
        match self.depth().saturating_add(inner) >= DEPTH {
            true => Err(Error::syntax("nested deeper than 127 levels")),
            false => Ok(()),
        }
    }

    fn skip_key(&mut self) -> Result<(), Error> {
        match self.next_byte() {
            Some(b'"') => self.skip_string()?,
            _ => return Err(self.back("expected a key in quotes")),
        }
        self.colon()
    }
}
