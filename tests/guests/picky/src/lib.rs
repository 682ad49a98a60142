//! A plugin whose settings say how bad a version of it is: every record is a number, and becomes a row that says which version made it.
//! The tests of what becomes of a pipeline when another version takes over load it.

use serde::Deserialize;
use tidegate_plugin::{Out, Record, Reject, Row, Setup, SetupError, plugin};

plugin! { init: Picky::init, routes: { "number" => Number<'_> }, transform: Picky::transform }

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Picky {
    /// What its rows say.
    version: String,
    /// Refuses each number that this divides.
    reject_every: u64,
    /// Traps on each number that this divides.
    trap_every: u64,
}

#[derive(Row)]
struct Number<'a> {
    number: u64,
    version: &'a str,
}

impl Picky {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        setup.settings()
    }

    #[expect(clippy::panic, reason = "that is what it is for")]
    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let number: u64 = record.text()?.parse()?;
        let divides = |every: u64| every > 0 && number.is_multiple_of(every);
        if divides(self.reject_every) {
            return Err(Reject::new(format!("{number} is not to the liking of version {}", self.version)));
        }
        if divides(self.trap_every) {
            panic!("{number} is too much for version {}", self.version);
        }
        out.emit(&Number { number, version: &self.version });
        Ok(())
    }
}
