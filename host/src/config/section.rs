//! A TOML table that is read key by key: what is missing, of the wrong type or never asked for becomes a fault.

use std::cell::{Cell, RefCell};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, joined};
use super::units::{ByteSize, parse_duration};
use crate::rows::nearest;

/// One table of a document. Dropping it reports the keys that nobody asked for.
pub struct Section<'d> {
    document: &'d Document,
    path: String,
    /// Where the section begins in the text, in bytes.
    start: usize,
    table: &'d DeTable<'d>,
    asked: RefCell<Vec<&'static str>>,
    any_key_is_right: Cell<bool>,
}

impl<'d> Section<'d> {
    pub(super) fn new(document: &'d Document, path: String, start: usize, table: &'d DeTable<'d>) -> Self {
        Self { document, path, start, table, asked: RefCell::default(), any_key_is_right: Cell::new(false) }
    }

    /// Reports a fault of a key in this section.
    pub fn fault(&self, key: &str, problem: impl Into<String>) {
        let at = self.table.get(key).map_or(self.start, |value| value.span().start);
        self.document.fault(at, self.path_to(key), problem.into());
    }

    fn path_to(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    fn get(&self, key: &'static str) -> Option<&'d DeValue<'d>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key).map(Spanned::get_ref)
    }

    /// Whether the key stands in the file.
    pub fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// A text.
    pub fn string(&self, key: &'static str) -> Option<&'d str> {
        match self.get(key)? {
            DeValue::String(text) => Some(text),
            other => {
                self.fault(key, format!("is {}; expected a text in quotes", shown(other)));
                None
            }
        }
    }

    /// A text that must be there; `example` is shown where it is not.
    pub fn required_string(&self, key: &'static str, example: &str) -> Option<&'d str> {
        if !self.has(key) {
            self.fault(key, format!("is missing; for example {key} = {example}"));
        }
        self.string(key)
    }

    /// A text that reads as a `T`.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, key: &'static str) -> Option<T> {
        let text = self.string(key)?;
        text.parse().map_err(|problem| self.fault(key, format!("is \"{text}\"; {problem}"))).ok()
    }

    /// A size such as `8 MiB`, at least `least`.
    pub fn size(&self, key: &'static str, least: ByteSize) -> Option<ByteSize> {
        let size: ByteSize = self.parsed(key)?;
        if size < least {
            self.fault(key, format!("is \"{size}\"; expected at least \"{least}\""));
            return None;
        }
        Some(size)
    }

    /// A duration such as `1 s`.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        let text = self.string(key)?;
        parse_duration(text).map_err(|problem| self.fault(key, format!("is \"{text}\"; {problem}"))).ok()
    }

    /// A whole number within `range`.
    pub fn integer(&self, key: &'static str, range: std::ops::RangeInclusive<usize>) -> Option<usize> {
        let value = self.get(key)?;
        let number = match value {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.fault(key, format!("is {}; expected a whole number from {least} to {most}", shown(value)));
        }
        number
    }

    /// A whole number within `range`, of either sign.
    pub fn number(&self, key: &'static str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.get(key)?;
        let number = match value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.fault(key, format!("is {}; expected a whole number from {least} to {most}", shown(value)));
        }
        number
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        match self.get(key)? {
            DeValue::Boolean(value) => Some(*value),
            other => {
                self.fault(key, format!("is {}; expected true or false", shown(other)));
                None
            }
        }
    }

    /// Whatever stands there.
    pub fn value(&self, key: &'static str) -> Option<&'d DeValue<'d>> {
        self.get(key)
    }

