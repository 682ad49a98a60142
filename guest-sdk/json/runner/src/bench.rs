//! Both sides of the benchmark behind one face, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tidegate::cpu::thread_time;
use tidegate::plugin::Profiling;
use tidegate_json_bench::NOT_HERE;
use tidegate_json_bench::data::DataSet;
use tidegate_json_bench::parsers::ParserKind;
use wasmtime::TypedFunc;

use crate::guest::Guest;

/// Where parsers run: natively or in a guest.
pub trait Side {
    /// Makes the records of a set, and answers the bytes of one in the mean.
    ///
    /// # Errors
    /// Where the side is broken.
    fn prepare(&mut self, set: usize) -> anyhow::Result<u64>;

    /// Reads the records: how many were refused, and the CPU time that it took. None where there is no such parser.
    ///
    /// # Errors
    /// Where the side is broken.
    fn run(&mut self, parser: usize) -> anyhow::Result<Option<(u64, Duration)>>;

    /// A digest of the rows. None where there is no such parser.
    ///
    /// # Errors
    /// Where the side is broken.
    fn digest(&mut self, parser: usize) -> anyhow::Result<Option<u64>>;
}

/// A process of `json-bench`.
#[derive(Debug)]
pub struct Native {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Native {
    /// Starts the program, which ends with this.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(program: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let to = process.stdin.take().context("the process has no standard input")?;
        let from = BufReader::new(process.stdout.take().context("the process has no standard output")?);
        Ok(Self { process, to, from })
    }

    fn ask(&mut self, command: &str, number: usize) -> anyhow::Result<(u64, Duration)> {
        writeln!(self.to, "{command} {number}")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        let (answer, taken) =
            line.trim_end().split_once(' ').with_context(|| format!("{command} {number}: it ended"))?;
        Ok((answer.parse()?, Duration::from_nanos(taken.parse()?)))
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // It ends with its standard input; this only spares waiting for that.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Side for Native {
    fn prepare(&mut self, set: usize) -> anyhow::Result<u64> {
        Ok(self.ask("prepare", set)?.0)
    }

    fn run(&mut self, parser: usize) -> anyhow::Result<Option<(u64, Duration)>> {
        Ok(Some(self.ask("run", parser)?).filter(|(refused, _)| *refused != NOT_HERE))
    }

    fn digest(&mut self, parser: usize) -> anyhow::Result<Option<u64>> {
        Ok(Some(self.ask("digest", parser)?.0).filter(|digest| *digest != NOT_HERE))
    }
}

/// The same program as a module.
pub struct InGuest {
    guest: Guest,
    prepare: TypedFunc<u32, u64>,
    run: TypedFunc<u32, u64>,
    digest: TypedFunc<u32, u64>,
}

impl InGuest {
    /// Loads the module.
    ///
    /// # Errors
    /// Where it is not what it should be.
    pub fn load(module: &Path, profiling: Profiling) -> anyhow::Result<Self> {
        let mut guest = Guest::load(module, profiling)?;
        let [prepare, run, digest] = [guest.export("prepare")?, guest.export("run")?, guest.export("digest")?];
        Ok(Self { guest, prepare, run, digest })
    }
}

impl Side for InGuest {
    fn prepare(&mut self, set: usize) -> anyhow::Result<u64> {
        self.guest.call(&self.prepare, set as u32)
    }

    fn run(&mut self, parser: usize) -> anyhow::Result<Option<(u64, Duration)>> {
        let begun = thread_time();
        let refused = self.guest.call(&self.run, parser as u32)?;
        let taken = thread_time().saturating_sub(begun);
        Ok(Some((refused, taken)).filter(|(refused, _)| *refused != NOT_HERE))
    }

    fn digest(&mut self, parser: usize) -> anyhow::Result<Option<u64>> {
        Ok(Some(self.guest.call(&self.digest, parser as u32)?).filter(|digest| *digest != NOT_HERE))
    }
}

/// What is written to `target/bench/json.json`.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Records that one figure of one round comes from.
    pub records: usize,
    /// Records in a batch.
    pub batch: usize,
    /// How often everything was measured, in turn.
    pub rounds: usize,
    /// By the name of the set.
    pub data_sets: BTreeMap<&'static str, SetFigures>,
}

/// What was measured with one set.
#[derive(Debug, Default, Serialize)]
pub struct SetFigures {
    /// In the mean.
    pub bytes_per_record: u64,
    /// By the name of the parser.
    pub parsers: BTreeMap<&'static str, ParserFigures>,
}

/// What was measured with one parser.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ParserFigures {
    /// The medians.
    pub ns_per_record: NanosPerRecord,
    /// Records that it refused, of all records.
    pub refused: f64,
}

/// Medians of CPU time; none where it cannot be compiled for that side.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct NanosPerRecord {
    /// Natively.
    pub native: Option<f64>,
    /// In a guest.
    pub guest: Option<f64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "ns a record, median of {} rounds: native / in the guest", self.rounds)?;
        write!(formatter, "{:<10}{:>6}", "", "bytes")?;
        for parser in ParserKind::ALL {
            write!(formatter, "{:>23}", parser.name())?;
        }
        for set in DataSet::ALL {
            let Some(figures) = self.data_sets.get(set.name()) else { continue };
            write!(formatter, "\n{:<10}{:>6}", set.name(), figures.bytes_per_record)?;
            for parser in ParserKind::ALL {
                let NanosPerRecord { native, guest } =
                    figures.parsers.get(parser.name()).map(|parser| parser.ns_per_record).unwrap_or_default();
                let cell = [native, guest].map(|nanos| nanos.map_or("-".to_owned(), |nanos| format!("{nanos:.1}")));
                write!(formatter, "{:>23}", cell.join(" / "))?;
            }
        }
        Ok(())
    }
}
