//! Values that nobody reads: checked to be JSON, and passed over without recursion.

use crate::error::Error;
use crate::reader::Reader;

/// Which brackets are open: one bit each, 1 for an object.
#[derive(Clone, Copy)]
struct Open(u128);

impl Open {
    const NONE: Self = Self(0);

    #[inline(always)]
    fn push(&mut self, object: bool) {
        self.0 = self.0 << 1 | u128::from(object);
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.0 >>= 1;
    }

    #[inline(always)]
    fn in_object(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Reader<'_, '_> {
    /// Passes over the next value, whatever it is.
    ///
    /// # Errors
    /// Where it is not JSON.
    #[inline]
    pub fn skip_value(&mut self) -> Result<(), Error> {
        match self.peek() {
            b'{' | b'[' => self.skip_within_brackets(),
            byte => self.skip_scalar(byte),
        }
    }

    /// Where the string or the integer ends that stands right here, if it is written as most are.
    #[inline(always)]
    pub(crate) fn quick_scalar(&self) -> Option<usize> {
        if self.source.byte(self.at) == b'"' {
            let end = self.source.plain_end(self.at + 1);
            return (self.source.byte(end) == b'"').then_some(end + 1);
        }
        self.short_integer(self.at).map(|(_, end)| end)
    }

    #[inline(always)]
    pub(crate) fn skip_scalar(&mut self, first: u8) -> Result<(), Error> {
        match first {
            b'"' => self.skip_string(),
            b'-' | b'0'..=b'9' => self.skip_number(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => Err(Error::expected("a value")),
        }
    }

    #[inline(never)]
    fn skip_within_brackets(&mut self) -> Result<(), Error> {
        let depth = self.depth;
        let mut open = Open::NONE;
        loop {
            // A value begins.
            match self.peek() {
                b'{' => {
                    self.enter()?;
                    if self.peek() == b'}' {
                        self.at += 1;
                        self.depth -= 1;
                    } else {
                        open.push(true);
                        self.skip_key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.enter()?;
                    if self.peek() == b']' {
                        self.at += 1;
                        self.depth -= 1;
                    } else {
                        open.push(false);
                        continue;
                    }
                }
                byte => self.skip_scalar(byte)?,
            }
            // It has ended; so may what it stands in.
            loop {
                if self.depth == depth {
                    return Ok(());
                }
                let byte = self.peek();
                if byte == b',' {
                    self.at += 1;
                    if open.in_object() {
                        self.skip_key()?;
                    }
                    break;
                }
                if byte != if open.in_object() { b'}' } else { b']' } {
                    return Err(Error::expected(if open.in_object() { "`,` or `}`" } else { "`,` or `]`" }));
                }
                self.at += 1;
                self.depth -= 1;
                open.pop();
            }
        }
    }

    #[inline(always)]
    fn skip_key(&mut self) -> Result<(), Error> {
        if self.peek() != b'"' {
            return Err(Error::expected("a key in quotes"));
        }
        self.skip_string()?;
        self.colon()
    }
}
