//! The members of an object that is to become a struct, with each key predicted from the one before.
//!
//! The visitors that serde's derive makes take a field's number as well as its name, so a key that was foreseen is never looked
//! at as text. Whether a visitor is such a one, and which number it gives to a name, is asked of the visitor itself: the list of
//! names that comes with a struct holds aliases, too, and does not say whose they are.

use std::any::type_name;
use std::marker::PhantomData;
use std::mem::discriminant;

use serde::de::{Deserialize, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};

use crate::access::Members;
use crate::error::Error;
use crate::key;
use crate::learned::{Learned, Meaning, Slot, Start};
use crate::quick;
use crate::reader::Reader;
use crate::source::Source;

/// The members of an object whose opening bracket was taken.
pub struct Fields<'d, 's, 'de> {
    reader: &'d mut Reader<'s, 'de>,
    /// Means nothing before the first key.
    place: Start,
    first: bool,
    /// The closing bracket was taken.
    ended: bool,
}

/// A key that was not foreseen, in one number: what has two words goes through memory, and a surprise should cost little.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u32);

impl Key {
    /// There was none; the closing bracket was taken. Its slot is the unknown one, its field [`END`](crate::record::END).
    pub(crate) const END: Self = Self(u32::MAX - 1);
    /// It is known as text only.
    pub(crate) const TEXT: Self = Self(u32::MAX);

    #[inline(always)]
    pub(crate) fn of(slot: Slot, field: u16) -> Self {
        // No key that is known has the number of the unknown slot, as those above have.
        Self(u32::from(slot.number()) << 16 | u32::from(field))
    }

    #[inline(always)]
    pub(crate) fn slot(self) -> Slot {
        Slot::of((self.0 >> 16) as u8)
    }

    #[inline(always)]
    pub(crate) fn field(self) -> u16 {
        self.0 as u16
    }
}

impl<'d, 's, 'de> Fields<'d, 's, 'de> {
    #[inline(always)]
    pub fn new(reader: &'d mut Reader<'s, 'de>) -> Self {
        Self { reader, place: Start::NOWHERE, first: true, ended: false }
    }

    /// Whether the closing bracket was taken.
    #[inline(always)]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The closing bracket must follow: a visitor may stop before it.
    #[inline(always)]
    pub fn end(self) -> Result<(), Error> {
        let Self { reader, first, ended, .. } = self;
        reader.apart(|reader| end(reader, first, ended))
    }

    /// The closing bracket was taken: from now on there is nothing to foresee.
    #[inline(always)]
    fn end_here(&mut self) {
        self.ended = true;
        self.first = false;
        self.place = Start::NOWHERE;
    }

    /// A key as text, where no number will do.
    #[inline(always)]
    fn key_as_text<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.ended {
            return Ok(None);
        }
        match plain_key(self.reader, self.first) {
            Some((key, behind)) => {
                self.reader.at = behind;
                self.first = false;
                seed.deserialize(key::Key::Borrowed(key)).map(Some)
            }
            None => self.other_key(seed),
        }
    }

    /// A key that nothing is known of.
    #[inline(always)]
    fn other_key<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let first = self.first;
        let key = self.reader.apart(|reader| read_key(reader, first, seed))?;
        self.first = false;
        if key.is_none() {
            self.end_here();
        }
        Ok(key)
    }
}

/// The key that stands right here without white space or an escape, and where its value begins.
#[inline(always)]
fn plain_key<'de>(reader: &Reader<'_, 'de>, first: bool) -> Option<(&'de str, usize)> {
    let source = reader.source;
    let at = reader.at + usize::from(!first);
    if !first && source.byte(reader.at) != b',' {
        return None;
    }
    let key = source.plain_string(at)?;
    let colon = at + key.len() + 2;
    (source.byte(colon) == b':').then_some((key, colon + 1))
}

#[cold]
#[inline(never)]
fn end(reader: &mut Reader<'_, '_>, first: bool, ended: bool) -> Result<(), Error> {
    Members { reader, first, ended }.end()
}

