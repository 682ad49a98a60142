//! The front end without serde: values that read themselves, and what the derive of `Record` calls.

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use crate::access;
use crate::error::Error;
use crate::fields::Key;
use crate::learned::{Meaning, Resolve, Slot, Start};
use crate::reader::Reader;

/// A value that is read from JSON without serde in between. Derive `Record` for a struct.
///
/// What is read, and what an error says, is the same as where serde reads it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not read from JSON without serde",
    note = "derive `Record` for it, or give the field `#[record(deserialize)]` if serde can deserialize it"
)]
pub trait FromJson<'de>: Sized {
    /// What a field has that is not there; `None` where it must be there.
    #[inline(always)]
    fn absent() -> Option<Self> {
        None
    }

    /// Reads the value that stands next, behind white space if need be.
    ///
    /// # Errors
    /// Where it is not JSON, or does not fit.
    fn from_json(reader: &mut Reader<'_, 'de>) -> Result<Self, Error>;

    /// The same as a part of what asks for it, where the whole text is this value: a reader that is handed to nobody costs less.
    #[doc(hidden)]
    #[inline(always)]
    fn from_text(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        Self::from_json(reader)
    }

    /// The same from an array that stands here.
    #[doc(hidden)]
    fn from_array(reader: &mut Reader<'_, 'de>) -> Result<Self, Error> {
        Err(reader.unfit(&"another value"))
    }
}

/// A struct as the derive knows it.
#[derive(Debug)]
pub struct Shape {
    /// What errors call it, such as "struct Sale".
    pub expecting: &'static str,
    /// The names that keys may have, where others are refused.
    pub names: &'static [&'static str],
    /// Which field a key means.
    pub resolve: Resolve,
}

/// The keys of an object that becomes a struct.
#[derive(Debug)]
pub struct Keys {
    place: Start,
    /// Nothing but the opening bracket was taken.
    first: bool,
}

/// In place of a field's number: the closing bracket was taken.
pub const END: u16 = u16::MAX - 1;

/// In place of a field's number: there is no key, but an error.
pub const FAILED: u16 = u16::MAX - 2;

/// In place of a field's number: the stream does not know the key, and it is to be asked for by [`Keys::other`].
pub const OTHER: u16 = u16::MAX - 3;

/// In place of a field's number: the value is to be passed over.
pub const IGNORED: u16 = u16::MAX;

impl Keys {
    /// Takes the opening bracket. `None` where an array stands here.
    #[inline(always)]
    pub fn begin(reader: &mut Reader<'_, '_>, shape: &'static Shape) -> Result<Option<Self>, Error> {
        match reader.peek_apart() {
            b'{' => {}
            b'[' => return Ok(None),
            _ => return Err(reader.apart(|reader| reader.unfit(&shape.expecting))),
        }
        reader.enter()?;
        let place = match reader.learned.as_deref_mut() {
            Some(learned) => learned.start(shape.resolve),
            None => Start::NOWHERE,
        };
        Ok(Some(Self { place, first: true }))
    }

    /// Takes the first key: the number of its field, or one of the numbers above.
    #[inline(always)]
    pub fn first(&mut self, reader: &mut Reader<'_, '_>) -> u16 {
        let (at, place) = (reader.at, self.place);
        match self.foreseen(reader) {
            // With white space behind the colon the whole record is probably written so, and its keys are foreseen in that way.
            Some(field) if reader.source.byte(reader.at) > b' ' => field,
            _ => {
                (reader.at, self.place) = (at, place);
                self.unforeseen(reader)
            }
        }
    }

    /// Takes the next key.
    #[inline(always)]
    pub fn next(&mut self, reader: &mut Reader<'_, '_>) -> u16 {
        self.first = false;
        if let Some(field) = self.foreseen(reader) {
            return field;
        }
        // The last key of an object is no surprise, whichever it is.
        if reader.source.byte(reader.at) == b'}' {
            reader.at += 1;
            return END;
        }
        self.unforeseen(reader)
    }

    #[inline(always)]
    fn foreseen(&mut self, reader: &mut Reader<'_, '_>) -> Option<u16> {
        let learned = reader.learned.as_deref_mut()?;
        let (behind, slot, field) = learned.foreseen(self.place.slot, reader.source, reader.at)?;
        reader.at = behind;
        self.place.slot = slot;
        Some(field)
    }

