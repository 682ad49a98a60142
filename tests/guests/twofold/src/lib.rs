//! A plugin whose every record is a number, which becomes a row in each of two routes. One number in a hundred it rejects, and one in a
//! hundred it traps on, whatever the version. `make chaos` loads it, and knows these rules for itself.

use serde::Deserialize;
use tidegate_plugin::{Out, Record, Reject, Row, Setup, SetupError, plugin};

plugin! { init: Twofold::init, routes: { "number" => Number<'_>, "copy" => Copy<'_> }, transform: Twofold::transform }

/// Poison is in every partition, however many there are: the divisor has no factor in common with their number.
const POISON_DIVISOR: i64 = 97;
/// What is left of a number, divided by that, where it is poison.
const REJECTED: i64 = 1;
const TRAPPED_ON: i64 = 2;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Twofold {
    /// What its rows say.
    version: String,
}

#[derive(Row)]
#[row(partition, offset)]
struct Number<'a> {
    number: i64,
    route: &'static str,
    version: &'a str,
}

#[derive(Row)]
#[row(partition, offset)]
struct Copy<'a> {
    number: i64,
    route: &'static str,
    version: &'a str,
}

impl Twofold {
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        setup.settings()
    }

    #[expect(clippy::panic, reason = "that is what it is for")]
    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let number: i64 = record.text()?.parse()?;
        match number % POISON_DIVISOR {
            REJECTED => return Err(Reject::new(format!("{number} is rejected"))),
            TRAPPED_ON => panic!("{number} is trapped on"),
            _ => {}
        }
        out.emit(&Number { number, route: "number", version: &self.version });
        out.emit(&Copy { number, route: "copy", version: &self.version });
        Ok(())
    }
}
