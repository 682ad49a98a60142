//! Read-only tables that plugins look things up in, read whole from a CSV file beside the pipeline.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The tables of one pipeline, by name.
#[derive(Debug, Default)]
pub struct Lookups {
    tables: Vec<(String, LookupTable)>,
}

/// A table with one row for every key.
#[derive(Debug)]
pub struct LookupTable {
    /// The columns' names in the file's order, the key's included.
    pub columns: Vec<String>,
    rows: HashMap<String, Vec<String>>,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LookupFault {
    #[error("read lookup file `{path}`: {problem}")]
    File { path: PathBuf, problem: csv::Error },
    #[error("lookup file `{path}` is empty; expected a first row that names the columns, `{key}` among them")]
    Empty { path: PathBuf, key: String },
    #[error("lookup file `{path}` has no column `{key}` to look up by; its first row names the columns {columns}")]
    NoKey { path: PathBuf, key: String, columns: String },
    #[error("lookup file `{path}` has two columns `{column}`")]
    ColumnTwice { path: PathBuf, column: String },
    #[error("lookup file `{path}` has two rows with the key `{key}`; the second is on line {line}")]
    KeyTwice { path: PathBuf, key: String, line: u64 },
}

impl LookupTable {
    /// The table is in memory as a whole: this bounds what a pipeline's file can make the gateway take.
    pub const MOST_BYTES: u64 = 256 << 20;

    /// Reads a CSV file with a header row; `key` names the column to look up by.
    ///
    /// # Errors
    /// Where the file cannot be read, is not CSV of equally long rows in UTF-8, lacks the column, or repeats a column or a key.
    pub fn read_csv(path: &Path, key: &str) -> Result<Self, LookupFault> {
        let file = |problem| LookupFault::File { path: path.to_owned(), problem };
        let bytes = std::fs::read(path).map_err(|problem| file(problem.into()))?;
        Self::of_csv(path, &bytes, key)
    }

    /// As [`Self::read_csv`], of a file that was read already.
    ///
    /// # Errors
    /// As there.
    pub fn of_csv(path: &Path, bytes: &[u8], key: &str) -> Result<Self, LookupFault> {
        let file = |problem| LookupFault::File { path: path.to_owned(), problem };
        let mut reader = csv::Reader::from_reader(bytes);
        let columns: Vec<String> = reader.headers().map_err(file)?.iter().map(str::to_owned).collect();
        if columns.is_empty() {
            return Err(LookupFault::Empty { path: path.to_owned(), key: key.to_owned() });
        }
        if let Some(column) = named_twice(&columns) {
            return Err(LookupFault::ColumnTwice { path: path.to_owned(), column: column.to_owned() });
        }
        let key_index = columns.iter().position(|column| column == key).ok_or_else(|| LookupFault::NoKey {
            path: path.to_owned(),
            key: key.to_owned(),
            columns: columns.join(", "),
        })?;
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(file)?;
            let key = record.get(key_index).unwrap_or_default().to_owned();
            let line = record.position().map(csv::Position::line).unwrap_or_default();
            let row = record.iter().map(str::to_owned).collect();
            if rows.insert(key.clone(), row).is_some() {
                return Err(LookupFault::KeyTwice { path: path.to_owned(), key, line });
            }
        }
        Ok(Self { columns, rows })
    }

    /// The row with this key.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.rows.get(key).map(Vec::as_slice)
    }
}

/// Spreadsheets leave columns without a name at the end; nobody asks for those.
fn named_twice(columns: &[String]) -> Option<&str> {
    // A set: a tenant's file may name a million.
    let mut seen = HashSet::with_capacity(columns.len());
    let mut named = columns.iter().filter(|column| !column.is_empty());
    named.find(|column| !seen.insert(column.as_str())).map(String::as_str)
}

