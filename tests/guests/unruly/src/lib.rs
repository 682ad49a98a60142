//! A plugin that does what its records say, also what no plugin should. The tests of the gateway's limits load it; it
//! never stands beside a real pipeline.
//!
//! A record's value is a command and its argument: see `Unruly::transform`. Settings, all optional: `table`, a lookup
//! table to open, `refuse`, a reason to refuse the settings for, `panic`, a message to panic with at the start, and `spin`, to never
//! begin at all.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use tidegate_plugin::{Out, Record, Reject, Row, Setup, SetupError, Table, log, plugin};

plugin! { init: Unruly::init, routes: { "line" => Line<'_> }, transform: Unruly::transform }

thread_local! {
    /// What a stateless plugin must not do: it outlives the range.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Unruly {
    table: Option<Table<String, String>>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Settings {
    table: Option<String>,
    refuse: Option<String>,
    panic: Option<String>,
    spin: bool,
}

#[derive(Row)]
#[row(offset, ordinal)]
struct Line<'a> {
    text: &'a str,
}

impl Unruly {
    #[expect(clippy::panic, reason = "that is what it is for")]
    fn init(setup: &Setup) -> Result<Self, SetupError> {
        let settings: Settings = setup.settings()?;
        if settings.spin {
            loop {
                black_box(0);
            }
        }
        if let Some(message) = settings.panic {
            panic!("{message}");
        }
        if let Some(reason) = settings.refuse {
            return Err(SetupError::new(reason));
        }
        let second_column = |name: String| setup.table(&name, |row| Ok(row.get("meaning")?.to_owned()));
        Ok(Self { table: settings.table.map(second_column).transpose()? })
    }

    fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject> {
        let text = record.text()?;
        let (command, argument) = text.split_once(' ').unwrap_or((text, ""));
        match command {
            // This many rows.
            "ok" => (0..argument.parse()?).for_each(|_: u32| out.emit(&Line { text: "ok" })),
            "drop" => {}
            "reject" => return Err(Reject::new(argument)),
            // A row, and then second thoughts.
            "emit-and-reject" => {
                out.emit(&Line { text: "never to be seen" });
                return Err(Reject::new(argument));
            }
            // A row of this many bytes of text.
            "big-row" => out.emit(&Line { text: &"x".repeat(argument.parse()?) }),
            // What the lookup table says.
            "lookup" => {
                let table = self.table.as_ref().ok_or_else(|| Reject::new("there is no table"))?;
                let found = table.get(&argument.to_owned())?;
                out.emit(&Line { text: found.as_deref().map_or("nothing", String::as_str) });
            }
            // So many keys that are not there, none of them twice.
            "flood-lookup" => {
                let table = self.table.as_ref().ok_or_else(|| Reject::new("there is no table"))?;
                for key in 0..argument.parse::<u64>()? {
                    black_box(table.get(&format!("no key {key}"))?);
                }
                out.emit(&Line { text: "looked up" });
            }
            // So many questions to it, none of which the instance has asked before.
            "lookups" => {
                let table = self.table.as_ref().ok_or_else(|| Reject::new("there is no table"))?;
                for _ in 0..argument.parse::<u32>()? {
                    CALLS.set(CALLS.get() + 1);
                    black_box(table.get(&CALLS.get().to_string())?);
                }
                out.emit(&Line { text: "looked" });
            }
            "log" => log::info(argument),
            // So many lines.
            "logs" => (0..argument.parse()?).for_each(|line: u32| log::info(&format!("line {line}"))),
            "log-error" => log::error(argument),
            "panic" => fail(argument),
            // Ends without a word.
            "trap" => std::process::abort(),
            // Takes this many MiB and touches them.
            "grow" => {
                black_box(vec![1u8; argument.parse::<usize>()? << 20]);
                out.emit(&Line { text: "grown" });
            }
            // The same, and never lets go of them.
            "keep" => {
                black_box(vec![1u8; argument.parse::<usize>()? << 20].leak());
                out.emit(&Line { text: "kept" });
            }
            // So many steps of work.
            "work" => {
                (0..argument.parse()?).for_each(|step: u64| _ = black_box(step));
                out.emit(&Line { text: "worked" });
            }
            // So many rows of a mebibyte.
            "output" => {
                let row = "x".repeat(1 << 20);
                (0..argument.parse::<u64>()?).for_each(|_| out.emit(&Line { text: &row }));
            }
            "recurse" => out.emit(&Line { text: if descend(1) > 0 { "deep" } else { "bottom" } }),
            "spin" => loop {
                black_box(0);
            },
            // How many records asked this of the instance so far.
            "calls" => {
                CALLS.set(CALLS.get() + 1);
                out.emit(&Line { text: &CALLS.get().to_string() });
            }
            "clock" => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
                out.emit(&Line { text: &now.as_millis().to_string() });
            }
            "random" => out.emit(&Line { text: &RandomState::new().hash_one(0).to_string() }),
            "environment" => out.emit(&Line { text: &std::env::vars().count().to_string() }),
            "arguments" => out.emit(&Line { text: &std::env::args().count().to_string() }),
            "connect" => drop(std::net::TcpStream::connect(argument)?),
            "file" => out.emit(&Line { text: &std::fs::read_to_string(argument)? }),
            _ => return Err(Reject::new(format!("there is no command {command}"))),
        }
        Ok(())
    }
}

/// A function of its own, for the backtrace to name.
#[expect(clippy::panic, reason = "that is what it is for")]
#[inline(never)]
fn fail(message: &str) -> ! {
    panic!("{message}")
}

/// Calls itself for ever, in a way that cannot be made a loop.
#[expect(unconditional_recursion, reason = "that is what it is for")]
#[inline(never)]
fn descend(depth: u64) -> u64 {
    let here = black_box(depth);
    descend(here + 1) + black_box(here)
}
