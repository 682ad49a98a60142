//! Texts that others hand over, cut to a length that messages can carry.

/// The text, cut to `most` bytes or a few less, so that no character is split; three dots say that it was.
pub fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters_and_says_so() {
        assert_eq!(shortened("жжж".to_owned(), 3), "ж...");
        assert_eq!(shortened("abc".to_owned(), 3), "abc");
        assert_eq!(shortened("abcd".to_owned(), 0), "...");
    }
}