#[inline(never)]
fn read_key<'de, K: DeserializeSeed<'de>>(
    reader: &mut Reader<'_, 'de>,
    first: bool,
    seed: K,
) -> Result<Option<K::Value>, Error> {
    (&mut Members { reader, first, ended: false }).next_key_seed(seed)
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_, 'de> {
    type Error = Error;

    #[inline(always)]
    fn next_key<K: Deserialize<'de>>(&mut self) -> Result<Option<K>, Error> {
        if !is_derived::<K>() {
            return self.key_as_text(PhantomData);
        }
        let reader = &mut *self.reader;
        let Some(learned) = reader.learned.as_deref_mut() else { return self.key_as_text(PhantomData) };
        if self.first {
            self.place = learned.start(resolve::<K>);
        }
        let (slot, field) = match learned.foreseen(self.place.slot, reader.source, reader.at) {
            Some((behind, slot, field)) => {
                reader.at = behind;
                (slot, field)
            }
            None if self.place.shape == Start::NOWHERE.shape => return self.key_as_text(PhantomData),
            // The last key of an object is no surprise, whichever it is.
            None if reader.source.byte(reader.at) == b'}' => {
                reader.at += 1;
                self.end_here();
                return Ok(None);
            }
            None => match reader.known_key(self.place, self.first) {
                Key::TEXT => {
                    self.place.slot = Slot::UNKNOWN;
                    return self.other_key(PhantomData);
                }
                Key::END => {
                    self.end_here();
                    return Ok(None);
                }
                key => (key.slot(), key.field()),
            },
        };
        self.place.slot = slot;
        self.first = false;
        K::deserialize(Field(field)).map(Some)
    }

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.key_as_text(seed)
    }

    #[inline(always)]
    fn next_value<V: Deserialize<'de>>(&mut self) -> Result<V, Error> {
        quick::value(self.reader)
    }

    #[inline(always)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.apart(|reader| seed.deserialize(reader))
    }
}

impl<'de> Reader<'_, 'de> {
    /// Takes the next key with its colon if the stream knows it. [`Key::TEXT`] for all else, right or wrong; then nothing was taken.
    #[inline(always)]
    pub(crate) fn known_key(&mut self, place: Start, first: bool) -> Key {
        let Some(learned) = self.learned.as_deref_mut() else { return Key::TEXT };
        let found = find(learned, self.source.text(), self.at, place.shape, place.slot, first);
        self.at += found as u32 as usize;
        Key((found >> 32) as u32)
    }

    /// The error of a key that could not be read.
    #[cold]
    pub(crate) fn failure(&mut self) -> Error {
        self.aside().failure.take().unwrap_or_else(|| Error::expected("a key"))
    }
}

/// The key that stands at `at`, and in the lower half how many bytes it has with what stands around it. In numbers only: what has
/// more than two words goes through memory, and a surprise should cost little.
#[inline(never)]
fn find(learned: &mut Learned, text: &str, at: usize, shape: usize, slot: Slot, first: bool) -> u64 {
    let found = known(learned, Source::new(text), at, Start { shape, slot }, first);
    match found.and_then(|(key, behind)| Some((key, u32::try_from(behind - at).ok()?))) {
        Some((key, bytes)) => u64::from(key.0) << 32 | u64::from(bytes),
        None => u64::from(Key::TEXT.0) << 32,
    }
}

#[inline(always)]
fn known(learned: &mut Learned, source: Source<'_>, start: usize, place: Start, first: bool) -> Option<(Key, usize)> {
    let mut at = start;
    if !first {
        if source.byte(at) != b',' {
            at = source.behind_any_space(at);
            match source.byte(at) {
                b',' => {}
                b'}' => return Some((Key::END, at + 1)),
                _ => return None,
            }
        }
        at += 1;
    }
    if source.byte(at) != b'"' {
        at = source.behind_any_space(at);
    }
    let (tight, field, behind) = learned.find(place.shape, source, at)?;
    let begin = match source.byte(behind) == b':' && source.byte(behind + 1) > b' ' {
        true => behind + 1,
        false => value_behind(source, behind)?,
    };
    let slot = learned.written(tight, begin - behind - 1);
    learned.surprised(place, source, start..begin, (tight, slot, field));
    Some((Key::of(slot, field), begin))
}

