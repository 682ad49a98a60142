//! `numeric` as PostgreSQL sends and receives it: digits of base 10,000, highest first, and the weight of the first.
//! The layout is that of `numeric_send` in PostgreSQL's `src/backend/utils/adt/numeric.c`.

use ethnum::U256;

/// The sign of a number below zero.
const NEGATIVE: u16 = 0x4000;

/// Room for 78 decimal digits wherever the point stands.
const MOST_GROUPS: usize = 24;

/// Digits of base 10,000, big-endian, as they are sent: they come lowest first and are written from the end.
struct Groups {
    bytes: [u8; 2 * MOST_GROUPS],
    start: usize,
}

/// Appends `magnitude` times 10^-`scale`, with the length before it.
pub fn write_small(negative: bool, mut magnitude: u64, scale: u8, out: &mut Vec<u8>) {
    let mut groups = Groups::new();
    if let Some((divisor, factor)) = partial(scale) {
        groups.push(magnitude % divisor * factor);
        magnitude /= divisor;
    }
    groups.push_all(magnitude);
    groups.write(negative, scale, out);
}

/// The same for up to 78 digits.
pub fn write_wide(negative: bool, mut magnitude: U256, scale: u8, out: &mut Vec<u8>) {
    /// Four digits of base 10,000.
    const FOUR: u64 = 10_000_000_000_000_000;
    let mut groups = Groups::new();
    if let Some((divisor, factor)) = partial(scale) {
        groups.push((magnitude % U256::from(divisor)).as_u64() * factor);
        magnitude /= U256::from(divisor);
    }
    while magnitude > U256::from(u64::MAX) {
        let mut four = (magnitude % U256::from(FOUR)).as_u64();
        magnitude /= U256::from(FOUR);
        for _ in 0..4 {
            groups.push(four % 10_000);
            four /= 10_000;
        }
    }
    groups.push_all(magnitude.as_u64());
    groups.write(negative, scale, out);
}

/// Where the last digits do not fill a group: how to take them off, and what fills them up.
fn partial(scale: u8) -> Option<(u64, u64)> {
    match scale % 4 {
        0 => None,
        digits => Some((10u64.pow(digits.into()), 10u64.pow(u32::from(4 - digits)))),
    }
}

impl Groups {
    #[inline]
    fn new() -> Self {
        Self { bytes: [0; 2 * MOST_GROUPS], start: 2 * MOST_GROUPS }
    }

    #[inline]
    fn push(&mut self, digit: u64) {
        let start = self.start.wrapping_sub(2);
        if let Some(place) = self.bytes.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            // Below 10,000.
            *place = (digit as u16).to_be_bytes();
            self.start = start;
        }
    }

    #[inline]
    fn push_all(&mut self, mut rest: u64) {
        while rest > 0 {
            self.push(rest % 10_000);
            rest /= 10_000;
        }
    }

    #[inline]
    fn write(&self, negative: bool, scale: u8, out: &mut Vec<u8>) {
        let mut digits = self.bytes.get(self.start..).unwrap_or_default();
        while let Some(rest) = digits.strip_prefix(&[0, 0]) {
            digits = rest;
        }
        // Both are below 100.
        let (count, fraction) = ((digits.len() / 2) as i16, i16::from(scale.div_ceil(4)));
        let weight = if count == 0 { 0 } else { count - fraction - 1 };
        let sign = if negative { NEGATIVE } else { 0 };
        // The length of what follows in 32 bits, then 16 bits each.
        let words = u128::from(8 + count.unsigned_abs() * 2) << 64
            | u128::from(count.unsigned_abs()) << 48
            | u128::from(weight as u16) << 32
            | u128::from(sign) << 16
            | u128::from(scale);
        out.reserve(12 + digits.len());
        out.extend_from_slice(words.to_be_bytes().get(4..).unwrap_or_default());
        out.extend_from_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Count, weight, sign, scale and digits.
    fn small(negative: bool, magnitude: u64, scale: u8) -> (i16, i16, u16, u16, Vec<u16>) {
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        write_small(negative, magnitude, scale, &mut narrow);
        write_wide(negative, U256::from(magnitude), scale, &mut wide);
        assert_eq!(narrow, wide);
        read(&narrow)
    }

    fn read(bytes: &[u8]) -> (i16, i16, u16, u16, Vec<u16>) {
        let length = i32::from_be_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), bytes.len() - 4);
        let words: Vec<u16> = bytes[4..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        (words[0] as i16, words[1] as i16, words[2], words[3], words[4..].to_vec())
    }

    #[test]
    fn groups_stand_on_both_sides_of_the_point() {
        assert_eq!(small(false, 1_499_000, 4), (2, 0, 0, 4, vec![149, 9_000]));
        assert_eq!(small(true, 5, 2), (1, -1, NEGATIVE, 2, vec![500]));
        assert_eq!(small(false, 5, 9), (1, -3, 0, 9, vec![5_000]));
        assert_eq!(small(false, 12_345, 3), (2, 0, 0, 3, vec![12, 3_450]));
        assert_eq!(small(false, 0, 4), (0, 0, 0, 4, vec![]));
        assert_eq!(small(false, 10_000, 0), (2, 1, 0, 0, vec![1, 0]));
        assert_eq!(small(false, u64::MAX, 0).4, [1844, 6744, 737, 955, 1615]);
    }

    #[test]
    fn the_widest_numbers_have_room() {
        let mut out = Vec::new();
        write_wide(false, U256::MAX, 0, &mut out);
        let (count, weight, _, _, digits) = read(&out);
        assert_eq!((count, weight, digits[0], digits[19]), (20, 19, 11, 9_935));
        out.clear();
        write_wide(true, U256::MAX, 75, &mut out);
        assert_eq!(read(&out).0, 20);
    }
}
