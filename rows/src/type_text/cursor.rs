//! Through a type's text, from the front: names, numbers, brackets and what stands in quotes.

use super::TypeFault;

/// Where reading has come to.
pub(super) struct Parser<'t> {
    pub text: &'t str,
    pub at: usize,
    /// How many types stand around this place.
    pub depth: usize,
}

pub(super) type Parsed<T> = Result<T, TypeFault>;

impl<'t> Parser<'t> {
    pub(super) fn open(&mut self, example: &str) -> Parsed<()> {
        if self.takes('(') { Ok(()) } else { Err(self.malformed(example)) }
    }

    pub(super) fn close(&mut self) -> Parsed<()> {
        if self.takes(')') {
            return Ok(());
        }
        match self.rest() {
            "" => Err(self.malformed("the closing bracket is missing")),
            rest => Err(self.malformed(&format!("`{}` stands where `,` or `)` must", beginning(rest)))),
        }
    }

    /// A name before a type: in backquotes, or a word that white space follows.
    pub(super) fn name(&mut self) -> Parsed<Option<String>> {
        self.space();
        if self.peek() == Some('`') {
            return self.until_quote().map(Some);
        }
        let start = self.at;
        let word = self.word();
        match self.peek() {
            Some(next) if next.is_whitespace() && !word.is_empty() && !self.followed_by_bracket() => {
                Ok(Some(word.to_owned()))
            }
            _ => {
                self.at = start;
                Ok(None)
            }
        }
    }

    fn followed_by_bracket(&self) -> bool {
        self.rest().trim_start().starts_with(['(', ')', ','])
    }

    pub(super) fn quoted(&mut self, what: &str, example: &str) -> Parsed<String> {
        self.space();
        match self.peek() {
            Some('\'') => self.until_quote(),
            _ => Err(self.malformed(&format!("{what} is not a text in single quotes such as {example}"))),
        }
    }

    /// A text in the quotes that it begins with; a backslash takes the next character as it is.
    pub(super) fn until_quote(&mut self) -> Parsed<String> {
        let quote = self.peek();
        self.advance();
        let mut text = String::new();
        loop {
            let next = self.peek();
            self.advance();
            match next {
                None => return Err(self.malformed("a closing quote is missing")),
                Some('\\') => {
                    text.extend(self.peek());
                    self.advance();
                }
                next if next == quote => return Ok(text),
                Some(next) => text.push(next),
            }
        }
    }

    pub(super) fn word(&mut self) -> &'t str {
        self.take_while(|next| next.is_alphanumeric() || next == '_' || next == '.')
    }

    pub(super) fn number(&mut self) -> &'t str {
        let number = self.take_while(|next| !matches!(next, ',' | ')' | '('));
        number.trim_end()
    }

    fn take_while(&mut self, right: impl Fn(char) -> bool) -> &'t str {
        self.space();
        let rest = self.rest();
        let end = rest.find(|next| !right(next)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    pub(super) fn takes(&mut self, wanted: char) -> bool {
        self.space();
        let found = self.peek() == Some(wanted);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn advance(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn malformed(&self, problem: &str) -> TypeFault {
        TypeFault::Malformed { text: beginning(self.text.trim()), problem: problem.to_owned() }
    }
}

/// Enough of a text to find it by.
pub(super) fn beginning(text: &str) -> String {
    crate::text::shortened(text.to_owned(), 200)
}