/// Where the value begins whose colon stands at `at`, behind white space if need be.
#[inline(never)]
fn value_behind(source: Source<'_>, at: usize) -> Option<usize> {
    let colon = source.behind_space(at);
    (source.byte(colon) == b':').then(|| source.behind_space(colon + 1))
}

/// Whether the type is one of those that serde's derive makes for the keys of a struct. The name alone would not be enough:
/// [`resolve`] looks at what it does.
#[inline(always)]
fn is_derived<K>() -> bool {
    type_name::<K>().ends_with("::__Field")
}

/// What a key means to a derived type of keys: the number for which its visitor makes the same as for the name.
fn resolve<'de, K: Deserialize<'de>>(key: &str) -> Meaning {
    let field = |number: u16| K::deserialize(Field(number)).ok().map(|field| discriminant(&field));
    let key: Result<K, Error> = K::deserialize(key.into_deserializer());
    let Ok(wanted) = key.map(|key| discriminant(&key)) else { return Meaning::Text };
    // Only what is none of the fields takes so high a number, if anything does.
    if field(u16::MAX) == Some(wanted) {
        return if field(0) == Some(wanted) { Meaning::Text } else { Meaning::Ignored(u16::MAX) };
    }
    (0..MOST_FIELDS).find(|&number| field(number) == Some(wanted)).map_or(Meaning::Text, Meaning::Field)
}

/// Structs with more fields than this have keys that are looked up as text.
const MOST_FIELDS: u16 = 256;

/// A key as the number of its field.
struct Field(u16);

impl<'de> serde::Deserializer<'de> for Field {
    type Error = Error;

    #[inline(always)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.0.into())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learned::Resolve;

    /// How many keys of an object of numbers of one digit were not foreseen.
    fn surprises(learned: &mut Learned, resolve: Resolve, text: &str) -> usize {
        let text = text.to_owned() + &" ".repeat(64);
        let source = Source::new(&text);
        let mut place = learned.start(resolve);
        let (mut at, mut first, mut surprises) = (1, true, 0);
        loop {
            let (slot, behind) = match learned.foreseen(place.slot, source, at) {
                Some((behind, slot, _)) => (slot, behind),
                None if source.byte(source.behind_space(at)) == b'}' => return surprises,
                None => match known(learned, source, at, place, first) {
                    Some((key, behind)) => {
                        surprises += 1;
                        (key.slot(), behind)
                    }
                    None => return usize::MAX,
                },
            };
            // The literal of a first key stands also where it is followed by space.
            let value = source.behind_space(behind);
            assert!(source.byte(value).is_ascii_digit(), "{text} {behind}");
            (place.slot, at, first) = (slot, value + 1, false);
        }
    }

    #[test]
    fn a_record_with_white_space_is_one_surprise_among_others() {
        let mut learned = Learned::new();
        // One pointer: a function may have more than one address.
        let resolve: Resolve = |key| Meaning::Field(key.len() as u16);
        let ways = [
            ("{\"a\":1,\"bb\":2,\"ccc\":3}", 0),
            ("{\"a\": 1, \"bb\": 2, \"ccc\": 3}", 1),
            ("{\"a\":1,\"bb\":2,\"ccc\":3}", 0),
            ("{\r\n\t\"a\" : 1,\r\n\t\"bb\" : 2,\r\n\t\"ccc\" : 3\r\n}", 1),
        ];
        // Each way is seen once before it is foreseen.
        for (text, _) in ways {
            surprises(&mut learned, resolve, text);
        }
        for _ in 0..20 {
            for (text, expected) in ways {
                assert_eq!(surprises(&mut learned, resolve, text), expected, "{text}");
            }
        }
    }
}
