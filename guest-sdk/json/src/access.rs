//! What stands within brackets, for serde's visitors.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use crate::error::Error;
use crate::key::Key;
use crate::reader::Reader;
use crate::string::Taken;

/// The members of an object whose opening bracket was taken.
pub struct Members<'d, 's, 'de> {
    pub(crate) reader: &'d mut Reader<'s, 'de>,
    pub(crate) first: bool,
    /// The closing bracket was taken.
    pub(crate) ended: bool,
}

impl<'d, 's, 'de> Members<'d, 's, 'de> {
    #[inline(always)]
    pub fn new(reader: &'d mut Reader<'s, 'de>) -> Self {
        Self { reader, first: true, ended: false }
    }

    /// The closing bracket must follow: a visitor may stop before it.
    #[inline(always)]
    pub fn end(self) -> Result<(), Error> {
        if self.ended { Ok(()) } else { self.reader.close(b'}', "the object has more members than are expected") }
    }
}

impl<'de> Reader<'_, 'de> {
    /// Takes the next key of an object with its colon. `None` if there is none; the closing bracket was taken.
    #[inline]
    pub(crate) fn take_key(&mut self, first: bool) -> Result<Option<Taken<'de>>, Error> {
        let mut byte = self.peek();
        if byte == b'}' {
            self.at += 1;
            return Ok(None);
        }
        if !first {
            if byte != b',' {
                return Err(Error::expected("`,` or `}`"));
            }
            self.at += 1;
            byte = self.peek();
        }
        if byte != b'"' {
            return Err(Error::expected(if first { "a key in quotes or `}`" } else { "a key in quotes" }));
        }
        let taken = self.string()?;
        self.colon()?;
        Ok(Some(taken))
    }

    /// Goes to the next element of an array. False if there is none; the closing bracket was taken.
    #[inline(always)]
    pub(crate) fn next_element(&mut self, first: bool) -> Result<bool, Error> {
        let byte = self.peek();
        if byte == b']' {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            if byte != b',' {
                return Err(Error::expected("`,` or `]`"));
            }
            self.at += 1;
            if self.peek() == b']' {
                return Err(Error::expected("a value"));
            }
        }
        Ok(true)
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.ended {
            return Ok(None);
        }
        let Some(taken) = self.reader.take_key(self.first)? else {
            self.ended = true;
            return Ok(None);
        };
        self.first = false;
        seed.deserialize(Key::new(self.reader, taken)).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }
}

/// The elements of an array whose opening bracket was taken.
pub struct Elements<'d, 's, 'de> {
    reader: &'d mut Reader<'s, 'de>,
    first: bool,
    /// The closing bracket was taken.
    ended: bool,
}

impl<'d, 's, 'de> Elements<'d, 's, 'de> {
    #[inline]
    pub fn new(reader: &'d mut Reader<'s, 'de>) -> Self {
        Self { reader, first: true, ended: false }
    }

    /// The next element, read by `read`.
    #[inline(always)]
    pub fn next_with<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'s, 'de>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.ended {
            return Ok(None);
        }
        if !self.reader.next_element(self.first)? {
            self.ended = true;
            return Ok(None);
        }
        self.first = false;
        read(self.reader).map(Some)
    }

    /// The same as [`end`](Self::end), and the level is left.
    pub fn end_and_leave(self) -> Result<(), Error> {
        let Self { reader, first, ended } = self;
        Elements { reader: &mut *reader, first, ended }.end()?;
        reader.leave();
        Ok(())
    }

    /// The closing bracket must follow: a visitor may stop before it.
    #[inline]
    pub fn end(self) -> Result<(), Error> {
        if self.ended { Ok(()) } else { self.reader.close(b']', "the array has more elements than are expected") }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.next_with(|reader| seed.deserialize(reader))
    }
}
