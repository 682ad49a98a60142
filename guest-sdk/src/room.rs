//! The room that a row is written into. A row is written where the buffer has space already, and each of its values asks only
//! whether it still fits: no value makes the buffer grow or moves its end. Where a row did not fit, room is made and it is
//! written once more. Called by the derive of `Row`, and by each column's `encode`.

use std::io::{self, Write};
use std::mem::{self, MaybeUninit};

use crate::row::{Provenance, Row};

/// Where a [`Column`](crate::Column) writes its values.
#[derive(Debug)]
pub struct Room<'a> {
    rest: &'a mut [MaybeUninit<u8>],
    /// How many bytes did not fit. Behind the first that did not, nothing is written any more.
    missing: usize,
}

/// Appends a row.
#[inline(always)]
pub fn append(buffer: &mut Vec<u8>, row: &impl Row, source: &Provenance<'_>) {
    // No loop: the compiler would work out the addresses of all values before it, more than there are registers.
    if let Err(missing) = attempt(buffer, row, source) {
        append_with_more_room(buffer, missing, row, source);
    }
}

/// Appends a row where it fits; says how many bytes did not.
#[inline(always)]
fn attempt(buffer: &mut Vec<u8>, row: &impl Row, source: &Provenance<'_>) -> Result<(), usize> {
    let before = buffer.len();
    let spare = buffer.spare_capacity_mut();
    let available = spare.len();
    let mut room = Room { rest: spare, missing: 0 };
    row.encode(&mut room, source);
    let Room { rest, missing } = room;
    if missing > 0 {
        return Err(missing);
    }
    let length = before + (available - rest.len());
    #[expect(unsafe_code, reason = "filling the buffer with zeros first costs 2 % of all that is done to a sale")]
    // SAFETY: `rest` is the end of the spare capacity that nothing was put into yet, for a `Room` gives up what is in
    // front of it only after it was written, and once it fails `missing` is not 0. So all before `rest` is initialised,
    // and within the capacity.
    unsafe {
        buffer.set_len(length);
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn append_with_more_room(buffer: &mut Vec<u8>, mut missing: usize, row: &impl Row, source: &Provenance<'_>) {
    loop {
        // What was written before something was missing is not more than there was room.
        buffer.reserve((buffer.capacity() - buffer.len()).saturating_add(missing));
        match attempt(buffer, row, source) {
            Ok(()) => return,
            Err(more) => missing = more,
        }
    }
}

impl Room<'_> {
    /// Appends so many bytes as they are.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        match mem::take(&mut self.rest).split_first_chunk_mut::<N>() {
            Some((front, rest)) => {
                *front = bytes.map(MaybeUninit::new);
                self.rest = rest;
            }
            None => self.missing += N,
        }
    }

    /// Appends a text or bytes: their length, then they themselves.
    #[inline(always)]
    pub fn string(&mut self, bytes: &[u8]) {
        match bytes.len() {
            0..0x80 => {
                self.put([bytes.len() as u8]);
                self.bytes(bytes);
            }
            _ => *self = long_string(self.take(), bytes),
        }
    }

    /// Appends a length or a count as an unsigned LEB128.
    #[inline(always)]
    pub fn length(&mut self, length: usize) {
        // Outside of the loop: every turn of one is, in a guest, a look at the clock of its time slice.
        match length {
            0..0x80 => self.put([length as u8]),
            _ => *self = long_length(self.take(), length),
        }
    }

    /// Appends bytes as they are.
    #[inline(always)]
    pub fn bytes(&mut self, bytes: &[u8]) {
        match mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            Some((front, rest)) => {
                copy(bytes, front);
                self.rest = rest;
            }
            None => self.missing += bytes.len(),
        }
    }

    /// Appends what `write` writes, or nothing where it says that it failed.
    pub(crate) fn all_or_nothing(&mut self, write: impl FnOnce(&mut Room<'_>) -> bool) {
        let mut part = Room { rest: &mut *self.rest, missing: self.missing };
        if write(&mut part) {
            let (left, missing) = (part.rest.len(), part.missing);
            let written = self.rest.len() - left;
            *self = Self { rest: mem::take(&mut self.rest).get_mut(written..).unwrap_or_default(), missing };
        }
    }

    /// For functions that are not inlined: what they are handed by reference stays in memory also where they are not called.
    #[inline(always)]
    fn take(&mut self) -> Self {
        Self { rest: mem::take(&mut self.rest), missing: self.missing }
    }
}

