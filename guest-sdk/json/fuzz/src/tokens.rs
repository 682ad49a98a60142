//! Where the tokens of a JSON text lie, and what belongs together. For texts that are valid: of others it makes something.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A string that is no key, with its quotes.
    Text,
    /// A string with a colon behind it.
    Key,
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Word,
    /// A bracket, a comma or a colon.
    Mark,
}

/// A text and where its parts lie, as ranges of bytes.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// All of it.
    pub text: Vec<u8>,
    /// The tokens, in their order.
    pub tokens: Vec<(Token, Range<usize>)>,
    /// Values: strings, numbers, words, and arrays and objects from their opening to their closing bracket.
    pub values: Vec<Range<usize>>,
    /// Members of objects: from the key to the end of the value. Those of one object have the same number, its own.
    pub members: Vec<(usize, Range<usize>)>,
}

impl Parts {
    /// Takes a text apart.
    pub fn new(text: &[u8]) -> Self {
        let mut parts = Self { text: text.to_vec(), ..Self::default() };
        parts.find_tokens();
        parts.find_values();
        parts
    }

    fn find_tokens(&mut self) {
        let mut at = 0;
        while let Some(&byte) = self.text.get(at) {
            let rest = self.text.get(at..).unwrap_or_default();
            let (token, length) = match byte {
                b' ' | b'\n' | b'\t' | b'\r' => {
                    at += 1;
                    continue;
                }
                b'"' => (Token::Text, string(rest)),
                b'{' | b'}' | b'[' | b']' | b',' | b':' => (Token::Mark, 1),
                _ => {
                    let ends = |byte: &u8| matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | 0..=b' ');
                    let length = rest.iter().position(ends).unwrap_or(rest.len());
                    (if byte.is_ascii_alphabetic() { Token::Word } else { Token::Number }, length.max(1))
                }
            };
            if let (b':', Some((last @ Token::Text, _))) = (byte, self.tokens.last_mut()) {
                *last = Token::Key;
            }
            self.tokens.push((token, at..at + length));
            at += length;
        }
    }

    fn find_values(&mut self) {
        // Brackets that are open: where each opened, its number, and the key whose value it holds.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut keys: Vec<Option<usize>> = vec![None];
        let mut objects = 0;
        for (token, range) in &self.tokens {
            let value = match (token, self.text.get(range.start)) {
                (Token::Key, _) => {
                    if let Some(key) = keys.last_mut() {
                        *key = Some(range.start);
                    }
                    continue;
                }
                (Token::Mark, Some(b'{' | b'[')) => {
                    objects += 1;
                    open.push((range.start, objects));
                    keys.push(None);
                    continue;
                }
                (Token::Mark, Some(b'}' | b']')) => {
                    let Some((start, _)) = open.pop() else { continue };
                    keys.pop();
                    start..range.end
                }
                (Token::Mark, _) => continue,
                (Token::Text | Token::Number | Token::Word, _) => range.clone(),
            };
            if let Some(key) = keys.last_mut().and_then(Option::take) {
                let object = open.last().map_or(0, |&(_, number)| number);
                self.members.push((object, key..value.end));
            }
            self.values.push(value);
        }
    }
}

/// How long a string is that begins with its quote.
fn string(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn finds_what_belongs_together() {
        let parts = Parts::new(br#" {"a":1, "b\"":[true,"x",{"c":-2.5}],"d":{}} "#);
        let shown = |range: &Range<usize>| String::from_utf8_lossy(&parts.text[range.clone()]).into_owned();
        let values: Vec<_> = parts.values.iter().map(shown).collect();
        assert_eq!(values[..4], ["1", "true", "\"x\"", "-2.5"]);
        assert_eq!(values[4..7], ["{\"c\":-2.5}", "[true,\"x\",{\"c\":-2.5}]", "{}"]);
        let members: Vec<_> = parts.members.iter().map(|(object, range)| (*object, shown(range))).collect();
        let expected = [(1, "\"a\":1"), (3, "\"c\":-2.5"), (1, "\"b\\\"\":[true,\"x\",{\"c\":-2.5}]"), (1, "\"d\":{}")];
        assert_eq!(members, expected.map(|(object, text)| (object, text.to_owned())));
        assert_eq!(parts.tokens.iter().filter(|(token, _)| *token == Token::Key).count(), 4);
    }
}