    /// A list of texts.
    pub fn strings(&self, key: &'static str) -> Option<Vec<&'d str>> {
        let value = self.get(key)?;
        let texts = match value {
            DeValue::Array(items) => items.iter().map(|item| item.get_ref().as_str()).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.fault(key, format!("is {}; expected a list of texts, such as [\"a\", \"b\"]", shown(value)));
        }
        texts
    }

    /// One of the words given.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.string(key)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let hint = nearest(text, &words).map(|word| format!("; the nearest is \"{word}\"")).unwrap_or_default();
            self.fault(key, format!("is \"{text}\"; expected {}{hint}", quoted.join(" or ")));
        }
        found.map(|(_, value)| *value)
    }

    /// A table below this one.
    pub fn section(&self, key: &'static str) -> Option<Section<'d>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key).and_then(|value| self.below(key, value))
    }

    /// A table below this one whose name the file chose.
    pub fn section_named(&self, key: &str) -> Option<Section<'d>> {
        self.table.get(key).and_then(|value| self.below(key, value))
    }

    /// Whether the key stands in the file and is a table.
    pub fn is_section(&self, key: &'static str) -> bool {
        matches!(self.get(key), Some(DeValue::Table(_)))
    }

    /// All tables below this one, whatever they are called.
    pub fn sections(&self) -> Vec<(&'d str, Section<'d>)> {
        self.any_key_is_right.set(true);
        let entries = self.table.iter();
        entries
            .filter_map(|(key, value)| self.below(key.get_ref(), value).map(|section| (&**key.get_ref(), section)))
            .collect()
    }

    /// A list of tables, written `[[key]]`; none where the key does not stand in the file.
    pub fn tables(&self, key: &'static str) -> Vec<Section<'d>> {
        let items = match self.get(key) {
            None => return Vec::new(),
            Some(DeValue::Array(items)) => items,
            Some(other) => {
                self.fault(key, format!("is {}; expected tables [[{}]]", shown(other), self.path_to(key)));
                return Vec::new();
            }
        };
        items.iter().enumerate().filter_map(|(index, item)| self.below(&format!("{key}[{index}]"), item)).collect()
    }

    fn below(&self, key: &str, value: &'d Spanned<DeValue<'d>>) -> Option<Section<'d>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.document, self.path_to(key), value.span().start, table)),
            other => {
                self.fault(key, format!("is {}; expected a section [{}]", shown(other), self.path_to(key)));
                None
            }
        }
    }

    /// All keys and values of this table, whatever they are called.
    pub fn entries(&self) -> Vec<(&'d str, &'d DeValue<'d>)> {
        self.any_key_is_right.set(true);
        self.table.iter().map(|(key, value)| (&**key.get_ref(), value.get_ref())).collect()
    }

    /// Keys that nobody asks for are somebody else's.
    pub fn pass_over_others(&self) {
        self.any_key_is_right.set(true);
    }

    /// This table as a JSON object, whatever its keys are called. Dates become texts.
    pub fn json(&self) -> serde_json::Value {
        self.any_key_is_right.set(true);
        json_object(self.table)
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if self.any_key_is_right.get() {
            return;
        }
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            let key: &str = key.get_ref();
            if !asked.contains(&key) {
                let hint = match nearest(key, &asked) {
                    Some(known) => format!("; the nearest known one is `{known}`"),
                    None => format!("; known ones are {}", asked.join(", ")),
                };
                self.fault(key, format!("is not a known key{hint}"));
            }
        }
    }
}

/// The value as it could stand in the file, short enough for a message.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    let text = match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(_) => return "a list".to_owned(),
        DeValue::Table(_) => return "a section".to_owned(),
    };
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn json_object(table: &DeTable<'_>) -> serde_json::Value {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect()
}

/// A value as JSON. Dates become texts.
pub(crate) fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_default().into(),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap_or_default().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(value) => value.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => json_object(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    fn read<T>(text: &str, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Result<T, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let result = Document::read(file.path(), read);
        result.map_err(|faults| faults.to_string().replace(&file.path().display().to_string(), "f"))
    }

    #[test]
    fn all_faults_are_reported_at_once_with_their_lines() {
        let faults = read("url = 7\nlinger = \"1 day\"\nrecrods = 3\n\n[batch]\nrecords = 0\n", |top| {
            top.string("url");
            top.duration("linger");
            top.integer("records", 1..=10);
            let batch = top.section("batch")?;
            batch.integer("records", 1..=10)
        })
        .unwrap_err();
        let lines: Vec<_> = faults.lines().collect();
        assert_eq!(
            lines,
            [
                "f:1: `url`: is 7; expected a text in quotes",
                "f:2: `linger`: is \"1 day\"; expected a number and a unit of us, ms, s, min or h, such as \"1 s\"",
                "f:3: `recrods`: is not a known key; the nearest known one is `records`",
                "f:6: `batch.records`: is 0; expected a whole number from 1 to 10",
            ]
        );
    }

    #[test]
    fn what_is_not_toml_is_refused_with_its_line() {
        let fault = read("a = 1\nb = \n", |_| Some(())).unwrap_err();
        assert!(fault.starts_with("f:2: is not TOML"), "{fault}");
    }

    #[test]
    fn tables_of_a_list_are_named_by_their_index() {
        let faults = read("[[a]]\nn = 1\n[[a]]\nn = -9\nm = 1\n[b]\n", |top| {
            top.tables("b");
            let numbers: Vec<_> = top.tables("a").iter().map(|table| table.number("n", -5..=5)).collect();
            assert_eq!(numbers, [Some(1), None]);
            Some(())
        });
        let lines = faults.unwrap_err();
        assert_eq!(
            lines.lines().collect::<Vec<_>>(),
            [
                "f:4: `a[1].n`: is -9; expected a whole number from -5 to 5",
                "f:5: `a[1].m`: is not a known key; known ones are n",
                "f:6: `b`: is a section; expected tables [[b]]",
            ]
        );
    }

    #[test]
    fn settings_become_json() {
        let json = read("[s]\na = 1\nb = [\"x\", 1.5]\nc.d = true\n", |top| Some(top.section("s")?.json())).unwrap();
        assert_eq!(json.to_string(), r#"{"a":1,"b":["x",1.5],"c":{"d":true}}"#);
    }
}
