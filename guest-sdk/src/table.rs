//! Lookup tables with a cache in the guest: a call to the host costs more than all else that is done to a record.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::rc::Rc;
use std::str::FromStr;

use rustc_hash::FxBuildHasher;

use crate::contract;
use crate::environment::Environment;
use crate::reject::Reject;

/// How many keys are kept, those without a row included. At some 100 bytes each this is a few MiB of the guest's
/// memory; a set of keys larger than this is rarely asked for twice in a row.
const CACHED_KEYS: usize = 65_536;

/// A read-only table of the pipeline, from keys `K` to values `T` that the plugin has made of its rows.
///
/// Each key is asked of the host once and then answered from a cache. That is sound, and leaves a plugin stateless,
/// because a table is immutable for the life of an instance: a new version of it comes with new instances. The
/// cache is emptied when it is full; the order in which it hashes is the same on every run.
pub struct Table<K, T> {
    environment: Rc<dyn Environment>,
    name: String,
    table: contract::Table,
    parse: Box<Parse<T>>,
    cache: RefCell<HashMap<K, Option<Rc<T>>, FxBuildHasher>>,
}

type Parse<T> = dyn Fn(&TableRow<'_>) -> Result<T, Reject>;

impl<K: Hash + Eq + fmt::Display + Clone, T> Table<K, T> {
    pub(crate) fn new(
        environment: Rc<dyn Environment>,
        name: &str,
        table: contract::Table,
        parse: impl Fn(&TableRow<'_>) -> Result<T, Reject> + 'static,
    ) -> Self {
        Self { environment, name: name.to_owned(), table, parse: Box::new(parse), cache: RefCell::default() }
    }

    /// The value for this key, or `None` where the table has no such row. Refuses a row that cannot be parsed.
    ///
    /// The host is asked for the key as it displays, so a number has to stand in the table without leading zeros.
    #[inline]
    pub fn get(&self, key: &K) -> Result<Option<Rc<T>>, Reject> {
        if let Some(cached) = self.cache.borrow().get(key) {
            return Ok(cached.clone());
        }
        self.ask(key)
    }

    /// The columns' names, the key's included.
    pub fn columns(&self) -> &[String] {
        &self.table.columns
    }

    #[cold]
    fn ask(&self, key: &K) -> Result<Option<Rc<T>>, Reject> {
        let text = key.to_string();
        let found = match self.environment.get(self.table.handle, &text) {
            Some(cells) => {
                let row = TableRow { columns: &self.table.columns, cells: &cells };
                let value = (self.parse)(&row)
                    .map_err(|reject| Reject::new(format!("lookup table {}, key {text}: {reject}", self.name)))?;
                Some(Rc::new(value))
            }
            None => None,
        };
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= CACHED_KEYS {
            cache.clear();
        }
        cache.insert(key.clone(), found.clone());
        Ok(found)
    }
}

impl<K, T> fmt::Debug for Table<K, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One row of a lookup table, as text.
#[derive(Debug, Clone, Copy)]
pub struct TableRow<'a> {
    columns: &'a [String],
    cells: &'a [String],
}

impl<'a> TableRow<'a> {
    /// The text in a column. Refuses a column that the table does not have.
    pub fn get(&self, column: &str) -> Result<&'a str, Reject> {
        self.columns
            .iter()
            .zip(self.cells)
            .find(|(name, _)| *name == column)
            .map(|(_, cell)| cell.as_str())
            .ok_or_else(|| Reject::new(format!("no column {column}, there are: {}", self.columns.join(", "))))
    }

    /// The value in a column. Refuses text that is not of the type.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&self, column: &str) -> Result<T, Reject> {
        let text = self.get(column)?;
        text.parse().map_err(|error| Reject::new(format!("column {column}: \"{text}\": {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::native::MemoryEnvironment;
    use crate::setup::Setup;

    fn environment() -> Rc<MemoryEnvironment> {
        Rc::new(MemoryEnvironment::new().with_table("rates", &["code", "rate"], &[&["RUB", "1"], &["EUR", "abc"]]))
    }

    fn rates(environment: &Rc<MemoryEnvironment>) -> Table<String, u32> {
        let setup = Setup::new(Rc::clone(environment) as Rc<dyn Environment>, "{}".into());
        setup.table("rates", |row| row.parse("rate")).unwrap()
    }

    #[test]
    fn asks_the_host_once_for_a_key_whether_found_or_not() {
        let environment = environment();
        let table = rates(&environment);
        for _ in 0..3 {
            assert_eq!(table.get(&"RUB".into()), Ok(Some(Rc::new(1))));
            assert_eq!(table.get(&"USD".into()), Ok(None));
        }
        assert_eq!(environment.gets(), 2);
    }

    #[test]
    fn a_row_that_cannot_be_parsed_names_table_key_and_column() {
        let reject = rates(&environment()).get(&"EUR".into()).unwrap_err();
        let expected = "lookup table rates, key EUR: column rate: \"abc\": invalid digit found in string";
        assert_eq!(reject.reason(), expected);
    }

    #[test]
    fn a_column_that_is_missing_names_those_there_are() {
        let setup = Setup::new(environment(), "{}".into());
        let table: Table<&str, String> = setup.table("rates", |row| Ok(row.get("price")?.to_owned())).unwrap();
        let reject = table.get(&"RUB").unwrap_err();
        assert_eq!(reject.reason(), "lookup table rates, key RUB: no column price, there are: code, rate");
    }

    #[test]
    fn a_table_that_is_missing_fails_the_setup() {
        let setup = Setup::new(environment(), "{}".into());
        let error = setup.table::<u8, ()>("prices", |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "open lookup table prices: no such table, there are: rates");
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let environment = environment();
        let setup = Setup::new(Rc::clone(&environment) as Rc<dyn Environment>, "{}".into());
        let table: Table<usize, ()> = setup.table("rates", |_| Ok(())).unwrap();
        for key in 0..=CACHED_KEYS {
            assert_eq!(table.get(&key), Ok(None));
        }
        assert_eq!(table.cache.borrow().len(), 1);
        assert_eq!(environment.gets(), CACHED_KEYS + 1);
    }
}
