//! Hexadecimal digits, sixteen at once: by the vectors of a guest, or within 64 bits (SWAR) where there are none.

/// The values of twice sixteen digits, of which the first is the highest and lies in the lowest byte; `None` where one of them is no
/// digit.
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[inline(always)]
pub(super) fn twice_sixteen(high: [u64; 2], low: [u64; 2]) -> Option<(u64, u64)> {
    use std::arch::wasm32 as v;
    // The values of digits and how wrong what is none of them would be.
    let digits = |[front, back]: [u64; 2]| {
        let given = v::u64x2(front, back);
        let numbers = v::u8x16_sub(given, v::u8x16_splat(b'0'));
        let letters = v::u8x16_sub(v::v128_or(given, v::u8x16_splat(0x20)), v::u8x16_splat(b'a'));
        let (beyond_nine, beyond_f) =
            (v::u8x16_sub_sat(numbers, v::u8x16_splat(9)), v::u8x16_sub_sat(letters, v::u8x16_splat(5)));
        // Of a number the other difference is far more than its value, and so it is of a letter.
        let values = v::u8x16_min(numbers, v::u8x16_add(letters, v::u8x16_splat(10)));
        // Each pair becomes a byte.
        let pairs = v::v128_or(v::u16x8_shl(values, 4), v::u16x8_shr(values, 8));
        (pairs, v::u8x16_min(beyond_nine, beyond_f))
    };
    let ((high, wrong_in_high), (low, wrong_in_low)) = (digits(high), digits(low));
    if v::v128_any_true(v::v128_or(wrong_in_high, wrong_in_low)) {
        return None;
    }
    // The first byte becomes the highest.
    let turned = v::u8x16_shuffle::<14, 12, 10, 8, 6, 4, 2, 0, 30, 28, 26, 24, 22, 20, 18, 16>(high, low);
    Some((v::u64x2_extract_lane::<0>(turned), v::u64x2_extract_lane::<1>(turned)))
}

/// The values of twice sixteen digits, of which the first is the highest and lies in the lowest byte; `None` where one of them is no
/// digit.
#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
#[inline(always)]
pub(super) fn twice_sixteen(high: [u64; 2], low: [u64; 2]) -> Option<(u64, u64)> {
    let sixteen = |[front, back]: [u64; 2]| Some(u64::from(eight(front)?) << 32 | u64::from(eight(back)?));
    Some((sixteen(high)?, sixteen(low)?))
}

#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
#[inline]
fn eight(given: u64) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
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
