//! How figures and records are written for people: lines with a tone, numbers in groups, bytes without surprises.

use std::time::Duration;

/// A line of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Without a line end.
    pub text: String,
    /// What it should look like.
    pub tone: Tone,
}

/// What a line should look like, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Tone {
    Plain,
    Title,
    Faint,
    Good,
    Bad,
}

impl Line {
    /// A line in a tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    /// An empty line.
    pub fn empty() -> Self {
        Self::new(Tone::Plain, "")
    }
}

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `01:05`
pub fn clock(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// A record's bytes as text that cannot command a terminal: what is not UTF-8 is replaced, and so are control characters.
pub fn printable(bytes: &[u8]) -> String {
    let replace = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    String::from_utf8_lossy(bytes).chars().map(replace).collect()
}

/// The text in pieces of `width` characters; what is behind the last of `most` pieces is left out, which dots say.
pub fn wrapped(text: &str, width: usize, most: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut pieces: Vec<String> =
        characters.chunks(width.max(1)).take(most).map(|piece| piece.iter().collect()).collect();
    if characters.len() > width.max(1) * most
        && let Some(last) = pieces.last_mut()
    {
        last.pop();
        last.push('…');
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0, 12, 999, 1_000, 123_456, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn a_record_cannot_command_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\xffc\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
    }

    #[test]
    fn long_text_is_wrapped_and_then_cut() {
        assert_eq!(wrapped("абвгд", 2, 3), ["аб", "вг", "д"]);
        assert_eq!(wrapped("абвгде", 2, 3), ["аб", "вг", "де"]);
        assert_eq!(wrapped("абвгдеж", 2, 3), ["аб", "вг", "д…"]);
        assert_eq!(wrapped("", 2, 3), Vec::<String>::new());
    }
}
