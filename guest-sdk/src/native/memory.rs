//! An environment for tests: tables and log lines in memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::contract::{Level, Table};
use crate::environment::Environment;

/// Lookup tables and log lines in memory. Clones share both, so a test can keep one and look into it afterwards.
#[derive(Debug, Clone, Default)]
pub struct MemoryEnvironment {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    tables: RefCell<Vec<MemoryTable>>,
    lines: RefCell<Vec<(Level, String)>>,
    gets: Cell<usize>,
}

#[derive(Debug)]
struct MemoryTable {
    name: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl MemoryEnvironment {
    /// An environment without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a table whose first column is the key.
    #[must_use]
    pub fn with_table<R: AsRef<[C]>, C: AsRef<str>>(self, name: &str, columns: &[&str], rows: &[R]) -> Self {
        let rows = rows.iter().map(|row| row.as_ref().iter().map(|cell| cell.as_ref().to_owned()).collect()).collect();
        self.shared.tables.borrow_mut().push(MemoryTable {
            name: name.to_owned(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows,
        });
        self
    }

    /// The lines that were logged.
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.shared.lines.borrow().clone()
    }

    /// How often a table was asked for a key.
    pub fn gets(&self) -> usize {
        self.shared.gets.get()
    }
}

impl Environment for MemoryEnvironment {
    fn open_table(&self, name: &str) -> Result<Table, String> {
        let tables = self.shared.tables.borrow();
        match (0..).zip(tables.iter()).find(|(_, table)| table.name == name) {
            Some((handle, table)) => Ok(Table { handle, columns: table.columns.clone() }),
            None => {
                let names: Vec<_> = tables.iter().map(|table| &*table.name).collect();
                Err(format!("no such table, there are: {}", names.join(", ")))
            }
        }
    }

    fn get(&self, table: u32, key: &str) -> Option<Vec<String>> {
        self.shared.gets.set(self.shared.gets.get() + 1);
        let tables = self.shared.tables.borrow();
        let rows = &tables.get(table as usize)?.rows;
        rows.iter().find(|row| row.first().is_some_and(|first| first == key)).cloned()
    }

    fn log(&self, level: Level, message: &str) {
        self.shared.lines.borrow_mut().push((level, message.to_owned()));
    }
}
