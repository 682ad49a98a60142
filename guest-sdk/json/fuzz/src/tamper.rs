//! Tampers with records: not blindly, but as something that knows what is hard to read in JSON would.

use std::ops::Range;

use tidegate_json_bench::Dice;

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

const NUMBERS: [&[u8]; 64] = [
    b"0",
    b"-0",
    b"1",
    b"-1",
    b"7",
    b"10",
    b"127",
    b"128",
    b"-128",
    b"-129",
    b"255",
    b"256",
    b"32767",
    b"-32769",
    b"65535",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551615",
    b"18446744073709551616",
    b"170141183460469231731687303715884105727",
    b"-170141183460469231731687303715884105728",
    b"170141183460469231731687303715884105728",
    b"340282366920938463463374607431768211455",
    b"340282366920938463463374607431768211456",
    b"123456789012345678901234567890123456789012345678901234567890",
    b"0.1",
    b"-0.0",
    b"0.30000000000000004",
    b"4.35",
    b"1.0",
    b"149.90",
    b"100000000000000000000.5",
    b"1e3",
    b"1E+3",
    b"1e-3",
    b"1e22",
    b"1e23",
    b"8.5e22",
    b"1e308",
    b"1.7976931348623157e308",
    b"1.7976931348623159e308",
    b"1e309",
    b"-1e400",
    b"2.2250738585072014e-308",
    b"4.9e-324",
    b"2e-324",
    b"1e-400",
    b"0e999999999999",
    b"0.1e-99999999999999999999",
    b"3.4028236e38",
    b"1.17549435e-38",
    b"7.006492321624085e-46",
    b"16777217.0",
    b"123456789.123456789e-5",
    b"0.000000000000000000000000000000000000000000000000000000000001",
    b"01",
    b"1e",
];

const DIGITS: [&[u8]; 18] = [
    b"0",
    b"1",
    b"9",
    b".",
    b"e",
    b"E",
    b"-",
    b"+",
    b"e5",
    b".5",
    b"00",
    b"999999999",
    b"000000000000",
    b"_",
    b"x",
    b"/",
    b":",
    b"\xd9\xa1",
];

const STRINGS: [&[u8]; 44] = [
    b"\"\"",
    b"\"a\"",
    b"\"plain\"",
    b"\"fifteen bytes..\"",
    b"\"sixteen bytes...\"",
    b"\"seventeen bytes..\"",
    b"\"a text of more than thirty-two bytes, all of it plain\"",
    b"\"\\n\"",
    b"\"\\\"\"",
    b"\"\\\\\"",
    b"\"\\/\\b\\f\\n\\r\\t\"",
    b"\"\\u0041\"",
    b"\"\\u00e9\"",
    b"\"\\u0000\"",
    b"\"\\ud83d\\ude00\"",
    b"\"\\uD83D\\uDE00x\"",
    b"\"\\ud83d\"",
    b"\"\\ude00\"",
    b"\"\\ud83d\\u0041\"",
    b"\"\\ud83d\\ud83d\\ude00\"",
    b"\"\\ud83dx\"",
    b"\"\\ud83d\\n\"",
    b"\"\\u12\"",
    b"\"\\u12g4\"",
    b"\"\\u 123\"",
    b"\"\\u+123\"",
    b"\"\\x41\"",
    b"\"\\\"",
    b"\"\\",
    b"\"",
    b"\"\xc3\xa9\"",
    b"\"\xe6\xbd\xae\xf0\x9f\x93\xa6\"",
    b"\"\xff\"",
    b"\"\xc3\"",
    b"\"\xc0\xaf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\x7f\"",
    b"\"\x1f\"",
    b"\"\x00\"",
    b"\"\t\"",
    b"\"\n\"",
    b"\"2026-11-20T10:15:00.123Z\"",
    b"\"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\"",
];

const WITHIN: [&[u8]; 30] = [
    b"\\n",
    b"\\\"",
    b"\\\\",
    b"\\/",
    b"\\u0041",
    b"\\u00e9",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"\\ude00",
    b"\\u",
    b"\\u1",
    b"\\",
    b"\"",
    b"\\x",
    b"\\U0041",
    b"\x00",
    b"\x1f",
    b"\n",
    b"\x7f",
    b"\xc3\xa9",
    b"\xf0\x9f\x93\xa6",
    b"\xc3",
    b"\x80",
    b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x80\xa8",
    b"'",
    b"{",
    b",",
    b"sixteen more bytes",
];

const WORDS: [&[u8]; 14] = [
    b"null",
    b"true",
    b"false",
    b"nul",
    b"nulll",
    b"True",
    b"NULL",
    b"tru",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"undefined",
    b"0",
    b"\"true\"",
];

const KEYS: [&[u8]; 18] = [
    b"\"\"",
    b"\"a\"",
    b"\"id\"",
    b"\"type\"",
    b"\"t\"",
    b"\"c\"",
    b"\"0\"",
    b"\"-1\"",
    b"\"1.0\"",
    b"\"true\"",
    b"\"x\"",
    b"\"\\u0069d\"",
    b"null",
    b"1",
    b"a",
    b"'a'",
    b"\"unknown\"",
    b"\"a key that is longer than most of them are, by some bytes\"",
];

const SPACES: [&[u8]; 16] = [
    b" ",
    b" ",
    b"\n",
    b"\t",
    b"\r",
    b"  ",
    b"\r\n\t",
    b"                    ",
    b"\n\n\n\n\n\n\n\n\n",
    b"\x0b",
    b"\x0c",
    b"\x00",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"/**/",
];

const MARKS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b",,",
    b"::",
    b";",
    b"=",
    b"[]",
    b"{}",
    b"[[]]",
    b"{\"a\":[]}",
    b"\"a\":1,",
    b"(",
];

const BEHIND: [&[u8]; 12] = [
    b" ",
    b"\n",
    b"}",
    b"]",
    b",",
    b"0",
    b"\"",
    b"null",
    b" x",
    b"{}",
    b"\x00",
    b"                                        1",
];

const BEFORE: [&[u8]; 8] =
    [b" ", b"\r\n", b"\xef\xbb\xbf", b"\x00", b"1 ", b",", b"                                 ", b"\x1e"];
