//! CSV by RFC 4180, stricter than usual readers: a quote that is never closed is an error, where they would take the
//! readings behind it for a part of the field.
//!
//! Two liberties: lines may end with a line feed alone, and the first comma or semicolon outside of quotes is the
//! separator of the whole text.

use std::borrow::Cow;

use tidegate_plugin::Reject;

/// The lines of a text that are not blank. A line with a quoted line feed is one line here.
pub struct Lines<'a> {
    rest: &'a str,
    separator: u8,
    number: u32,
}

/// The fields of a line, without their quotes.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it begins, from 1.
    pub number: u32,
    pub fields: Vec<Cow<'a, str>>,
}

/// What stood behind a field.
#[derive(PartialEq, Eq)]
enum End {
    Field,
    Line,
}

impl<'a> Lines<'a> {
    pub fn of(text: &'a str) -> Self {
        let rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest, separator: separator(rest), number: 1 }
    }

    fn skip_blank_lines(&mut self) {
        while let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n")) {
            self.rest = rest;
            self.number += 1;
        }
    }

    fn line(&mut self) -> Result<Line<'a>, Reject> {
        let mut line = Line { number: self.number, fields: Vec::with_capacity(5) };
        loop {
            let (field, end) = match self.rest.strip_prefix('"') {
                Some(quoted) => self.quoted(quoted)?,
                None => self.unquoted(),
            };
            line.fields.push(field);
            if end == End::Line {
                return Ok(line);
            }
        }
    }

    fn unquoted(&mut self) -> (Cow<'a, str>, End) {
        let length = self.rest.bytes().position(|byte| byte == self.separator || byte == b'\n');
        let (field, behind) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        match behind.strip_prefix('\n') {
            Some(behind) => {
                self.rest = behind;
                self.number += 1;
                (field.strip_suffix('\r').unwrap_or(field).into(), End::Line)
            }
            None if behind.is_empty() => {
                self.rest = behind;
                (field.into(), End::Line)
            }
            None => {
                self.rest = behind.get(1..).unwrap_or_default();
                (field.into(), End::Field)
            }
        }
    }

    /// The field whose opening quote stood before `text`.
    fn quoted(&mut self, text: &'a str) -> Result<(Cow<'a, str>, End), Reject> {
        let opened = self.number;
        let never_closed = || Reject::new(format!("line {opened}: a quote is never closed"));
        let (first, mut behind) = text.split_once('"').ok_or_else(never_closed)?;
        let mut field = Cow::Borrowed(first);
        while let Some(more) = behind.strip_prefix('"') {
            let (part, rest) = more.split_once('"').ok_or_else(never_closed)?;
            let field = field.to_mut();
            field.push('"');
            field.push_str(part);
            behind = rest;
        }
        let line_feeds = field.bytes().filter(|byte| *byte == b'\n').count();
        self.number += u32::try_from(line_feeds).unwrap_or(u32::MAX);
        self.rest = behind;
        match self.unquoted() {
            (nothing, end) if nothing.is_empty() => Ok((field, end)),
            (text, _) => Err(Reject::new(format!("line {opened}: {text:?} stands behind a closing quote"))),
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blank_lines();
        if self.rest.is_empty() {
            return None;
        }
        Some(self.line())
    }
}

fn separator(text: &str) -> u8 {
    let mut within_quotes = false;
    for byte in text.bytes() {
        match byte {
            b'"' => within_quotes = !within_quotes,
            b',' | b';' if !within_quotes => return byte,
            _ => {}
        }
    }
    b','
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u32, Vec<String>)> {
        let line = |line: Result<Line<'_>, Reject>| {
            let Line { number, fields } = line.unwrap();
            (number, fields.into_iter().map(Cow::into_owned).collect())
        };
        Lines::of(text).map(line).collect()
    }

    fn fields(text: &str) -> Vec<String> {
        let [(1, fields)] = &*read(text) else { panic!("{text:?} is not one line: {:?}", read(text)) };
        fields.clone()
    }

    fn fault(text: &str) -> String {
        Lines::of(text).find_map(Result::err).unwrap().to_string()
    }

    #[test]
    fn lines_end_in_either_way_and_the_last_one_without() {
        let expected = [(1, vec!["a".to_owned(), "b".to_owned()]), (2, vec!["c".to_owned(), String::new()])];
        for text in ["a,b\nc,", "a,b\r\nc,\r\n", "a,b\nc,\n", "\u{feff}a,b\r\nc,"] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn blank_lines_are_passed_over_and_counted() {
        let numbers: Vec<_> = read("\n\r\na\n\n\nb\n\r\n").into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [3, 6]);
        assert_eq!(read(""), []);
        assert_eq!(read("\n\n"), []);
    }

    #[test]
    fn quotes_hold_separators_line_ends_and_doubled_quotes() {
        assert_eq!(fields(r#""a,b",c"#), ["a,b", "c"]);
        assert_eq!(fields(r#"a,"say ""hi""!""#), ["a", r#"say "hi"!"#]);
        assert_eq!(fields(r#""""","""#), [r#"""#, ""]);
        assert_eq!(fields("\"a\r\nb\",c\r\n"), ["a\r\nb", "c"]);
    }

    #[test]
    fn a_line_behind_a_quoted_line_end_has_the_number_of_a_text_editor() {
        let numbers: Vec<_> = read("\"1\n2\n3\",x\n4,y\n").into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 4]);
    }

    #[test]
    fn a_quote_within_an_unquoted_field_is_a_character() {
        assert_eq!(fields(r#"5" pipe,x"#), [r#"5" pipe"#, "x"]);
    }

    #[test]
    fn the_first_separator_outside_of_quotes_is_that_of_the_text() {
        assert_eq!(fields("a;1,5;b"), ["a", "1,5", "b"]);
        assert_eq!(fields("a,1;5,b"), ["a", "1;5", "b"]);
        assert_eq!(fields(r#""a,b";1,5"#), ["a,b", "1,5"]);
        assert_eq!(fields("alone"), ["alone"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_refused_where_it_was_opened() {
        assert_eq!(fault("a,b\nc,\"d\ne,f\n"), "line 2: a quote is never closed");
        assert_eq!(fault("a,\"b\"\""), "line 1: a quote is never closed");
        assert_eq!(fault("\""), "line 1: a quote is never closed");
    }

    #[test]
    fn text_behind_a_closing_quote_is_refused() {
        assert_eq!(fault("a,\"b\"c,d"), r#"line 1: "c" stands behind a closing quote"#);
        assert_eq!(fault("\"b\" \r\n"), r#"line 1: " " stands behind a closing quote"#);
    }
}