impl Lookups {
    /// Tables by their names.
    pub fn new(tables: BTreeMap<String, LookupTable>) -> Self {
        Self { tables: tables.into_iter().collect() }
    }

    /// The handle and the columns of a table.
    ///
    /// # Errors
    /// The text for the plugin's author: which tables there are.
    pub fn open(&self, name: &str) -> Result<(u32, &[String]), String> {
        let found = self.tables.iter().zip(0u32..).find(|((table, _), _)| table == name);
        found.map(|((_, table), handle)| (handle, table.columns.as_slice())).ok_or_else(|| {
            let names: Vec<_> = self.tables.iter().map(|(name, _)| format!("`{name}`")).collect();
            match names.as_slice() {
                [] => format!("there is no lookup table `{name}`; the pipeline file has no [lookups]"),
                names => format!("there is no lookup table `{name}`; the pipeline has {}", names.join(", ")),
            }
        })
    }

    /// The row with this key in the table with this handle.
    pub fn get(&self, handle: u32, key: &str) -> Option<&[String]> {
        self.tables.get(usize::try_from(handle).ok()?).and_then(|(_, table)| table.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file; what is wrong with it without its path.
    fn read(text: impl AsRef<[u8]>) -> Result<LookupTable, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        LookupTable::read_csv(&path, "id")
            .map_err(|fault| fault.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn rows_are_found_by_key() {
        let table = read("id,name\n1,\"tea, green\"\n2,мёд\n").unwrap();
        assert_eq!(table.get("1"), Some(&["1".to_owned(), "tea, green".to_owned()][..]));
        assert_eq!(table.get("3"), None);
    }

    #[test]
    fn a_mark_of_byte_order_is_no_part_of_the_first_column() {
        assert!(read("\u{feff}id,name\r\n1,a\r\n").unwrap().get("1").is_some());
    }

    #[test]
    fn a_table_without_rows_is_one() {
        assert_eq!(read("id,name\n").unwrap().columns, ["id", "name"]);
    }

    #[test]
    fn columns_without_a_name_may_stand_there_more_than_once() {
        assert_eq!(read("id,name,,\n1,a,,\n").unwrap().get("1").map(<[_]>::len), Some(4));
    }

    #[test]
    fn faults_say_what_is_wrong_and_where() {
        let faults: [(&[u8], &str); 8] = [
            (b"", "lookup file `FILE` is empty; expected a first row that names the columns, `id` among them"),
            (
                b"1,tea\n2,honey\n",
                "lookup file `FILE` has no column `id` to look up by; its first row names the columns 1, tea",
            ),
            (
                b"ID,name\n1,a\n",
                "lookup file `FILE` has no column `id` to look up by; its first row names the columns ID, name",
            ),
            (b"id,name,name\n1,a,b\n", "lookup file `FILE` has two columns `name`"),
            (b"id,name\n1,a\n2,b\n1,c\n", "lookup file `FILE` has two rows with the key `1`; the second is on line 4"),
            (
                b"id,name\n1,a\n2\n",
                "read lookup file `FILE`: CSV error: record 2 (line: 3, byte: 12): found record with 1 fields, but the previous record has 2 fields",
            ),
            (
                b"id,name\n1,caf\xe9\n",
                "read lookup file `FILE`: CSV parse error: record 1 (line 2, field: 1, byte: 8): invalid utf-8: invalid UTF-8 in field 1 near byte index 3",
            ),
            (
                b"id,n\xe9\n1,a\n",
                "read lookup file `FILE`: CSV parse error: record 0 (line 1, field: 1, byte: 0): invalid utf-8: invalid UTF-8 in field 1 near byte index 1",
            ),
        ];
        for (text, fault) in faults {
            assert_eq!(read(text).unwrap_err(), fault);
        }
        let missing = LookupTable::read_csv(Path::new("nowhere.csv"), "id").unwrap_err().to_string();
        assert!(missing.contains("nowhere.csv"), "{missing}");
    }
}
