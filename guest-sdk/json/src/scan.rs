//! Finding the end of strings eight bytes at a time (SWAR), without any unsafe code.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The length of the plain text at the front: up to the first quote, backslash or control character, or the end.
#[inline]
pub fn plain(bytes: &[u8]) -> usize {
    // Most strings end within the first sixteen bytes, and a turn of a loop costs a guest more than it costs others.
    let Some((first, behind)) = bytes.split_first_chunk::<8>() else { return longer(bytes, bytes) };
    let found = special(u64::from_le_bytes(*first));
    if found != 0 {
        return (found.trailing_zeros() / 8) as usize;
    }
    let Some((second, behind)) = behind.split_first_chunk::<8>() else { return longer(bytes, behind) };
    let found = special(u64::from_le_bytes(*second));
    if found != 0 {
        return 8 + (found.trailing_zeros() / 8) as usize;
    }
    longer(bytes, behind)
}

/// As [`plain`], where the bytes before `rest` are plain.
fn longer(bytes: &[u8], mut rest: &[u8]) -> usize {
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        let found = special(u64::from_le_bytes(*eight));
        if found != 0 {
            // The lowest marked byte is the first: a borrow marks only bytes behind a byte that is marked rightly.
            return bytes.len() - rest.len() + (found.trailing_zeros() / 8) as usize;
        }
        rest = behind;
    }
    let tail = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
    bytes.len() - rest.len() + tail
}

/// Marks the highest bit of bytes that are a quote, a backslash or a control character.
#[inline]
fn special(eight: u64) -> u64 {
    let quote = eight ^ (LOW * b'"' as u64);
    let backslash = eight ^ (LOW * b'\\' as u64);
    let zero = |word: u64| word.wrapping_sub(LOW) & !word;
    let control = eight.wrapping_sub(LOW * 0x20) & !eight;
    (zero(quote) | zero(backslash) | control) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_special_byte_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..=length {
                for special in [b'"', b'\\', 0, 0x1f] {
                    for other in [b'a', 0x20, 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']'] {
                        let mut bytes = vec![other; length];
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = special;
                        }
                        if let Some(later) = bytes.get_mut(at + 1) {
                            *later = b'"';
                        }
                        assert_eq!(plain(&bytes), at, "{bytes:?}");
                    }
                }
            }
        }
    }
}
