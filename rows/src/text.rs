//! What messages need: texts that others hand over, cut to a length that can be carried, and the nearest right word for a wrong
//! one.

/// The text, cut to `most` bytes or a few less, so that no character is split; three dots say that it was.
pub fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The word most like `wrong`, if any is alike enough to be what was meant.
pub fn nearest<'w>(wrong: &str, words: &[&'w str]) -> Option<&'w str> {
    let alike = |word: &&str| strsim::jaro_winkler(&wrong.to_lowercase(), &word.to_lowercase());
    let best = words.iter().copied().max_by(|one, other| alike(one).total_cmp(&alike(other)))?;
    // Below this, suggestions are words that merely share letters.
    (alike(&best) > 0.75).then_some(best)
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
