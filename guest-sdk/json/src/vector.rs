//! Sixteen bytes of a text at once, by what the target has: simd128 in a guest, SSE2 on x86-64, two words elsewhere.
//! Nothing here can fail or read beyond its sixteen bytes; `source` sees to it that there are sixteen.

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub struct Block(imp::Vector);

/// How many bytes a block has.
pub const WIDTH: usize = 16;

impl Block {
    #[inline(always)]
    pub fn load(bytes: &[u8; WIDTH]) -> Self {
        Self(imp::load(bytes))
    }

    /// Whether eight blocks have no other bytes than ASCII's.
    #[inline(always)]
    pub fn all_ascii(bytes: &[u8; 8 * WIDTH]) -> bool {
        let (blocks, _) = bytes.as_chunks();
        match blocks {
            [a, b, c, d, e, f, g, h] => imp::all_ascii([a, b, c, d, e, f, g, h].map(imp::load)),
            _ => false,
        }
    }

    /// Where the first quote, backslash or control character stands; 16 where there is none.
    #[inline(always)]
    pub fn first_special(self) -> usize {
        imp::first_special(self.0) as usize
    }

    /// A bit for each quote, backslash and control character, the lowest for the first byte, and a bit for each quote.
    #[inline(always)]
    pub fn specials(self) -> (u32, u32) {
        imp::specials(self.0)
    }

    /// Where the first byte stands that is no white space; 16 where there is none.
    #[inline(always)]
    pub fn first_that_is_no_space(self) -> usize {
        imp::first_that_is_no_space(self.0) as usize
    }

    /// Whether the bytes are those of `text` wherever `mask` is set.
    #[inline(always)]
    pub fn matches(self, text: &[u8; WIDTH], mask: &[u8; WIDTH]) -> bool {
        imp::matches(self.0, imp::load(text), imp::load(mask))
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128", not(feature = "scalar")))]
mod imp {
    use core::arch::wasm32::*;

    pub type Vector = v128;

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        // SAFETY: sixteen bytes that a reference stands for; a load needs no alignment.
        unsafe { v128_load(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    pub fn all_ascii([a, b, c, d, e, f, g, h]: [Vector; 8]) -> bool {
        let (front, back) = (v128_or(v128_or(a, b), v128_or(c, d)), v128_or(v128_or(e, f), v128_or(g, h)));
        u8x16_bitmask(v128_or(front, back)) == 0
    }

    #[inline(always)]
    pub fn first_special(block: Vector) -> u32 {
        let quote = u8x16_eq(block, u8x16_splat(b'"'));
        let backslash = u8x16_eq(block, u8x16_splat(b'\\'));
        let control = u8x16_lt(block, u8x16_splat(0x20));
        let special = v128_or(v128_or(quote, backslash), control);
        (u32::from(u8x16_bitmask(special)) | 1 << 16).trailing_zeros()
    }

    #[inline(always)]
    pub fn specials(block: Vector) -> (u32, u32) {
        let quote = u8x16_eq(block, u8x16_splat(b'"'));
        let backslash = u8x16_eq(block, u8x16_splat(b'\\'));
        let control = u8x16_lt(block, u8x16_splat(0x20));
        let special = v128_or(v128_or(quote, backslash), control);
        (u8x16_bitmask(special).into(), u8x16_bitmask(quote).into())
    }

    #[inline(always)]
    pub fn first_that_is_no_space(block: Vector) -> u32 {
        let one = |space: u8| u8x16_eq(block, u8x16_splat(space));
        let space = v128_or(v128_or(one(b' '), one(b'\n')), v128_or(one(b'\t'), one(b'\r')));
        (!u32::from(u8x16_bitmask(space))).trailing_zeros()
    }

    #[inline(always)]
    pub fn matches(block: Vector, text: Vector, mask: Vector) -> bool {
        !v128_any_true(v128_and(v128_xor(block, text), mask))
    }
}

#[cfg(all(target_arch = "x86_64", not(feature = "scalar")))]
mod imp {
    use core::arch::x86_64::*;

    pub type Vector = __m128i;

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        // SAFETY: sixteen bytes that a reference stands for; this load needs no alignment, and every x86-64 has SSE2.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn all_ascii([a, b, c, d, e, f, g, h]: [Vector; 8]) -> bool {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let or = |a, b| _mm_or_si128(a, b);
            _mm_movemask_epi8(or(or(or(a, b), or(c, d)), or(or(e, f), or(g, h)))) == 0
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn first_special(block: Vector) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        let mask = unsafe {
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control))
        };
        (mask as u32 | 1 << 16).trailing_zeros()
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn specials(block: Vector) -> (u32, u32) {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
            let special = _mm_or_si128(_mm_or_si128(quote, backslash), control);
            (_mm_movemask_epi8(special) as u32, _mm_movemask_epi8(quote) as u32)
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn first_that_is_no_space(block: Vector) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        let mask = unsafe {
            let one = |space: u8| _mm_cmpeq_epi8(block, _mm_set1_epi8(space as i8));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(one(b' '), one(b'\n')), _mm_or_si128(one(b'\t'), one(b'\r'))))
        };
        (!(mask as u32)).trailing_zeros()
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    pub fn matches(block: Vector, text: Vector, mask: Vector) -> bool {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let differs = _mm_and_si128(_mm_xor_si128(block, text), mask);
            _mm_movemask_epi8(_mm_cmpeq_epi8(differs, _mm_setzero_si128())) == 0xffff
        }
    }
}

