//! Tampers with records: not blindly, but as something that knows what is hard to read in JSON would.

use std::ops::Range;

use tidegate_json_bench::Dice;

use crate::pieces::{BEFORE, BEHIND, DIGITS, KEYS, MARKS, NUMBERS, SPACES, STRINGS, WITHIN, WORDS};
use crate::tokens::{Parts, Token};

/// Tampers with one record after the other.
#[derive(Debug)]
pub struct Tamperer {
    dice: Dice,
    /// What is put in place of a range of the record; the bytes lie in `with`.
    edits: Vec<(Range<usize>, Range<usize>)>,
    with: Vec<u8>,
}

impl Tamperer {
    /// One whose choices follow from a seed.
    pub fn new(dice: Dice) -> Self {
        Self { dice, edits: Vec::new(), with: Vec::new() }
    }

    /// Its choices.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Appends the record with some changes: none for a quarter of the records, one for most, up to four.
    pub fn tamper(&mut self, record: &Parts, out: &mut Vec<u8>) {
        self.edits.clear();
        self.with.clear();
        let changes = match self.dice.below(20) {
            0..5 => 0,
            5..16 => 1,
            16..19 => 2,
            _ => 4,
        };
        for _ in 0..changes {
            self.change(record);
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let start = out.len();
        let mut done = 0;
        for (range, with) in &self.edits {
            // Of two changes to one place only the first one is made.
            let Some(between) = record.text.get(done..range.start) else { continue };
            out.extend_from_slice(between);
            out.extend_from_slice(self.with.get(with.clone()).unwrap_or_default());
            done = range.end;
        }
        out.extend_from_slice(record.text.get(done..).unwrap_or_default());
        if changes > 0 {
            self.whole(start, out);
        }
    }

    fn change(&mut self, record: &Parts) {
        match self.dice.below(24) {
            0..3 => self.replace(record, Token::Number, &NUMBERS),
            3..5 => self.digit(record),
            5..7 => self.replace(record, Token::Text, &STRINGS),
            7..9 => self.within_a_string(record),
            9 => self.replace(record, Token::Word, &WORDS),
            10..12 => self.key(record),
            12..14 => self.space(record),
            14 => self.twice(record),
            15 => self.swap(record),
            16 => self.leave_out(record),
            17 => self.nest(record),
            18 => self.other_value(record),
            19 => self.mark(record),
            20 => {
                let at = self.dice.index(record.text.len());
                let byte = self.dice.bits() as u8;
                self.put(at..at + 1, &[byte]);
            }
            21 => {
                let Some((_, range)) = self.token(record, |_| true) else { return };
                self.put(range, b"");
            }
            22 => self.replace(record, Token::Number, &STRINGS),
            _ => self.replace(record, Token::Text, &NUMBERS),
        }
    }

    /// What is done to the record as a whole.
    fn whole(&mut self, start: usize, out: &mut Vec<u8>) {
        let length = out.len() - start;
        match self.dice.below(64) {
            0..2 => out.truncate(start + self.dice.index(length + 1)),
            2 => out.extend_from_slice(choice(&mut self.dice, &BEHIND)),
            3 => {
                let before = choice(&mut self.dice, &BEFORE);
                out.splice(start..start, before.iter().copied());
            }
            _ => {}
        }
    }

    fn replace(&mut self, record: &Parts, token: Token, with: &[&[u8]]) {
        if let Some((_, range)) = self.token(record, |other| other == token) {
            let with = choice(&mut self.dice, with);
            self.put(range, with);
        }
    }

    /// A byte more, or another one, within a number.
    fn digit(&mut self, record: &Parts) {
        let Some((_, range)) = self.token(record, |token| token == Token::Number) else { return };
        let at = range.start + self.dice.index(range.len() + 1);
        let end = at + self.dice.index(2).min(range.end - at);
        let with = choice(&mut self.dice, &DIGITS);
        self.put(at..end, with);
    }

    fn within_a_string(&mut self, record: &Parts) {
        let Some((_, range)) = self.token(record, |token| matches!(token, Token::Text | Token::Key)) else { return };
        let at = range.start + 1 + self.dice.index(range.len() - 1);
        let with = choice(&mut self.dice, &WITHIN);
        self.put(at..at, with);
    }

    /// Another key, the same one written otherwise, or one that almost is the same.
    fn key(&mut self, record: &Parts) {
        let Some((_, range)) = self.token(record, |token| token == Token::Key) else { return };
        match self.dice.below(4) {
            0 => {
                let Some((_, other)) = self.token(record, |token| token == Token::Key) else { return };
                let other = record.text.get(other).unwrap_or_default();
                self.put(range, other);
            }
            1 => {
                let at = range.start + 1 + self.dice.index(range.len() - 1);
                let Some(byte @ b'a'..=b'z') = record.text.get(at) else { return };
                let escape = format!("\\u{byte:04x}");
                self.put(at..at + 1, escape.as_bytes());
            }
            2 => {
                let with = choice(&mut self.dice, &KEYS);
                self.put(range, with);
            }
            _ => {
                let at = range.start + 1 + self.dice.index(range.len() - 1);
                let with = choice(&mut self.dice, &[b"", b"_", b"x", b"\xc3\xa9", b"\\"]);
                self.put(at..range.end.min(at + 1), with);
            }
        }
    }

    fn space(&mut self, record: &Parts) {
        let Some((_, range)) = self.token(record, |_| true) else { return };
        let at = if self.dice.one_in(2) { range.start } else { range.end };
        for _ in 0..=self.dice.below(3) {
            let with = choice(&mut self.dice, &SPACES);
            self.put(at..at, with);
        }
    }

    /// A member twice, one behind the other.
    fn twice(&mut self, record: &Parts) {
        let Some((_, range)) = pick(&mut self.dice, &record.members) else { return };
        let mut with = record.text.get(range.clone()).unwrap_or_default().to_vec();
        with.push(b',');
        self.put(range.start..range.start, &with);
    }

    /// Two members of an object in each other's place.
    fn swap(&mut self, record: &Parts) {
        let Some((object, one)) = pick(&mut self.dice, &record.members) else { return };
        let Some((of, other)) = pick(&mut self.dice, &record.members) else { return };
        if object == of && one != other {
            self.put(one.clone(), record.text.get(other.clone()).unwrap_or_default());
            self.put(other, record.text.get(one).unwrap_or_default());
        }
    }

    /// A member less, with the comma behind it or, if it is the last, before it.
    fn leave_out(&mut self, record: &Parts) {
        let Some((_, mut range)) = pick(&mut self.dice, &record.members) else { return };
        let behind = record.tokens.iter().find(|(_, token)| token.start >= range.end);
        let before = record.tokens.iter().rfind(|(_, token)| token.end <= range.start);
        let comma = |token: &&(Token, Range<usize>)| record.text.get(token.1.start) == Some(&b',');
        if let Some((_, comma)) = behind.filter(comma) {
            range.end = comma.end;
        } else if let Some((_, comma)) = before.filter(comma) {
            range.start = comma.start;
        }
        self.put(range, b"");
    }

    /// A value within brackets; within very many of them now and then.
    fn nest(&mut self, record: &Parts) {
        let Some(range) = pick(&mut self.dice, &record.values) else { return };
        let levels = match self.dice.below(16) {
            0 => 120 + self.dice.index(16),
            1 => self.dice.index(300),
            _ => 1 + self.dice.index(3),
        };
        let (open, close): (&[u8], &[u8]) = match self.dice.below(8) {
            0..4 => (b"[", b"]"),
            4..7 => (b"{\"a\":", b"}"),
            _ => (b"[", b"}"),
        };
        let less = usize::from(self.dice.one_in(8));
        self.put(range.start..range.start, &open.repeat(levels));
        self.put(range.end..range.end, &close.repeat(levels - less.min(levels)));
    }

    fn other_value(&mut self, record: &Parts) {
        let Some(range) = pick(&mut self.dice, &record.values) else { return };
        let Some(other) = pick(&mut self.dice, &record.values) else { return };
        // Values in values double what there is.
        if other.len() < 256 {
            self.put(range, record.text.get(other).unwrap_or_default());
        }
    }

    fn mark(&mut self, record: &Parts) {
        let Some((_, range)) = self.token(record, |token| token == Token::Mark || token == Token::Word) else { return };
        let with = choice(&mut self.dice, &MARKS);
        let end = if self.dice.one_in(2) { range.start } else { range.end };
        self.put(range.start..end, with);
    }

    fn token(&mut self, record: &Parts, wanted: impl Fn(Token) -> bool) -> Option<(Token, Range<usize>)> {
        // From anywhere on to the next one that is wanted: no list of them is made.
        let from = self.dice.index(record.tokens.len());
        let (before, behind) = record.tokens.split_at_checked(from)?;
        behind.iter().chain(before).find(|(token, _)| wanted(*token)).cloned()
    }

    fn put(&mut self, range: Range<usize>, with: &[u8]) {
        let start = self.with.len();
        self.with.extend_from_slice(with);
        self.edits.push((range, start..self.with.len()));
    }
}

fn pick<T: Clone>(dice: &mut Dice, of: &[T]) -> Option<T> {
    of.get(dice.index(of.len())).cloned()
}

fn choice<'a>(dice: &mut Dice, of: &[&'a [u8]]) -> &'a [u8] {
    of.get(dice.index(of.len())).copied().unwrap_or_default()
}
