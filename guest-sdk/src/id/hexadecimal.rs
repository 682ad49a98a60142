//! Sixteen hexadecimal digits at once: by the vectors of a guest, or within 64 bits (SWAR) where there are none.

/// The value of sixteen digits, the first the highest; `None` where one of them is no digit.
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[inline(always)]
pub(super) fn sixteen([first, last]: [[u8; 8]; 2]) -> Option<u64> {
    use std::arch::wasm32 as v;
    let given = v::u64x2(u64::from_le_bytes(first), u64::from_le_bytes(last));
    let numbers = v::u8x16_sub(given, v::u8x16_splat(b'0'));
    let letters = v::u8x16_sub(v::v128_or(given, v::u8x16_splat(0x20)), v::u8x16_splat(b'a'));
    let is_number = v::u8x16_lt(numbers, v::u8x16_splat(10));
    let is_letter = v::u8x16_lt(letters, v::u8x16_splat(6));
    if !v::u8x16_all_true(v::v128_or(is_number, is_letter)) {
        return None;
    }
    let values = v::v128_bitselect(numbers, v::u8x16_add(letters, v::u8x16_splat(10)), is_number);
    // Each pair becomes a byte, and the first byte the highest.
    let pairs = v::v128_or(v::u16x8_shl(values, 4), v::u16x8_shr(values, 8));
    let turned = v::u8x16_shuffle::<14, 12, 10, 8, 6, 4, 2, 0, 14, 12, 10, 8, 6, 4, 2, 0>(pairs, pairs);
    Some(v::u64x2_extract_lane::<0>(turned))
}

/// The value of sixteen digits, the first the highest; `None` where one of them is no digit.
#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
#[inline(always)]
pub(super) fn sixteen([first, last]: [[u8; 8]; 2]) -> Option<u64> {
    Some(u64::from(eight(first)?) << 32 | u64::from(eight(last)?))
}

#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
#[inline]
fn eight(digits: [u8; 8]) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let given = u64::from_le_bytes(digits);
    let lower = given | (0x20 * ONES);
    let letters = (lower >> 6) & ONES;
    let values = (lower & (0x0f * ONES)) + 9 * letters;
    // Written anew from their values they must be what was given, and a value above 9 must have been a letter, the last of
    // which is f.
    let written = values + 0x30 * ONES + 0x27 * letters;
    let above_nine = ((values + 6 * ONES) >> 4) & ONES;
    let lower_case_or_letter = ((given >> 5) & ONES) | letters;
    if (values & (0xf0 * ONES)) | (written ^ lower) | (above_nine ^ letters) | (lower_case_or_letter ^ ONES) != 0 {
        return None;
    }
    // The first digit is the highest, and lies in the lowest byte.
    let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = ((pairs << 8) | (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours << 16) | (fours >> 32)) as u32)
}