impl Write for Room<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cold]
fn long_string<'a>(room: Room<'a>, bytes: &[u8]) -> Room<'a> {
    let mut room = long_length(room, bytes.len());
    room.bytes(bytes);
    room
}

#[cold]
fn long_length(mut room: Room<'_>, mut length: usize) -> Room<'_> {
    while length >= 0x80 {
        room.put([length as u8 | 0x80]);
        length >>= 7;
    }
    room.put([length as u8]);
    room
}

/// Copies bytes to as many. Most strings of a row are short, and in a guest a copy of unknown length is a call into the
/// engine; two copies of a fixed length that overlap are two loads and two stores.
#[inline(always)]
fn copy(bytes: &[u8], to: &mut [MaybeUninit<u8>]) {
    let length = bytes.len();
    if length >= 8 {
        if length <= 16 {
            ends::<8>(bytes, to);
        } else if length <= 32 {
            ends::<16>(bytes, to);
        } else {
            to.write_copy_of_slice(bytes);
        }
    } else if length >= 4 {
        ends::<4>(bytes, to);
    } else if length >= 2 {
        ends::<2>(bytes, to);
    } else if length == 1 {
        ends::<1>(bytes, to);
    }
}
/// Copies between `N` and `2 * N` bytes as their first `N` and their last `N`.
#[inline(always)]
fn ends<const N: usize>(bytes: &[u8], to: &mut [MaybeUninit<u8>]) {
    if let (Some(from), Some(to)) = (bytes.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = from.map(MaybeUninit::new);
    }
    if let (Some(from), Some(to)) = (bytes.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = from.map(MaybeUninit::new);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::column::Column;
    use crate::contract;

    struct Single<C>(C);

    impl<C: Column> Row for Single<C> {
        fn columns() -> Vec<contract::Column> {
            vec![]
        }

        fn encode(&self, room: &mut Room<'_>, _: &Provenance<'_>) {
            self.0.encode(room);
        }
    }

    const NOWHERE: Provenance<'static> = Provenance { topic: "", partition: 0, offset: 0, ordinal: 0 };

    /// What a column writes into a buffer that has bytes and little room.
    pub(crate) fn encoded(value: impl Column) -> Vec<u8> {
        let mut buffer = vec![0xee];
        append(&mut buffer, &Single(value), &NOWHERE);
        assert_eq!(buffer.remove(0), 0xee);
        buffer
    }

    #[test]
    fn whatever_room_there_is_a_row_arrives_whole_and_what_was_there_stays() {
        let row = (0x0102_0304_u32, "a text of some length", vec![Some(7u8), None], "x".repeat(300));
        let whole = encoded(&row);
        for room in 0..whole.len() + 8 {
            let mut buffer = Vec::with_capacity(3 + room);
            buffer.extend(b"abc");
            append(&mut buffer, &Single(&row), &NOWHERE);
            append(&mut buffer, &Single(&row), &NOWHERE);
            assert_eq!(buffer, [&b"abc"[..], &whole, &whole].concat(), "{room}");
        }
    }

    #[test]
    fn what_fits_does_not_move_the_buffer() {
        let mut buffer = Vec::with_capacity(8);
        let before = buffer.as_ptr();
        append(&mut buffer, &Single(1u64), &NOWHERE);
        assert_eq!((buffer.as_ptr(), &*buffer), (before, &1u64.to_le_bytes()[..]));
    }

    #[test]
    fn what_failed_leaves_nothing() {
        struct Fails;
        impl Row for Fails {
            fn columns() -> Vec<contract::Column> {
                vec![]
            }

            fn encode(&self, room: &mut Room<'_>, _: &Provenance<'_>) {
                room.put(*b"a");
                room.all_or_nothing(|room| {
                    room.put(*b"bcd");
                    false
                });
                room.all_or_nothing(|room| {
                    room.put(*b"e");
                    true
                });
            }
        }
        for room in 0..4 {
            let mut buffer = Vec::with_capacity(room);
            append(&mut buffer, &Fails, &NOWHERE);
            assert_eq!(buffer, b"ae");
        }
    }
}
