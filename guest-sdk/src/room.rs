//! The room that a row is written into. A row is written where the buffer has space already, and each of its values asks only
//! whether it still fits: no value makes the buffer grow or moves its end. Where a row did not fit, room is made and it is
//! written once more. Called by the derive of `Row`, and by each column's `encode`.

use std::mem::{self, MaybeUninit};

/// Where a [`Column`](crate::Column) writes its values.
#[derive(Debug)]
pub struct Room<'a> {
    rest: &'a mut [MaybeUninit<u8>],
    /// How many bytes did not fit. Behind the first that did not, nothing is written any more.
    missing: usize,
}

/// Appends a row: what `write` puts into the room. It is called again where it did not fit the first time, and must then put the
/// same.
#[inline]
pub fn row(buffer: &mut Vec<u8>, write: impl Fn(&mut Room<'_>)) {
    loop {
        let spare = buffer.spare_capacity_mut();
        let available = spare.len();
        let mut room = Room { rest: spare, missing: 0 };
        write(&mut room);
        let Room { rest, missing } = room;
        if missing == 0 {
            let written = available - rest.len();
            let length = buffer.len() + written;
            #[expect(unsafe_code, reason = "a vector that is filled with zeros first costs a tenth of what writing a row does")]
            // SAFETY: `rest` is the end of the spare capacity that nothing was put into yet, for a `Room` gives up what is in
            // front of it only after it was written, and once it fails `missing` is not 0. So all before `rest` is initialised,
            // and within the capacity.
            unsafe {
                buffer.set_len(length);
            }
            return;
        }
        make_room(buffer, available + missing);
    }
}

#[cold]
fn make_room(buffer: &mut Vec<u8>, row: usize) {
    buffer.reserve(row);
}

impl Room<'_> {
    /// Appends so many bytes as they are.
    #[inline]
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
    #[inline]
    pub fn string(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes(bytes);
    }

    /// Appends a length or a count as an unsigned LEB128.
    #[inline]
    pub fn length(&mut self, length: usize) {
        // Outside of the loop: every turn of one is, in a guest, a look at the clock of its time slice.
        match length {
            0..0x80 => self.put([length as u8]),
            longer => {
                let (bytes, count) = long_length(longer);
                self.bytes(bytes.get(..count).unwrap_or_default());
            }
        }
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        match mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            Some((front, rest)) => {
                copy(bytes, front);
                self.rest = rest;
            }
            None => self.missing += bytes.len(),
        }
    }
}

#[cold]
fn long_length(mut length: usize) -> ([u8; 10], usize) {
    let (mut bytes, mut count) = ([0; 10], 0);
    for byte in &mut bytes {
        count += 1;
        *byte = length as u8 & 0x7f;
        length >>= 7;
        if length == 0 {
            break;
        }
        *byte |= 0x80;
    }
    (bytes, count)
}

/// Copies bytes to as many. Most strings of a row are short, and in a guest a copy of unknown length is a call into the
/// engine; two copies of a fixed length that overlap are two loads and two stores.
#[inline]
fn copy(bytes: &[u8], to: &mut [MaybeUninit<u8>]) {
    match bytes.len() {
        0 => {}
        1 => ends::<1>(bytes, to),
        2..=3 => ends::<2>(bytes, to),
        4..=7 => ends::<4>(bytes, to),
        8..=15 => ends::<8>(bytes, to),
        16..=32 => ends::<16>(bytes, to),
        _ => {
            to.write_copy_of_slice(bytes);
        }
    }
}

/// Copies between `N` and `2 * N` bytes as their first `N` and their last `N`.
#[inline]
fn ends<const N: usize>(bytes: &[u8], to: &mut [MaybeUninit<u8>]) {
    if let (Some(from), Some(to)) = (bytes.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = from.map(MaybeUninit::new);
    }
    if let (Some(from), Some(to)) = (bytes.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = from.map(MaybeUninit::new);
    }
}
