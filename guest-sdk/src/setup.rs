//! What a plugin is given when it starts: the operator's settings and the lookup tables. An error here is read by an
//! operator, before any record is.

use std::error::Error;
use std::fmt;
use std::hash::Hash;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::environment::Environment;
use crate::reject::Reject;
use crate::table::{Table, TableRow};

/// What a plugin is given when it starts.
pub struct Setup {
    environment: Rc<dyn Environment>,
    settings: String,
}

impl Setup {
    pub(crate) fn new(environment: Rc<dyn Environment>, settings: String) -> Self {
        Self { environment, settings }
    }

    /// The pipeline's settings, an object of the type's fields. Put `#[serde(deny_unknown_fields)]` on the type, so
    /// that an operator's typing error is refused instead of ignored.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, SetupError> {
        tidegate_json::from_str(&self.settings).map_err(|error| SetupError::new(format!("settings: {error}")))
    }

    /// Opens a lookup table of the pipeline. `parse` makes a value of a row, once for each key that is asked for.
    pub fn table<K, T>(
        &self,
        name: &str,
        parse: impl Fn(&TableRow<'_>) -> Result<T, Reject> + 'static,
    ) -> Result<Table<K, T>, SetupError>
    where
        K: Hash + Eq + fmt::Display + Clone,
    {
        let table = self
            .environment
            .open_table(name)
            .map_err(|error| SetupError::new(format!("open lookup table {name}: {error}")))?;
        Ok(Table::new(Rc::clone(&self.environment), name, table, parse))
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Setup").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a plugin cannot start, in words for the operator who wrote its pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupError(String);

impl SetupError {
    /// An error with this text, which should name what to mend.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for SetupError {}

impl From<SetupError> for String {
    fn from(error: SetupError) -> Self {
        error.0
    }
}
