//! A TOML file: its text, where its keys stand, and the faults found in it. [`Section`] reads it key by key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::fault::{ConfigFaults, Fault};
use super::section::Section;

/// A file's text with the faults found in it so far.
pub struct Document {
    text: String,
    faults: RefCell<Vec<Fault>>,
}

/// What a file says as far as it can be read, and all that is wrong with it.
#[derive(Clone)]
pub struct Draft<T> {
    /// None where what is wrong leaves nothing to go on with.
    pub value: Option<T>,
    /// In the order of their lines.
    pub faults: Vec<Fault>,
    /// Where its keys are, for what is found wrong with them later.
    pub places: Places,
    file: PathBuf,
}

/// The lines of a file's keys.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<String, usize>);

impl<T> Draft<T> {
    /// Of a file in which nothing could be read.
    pub fn unread(file: &Path, line: usize, problem: String) -> Self {
        Self {
            value: None,
            faults: vec![Fault { line, key: String::new(), problem, statement: None }],
            places: Places::default(),
            file: file.to_owned(),
        }
    }

    /// Of a file without faults, whose keys are nobody's to mend.
    pub fn of(file: &Path, value: T) -> Self {
        Self { value: Some(value), faults: Vec::new(), places: Places::default(), file: file.to_owned() }
    }

    /// The value of a file without faults.
    ///
    /// # Errors
    /// All faults at once.
    pub fn complete(self) -> Result<T, ConfigFaults> {
        match self.value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(ConfigFaults { file: self.file, faults: self.faults }),
        }
    }
}

impl Places {
    /// The line of a key such as `routes.sale`, or of the section around it; 1 where neither stands in the file.
    pub fn line(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            match (self.0.get(key), key.rfind('.')) {
                (Some(line), _) => return *line,
                (None, Some(end)) => key = key.get(..end).unwrap_or_default(),
                (None, None) => return 1,
            }
        }
    }

    /// Whether the file has this key.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A fault of a key, at its line.
    pub fn fault(&self, key: &str, problem: String) -> Fault {
        Fault { line: self.line(key), key: key.to_owned(), problem, statement: None }
    }
}

impl Document {
    /// Reads the file and hands its top section to `read`. What `read` makes of it counts only where no fault was found.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read<T>(file: &Path, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Result<T, ConfigFaults> {
        Self::draft(file, read).complete()
    }

    /// Reads the file as far as it can be read, for who wants to go on and find what else is wrong.
    pub fn draft<T>(file: &Path, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Draft<T> {
        match std::fs::read_to_string(file) {
            Ok(text) => Self::draft_of(file, text, read),
            Err(problem) => Draft::unread(file, 1, format!("cannot be read: {problem}")),
        }
    }

    /// As [`Self::draft`], of a file that was read already.
    pub fn draft_of<T>(file: &Path, text: String, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Draft<T> {
        let unread = |line, problem| Draft::unread(file, line, problem);
        let document = Self { text, faults: RefCell::default() };
        let table = match DeTable::parse(&document.text) {
            Ok(table) => table,
            Err(problem) => {
                let line = problem.span().map_or(1, |span| document.line(span.start));
                return unread(line, format!("is not TOML: {}", problem.message()));
            }
        };
        let mut places = Places::default();
        document.note_places("", table.get_ref(), &mut places);
        let section = Section::new(&document, String::new(), 0, table.get_ref());
        let value = read(&section);
        drop(section);
        let mut faults = document.faults.take();
        faults.sort_by_key(|fault| fault.line);
        if value.is_none() && faults.is_empty() {
            return unread(1, "is not complete".to_owned());
        }
        Draft { value, faults, places, file: file.to_owned() }
    }

    /// Notes what is wrong with a key that stands at this byte.
    pub(super) fn fault(&self, at: usize, key: String, problem: String) {
        self.faults.borrow_mut().push(Fault { line: self.line(at), key, problem, statement: None });
    }

    fn line(&self, byte: usize) -> usize {
        self.text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
    }

    fn note_places(&self, path: &str, table: &DeTable<'_>, places: &mut Places) {
        for (key, value) in table.iter() {
            let path = joined(path, key.get_ref());
            places.0.insert(path.clone(), self.line(key.span().start));
            if let DeValue::Table(below) = value.get_ref() {
                self.note_places(&path, below, places);
            }
        }
    }
}

/// A key with the sections around it.
pub(super) fn joined(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again_by_their_lines_and_what_is_wrong_leaves_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a = 1\nb = 2\n[routes]\n\nsale = \"x:y\"\n[batch]\nlinger = 7\n").unwrap();
        let draft = Document::draft(file.path(), |top| {
            top.value("a");
            top.value("b");
            top.section("routes")?.entries();
            top.section("batch")?.duration("linger");
            Some(5)
        });
        assert_eq!((draft.value, draft.faults.len()), (Some(5), 1));
        let lines = ["a", "routes", "routes.sale", "routes.refund", "batch.linger", "plugin"];
        assert_eq!(lines.map(|key| draft.places.line(key)), [1, 3, 5, 3, 7, 1]);
        assert!(draft.complete().is_err());
    }
}