    #[inline(always)]
    fn unforeseen(&mut self, reader: &mut Reader<'_, '_>) -> u16 {
        match reader.known_key(self.place, self.first) {
            Key::TEXT => OTHER,
            key => {
                self.place.slot = key.slot();
                key.field()
            }
        }
    }

    /// Takes a key that the stream does not know.
    #[inline(always)]
    pub fn other(&mut self, reader: &mut Reader<'_, '_>, shape: &'static Shape) -> u16 {
        self.place.slot = Slot::UNKNOWN;
        let first = self.first;
        reader.apart(|reader| other(reader, shape, first))
    }
}

#[inline(never)]
fn other(reader: &mut Reader<'_, '_>, shape: &'static Shape, first: bool) -> u16 {
    let failure = match reader.take_key(first) {
        Ok(None) => return END,
        Ok(Some(taken)) => {
            let text = reader.taken(taken);
            match (shape.resolve)(text) {
                Meaning::Field(field) => return field,
                Meaning::Ignored(_) => return IGNORED,
                Meaning::Text => Error::unknown_field(text, shape.names),
            }
        }
        Err(error) => error,
    };
    reader.aside().failure = Some(failure);
    FAILED
}

/// The closing bracket was taken.
#[inline(always)]
pub fn end(reader: &mut Reader<'_, '_>) {
    reader.leave();
}

/// The error of a key that could not be read, or is refused.
#[inline(always)]
pub fn failure(reader: &mut Reader<'_, '_>) -> Error {
    reader.apart(|reader| reader.failure())
}

/// Passes over the next value.
///
/// # Errors
/// Where it is not JSON.
#[inline(always)]
pub fn skip(reader: &mut Reader<'_, '_>) -> Result<(), Error> {
    if let Some(end) = reader.quick_scalar() {
        reader.at = end;
        return Ok(());
    }
    reader.apart(|reader| skip_apart(reader))
}

#[inline(never)]
fn skip_apart(reader: &mut Reader<'_, '_>) -> Result<(), Error> {
    reader.skip_value()
}

/// What a field has that is not there.
///
/// # Errors
/// Where it must be there.
#[inline(always)]
pub fn absent<'de, T: FromJson<'de>>(name: &'static str) -> Result<T, Error> {
    T::absent().ok_or_else(|| Error::missing_field(name))
}

/// The same for a field that serde reads: only what may be null may be absent.
///
/// # Errors
/// Where it must be there.
pub fn absent_for_serde<'de, T: Deserialize<'de>>(name: &'static str) -> Result<T, Error> {
    T::deserialize(Absent(name))
}

/// The error of a field that comes twice.
#[cold]
pub fn duplicate(name: &'static str) -> Error {
    Error::duplicate_field(name)
}

struct Absent(&'static str);

impl<'de> Deserializer<'de> for Absent {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::missing_field(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The elements of an array that becomes a struct.
pub struct Elements<'d, 's, 'de> {
    inner: access::Elements<'d, 's, 'de>,
    shape: &'static Shape,
    taken: usize,
}

impl<'d, 's, 'de> Elements<'d, 's, 'de> {
    /// Takes the opening bracket.
    ///
    /// # Errors
    /// Where the array stands too deep.
    pub fn begin(reader: &'d mut Reader<'s, 'de>, shape: &'static Shape) -> Result<Self, Error> {
        reader.enter()?;
        Ok(Self { inner: access::Elements::new(reader), shape, taken: 0 })
    }

    /// The next element, read by `read`.
    ///
    /// # Errors
    /// Those of `read`, and where there is no JSON.
    pub fn next<T>(&mut self, read: fn(&mut Reader<'s, 'de>) -> Result<T, Error>) -> Result<Option<T>, Error> {
        let element = self.inner.next_with(read)?;
        self.taken += usize::from(element.is_some());
        Ok(element)
    }

    /// The error of an array that is too short for a struct of so many fields.
    pub fn too_short(&self, fields: usize) -> Error {
        let elements = if fields == 1 { "element" } else { "elements" };
        Error::invalid_length(self.taken, &&*format!("{} with {fields} {elements}", self.shape.expecting))
    }

    /// Takes the closing bracket.
    ///
    /// # Errors
    /// Where there is more in the array.
    pub fn end(self) -> Result<(), Error> {
        self.inner.end_and_leave()
    }
}