#[cfg(any(
    feature = "scalar",
    not(any(all(target_arch = "wasm32", target_feature = "simd128"), target_arch = "x86_64"))
))]
use words as imp;

/// The way without vectors. Compiled for tests everywhere, so that they can compare.
#[cfg(any(
    test,
    feature = "scalar",
    not(any(all(target_arch = "wasm32", target_feature = "simd128"), target_arch = "x86_64"))
))]
mod words {
    pub type Vector = [u64; 2];

    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;

    #[inline(always)]
    pub fn load(bytes: &[u8; 16]) -> Vector {
        let both = u128::from_le_bytes(*bytes);
        [both as u64, (both >> 64) as u64]
    }

    #[inline(always)]
    pub fn all_ascii(blocks: [Vector; 8]) -> bool {
        blocks.iter().flatten().fold(0, |all, eight| all | eight) & HIGH == 0
    }

    #[inline(always)]
    pub fn first_special(block: Vector) -> u32 {
        let [front, back] = block.map(special);
        if front != 0 { front.trailing_zeros() / 8 } else { 8 + back.trailing_zeros() / 8 }
    }

    #[inline(always)]
    pub fn specials(block: Vector) -> (u32, u32) {
        // The highest bit of every byte that is zero, and of no other.
        let zero = |word: u64| !(((word & !HIGH) + !HIGH) | word) & HIGH;
        let quote = block.map(|eight| zero(eight ^ (LOW * b'"' as u64)));
        let other = block.map(|eight| zero(eight ^ (LOW * b'\\' as u64)) | zero(eight & (LOW * 0xe0)));
        // Moves the eight bits into one byte.
        let byte = |marks: u64| ((marks >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
        let bits = |[front, back]: [u64; 2]| byte(front) | byte(back) << 8;
        (bits(quote) | bits(other), bits(quote))
    }

    #[inline(always)]
    pub fn first_that_is_no_space(block: Vector) -> u32 {
        let [front, back] = block.map(|eight| u64::from_le_bytes(eight.to_le_bytes().map(no_space)));
        if front != 0 { front.trailing_zeros() / 8 } else { 8 + back.trailing_zeros() / 8 }
    }

    #[inline(always)]
    fn no_space(byte: u8) -> u8 {
        u8::from(!matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
    }

    #[inline(always)]
    pub fn matches(block: Vector, text: Vector, mask: Vector) -> bool {
        (block[0] ^ text[0]) & mask[0] | (block[1] ^ text[1]) & mask[1] == 0
    }

    /// Marks the highest bit of bytes that are a quote, a backslash or a control character. Only the lowest mark counts: a
    /// borrow marks bytes behind one that is marked rightly.
    #[inline(always)]
    fn special(eight: u64) -> u64 {
        let zero = |word: u64| word.wrapping_sub(LOW) & !word;
        let control = eight.wrapping_sub(LOW * 0x20) & !eight;
        (zero(eight ^ (LOW * b'"' as u64)) | zero(eight ^ (LOW * b'\\' as u64)) | control) & HIGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_beyond_ascii_is_seen_wherever_it_stands() {
        let ascii = [0x7f; 8 * WIDTH];
        let words = |bytes: &[u8; 8 * WIDTH]| {
            words::all_ascii(std::array::from_fn(|block| words::load(bytes[block * WIDTH..].first_chunk().unwrap())))
        };
        assert!(Block::all_ascii(&ascii) && words(&ascii));
        for at in 0..ascii.len() {
            for byte in [0x80, 0xff] {
                let mut bytes = ascii;
                bytes[at] = byte;
                assert!(!Block::all_ascii(&bytes) && !words(&bytes), "{at}");
            }
        }
    }

    #[test]
    fn finds_the_first_special_byte_wherever_it_stands() {
        for at in 0..=WIDTH {
            for special in [b'"', b'\\', 0, 0x1f] {
                for other in [b'a', 0x20, 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']'] {
                    let mut bytes = [other; WIDTH + 2];
                    bytes[at] = special;
                    bytes[at + 1] = b'"';
                    let bytes = bytes.first_chunk().unwrap();
                    assert_eq!(Block::load(bytes).first_special(), at, "{bytes:?}");
                    assert_eq!(words::first_special(words::load(bytes)) as usize, at, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn every_special_byte_has_its_bit_whatever_stands_beside_it() {
        for at in 0..WIDTH {
            for byte in (0..=u8::MAX).filter(|byte| !cfg!(miri) || b"\"\\\x1f a\x80".contains(byte)) {
                for beside in [b'a', b'"', b'\\', 0, 0x1f, 0x20, b'!', b'#', b'[', b']', 0x80, 0xff] {
                    let mut bytes = [beside; WIDTH];
                    bytes[at] = byte;
                    let bits =
                        |is: fn(&u8) -> bool| bytes.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(is(byte)));
                    let expected = (bits(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)), bits(|byte| *byte == b'"'));
                    assert_eq!(Block::load(&bytes).specials(), expected, "{bytes:?}");
                    assert_eq!(words::specials(words::load(&bytes)), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn finds_the_first_byte_that_is_no_space_wherever_it_stands() {
        for at in 0..=WIDTH {
            let others = (0..=u8::MAX).filter(|byte| !cfg!(miri) || b"\0a\x80".contains(byte));
            for other in others.filter(|byte| !b" \n\t\r".contains(byte)) {
                for space in *b" \n\t\r" {
                    let mut bytes = [space; WIDTH + 1];
                    bytes[at] = other;
                    let bytes = bytes.first_chunk().unwrap();
                    assert_eq!(Block::load(bytes).first_that_is_no_space(), at, "{bytes:?}");
                    assert_eq!(words::first_that_is_no_space(words::load(bytes)) as usize, at, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_byte_that_differs_counts_where_the_mask_is_set_and_nowhere_else() {
        let text: [u8; WIDTH] = std::array::from_fn(|at| at as u8 * 16 + 7);
        for length in 0..=WIDTH {
            let mask = std::array::from_fn(|at| if at < length { 0xff } else { 0 });
            for at in 0..WIDTH {
                for bit in 0..8 {
                    let mut other = text;
                    other[at] ^= 1 << bit;
                    assert_eq!(Block::load(&other).matches(&text, &mask), at >= length);
                    assert_eq!(
                        words::matches(words::load(&other), words::load(&text), words::load(&mask)),
                        at >= length
                    );
                }
            }
        }
    }
}
