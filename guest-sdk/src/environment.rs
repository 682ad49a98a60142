//! What surrounds a plugin: its lookup tables and its log. In the gateway that is the host behind the contract; in a
//! test or a benchmark it is whatever the test makes of it.

use crate::contract::{Level, Table};

/// What surrounds a plugin. A table is the same for the whole life of an instance.
pub trait Environment {
    /// Opens a table by its name; the text of an error says which there are.
    fn open_table(&self, name: &str) -> Result<Table, String>;

    /// The row with this key in an opened table, in the order of the table's columns.
    fn get(&self, table: u32, key: &str) -> Option<Vec<String>>;

    /// Takes a line for the log.
    fn log(&self, level: Level, message: &str);
}

#[cfg(not(target_family = "wasm"))]
pub(crate) use scope::{enter, log};

/// The environment of the instance that is running on this thread: [`log`](crate::log) has no handle to it.
#[cfg(not(target_family = "wasm"))]
mod scope {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::{Environment, Level};

    thread_local! {
        static CURRENT: RefCell<Option<Rc<dyn Environment>>> = const { RefCell::new(None) };
    }

    /// Makes an environment the current one until the guard is dropped.
    pub(crate) fn enter(environment: Rc<dyn Environment>) -> Entered {
        Entered { before: CURRENT.with(|current| current.replace(Some(environment))) }
    }

    pub(crate) struct Entered {
        before: Option<Rc<dyn Environment>>,
    }

    impl Drop for Entered {
        fn drop(&mut self) {
            let before = self.before.take();
            CURRENT.with(|current| current.replace(before));
        }
    }

    /// Writes to the current environment, or to the standard error where a function is tested without one.
    pub(crate) fn log(level: Level, message: &str) {
        let environment = CURRENT.with(|current| current.borrow().clone());
        match environment {
            Some(environment) => environment.log(level, message),
            None => eprintln!("{level:?}: {message}"),
        }
    }
}
