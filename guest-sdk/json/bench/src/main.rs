//! `json-bench`: does natively what the module's exports do, for the runner at the other end of its standard input.
//!
//! A line is `prepare N`, `run N` or `digest N`, with the number of a set or of a parser. The answer is a line of two
//! numbers: what the export answers, and the nanoseconds of CPU that it took.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::time::{ClockId, clock_gettime};
use tidegate_json_bench::data::DataSet;
use tidegate_json_bench::parsers::ParserKind;
use tidegate_json_bench::{Bench, NOT_HERE};

fn main() -> anyhow::Result<()> {
    let mut bench = Bench::new(DataSet::Sales);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (command, number) = line.split_once(' ').with_context(|| format!("`{line}` is not `COMMAND NUMBER`"))?;
        let number: usize = number.parse().with_context(|| format!("`{number}` is not a number"))?;
        let begun = thread_time();
        let answer = answer(&mut bench, command, number)?;
        let taken = thread_time().saturating_sub(begun);
        writeln!(out, "{answer} {}", taken.as_nanos())?;
        out.flush()?;
    }
    Ok(())
}

fn answer(bench: &mut Bench, command: &str, number: usize) -> anyhow::Result<u64> {
    if command == "prepare" {
        *bench = Bench::new(*DataSet::ALL.get(number).context("there is no such set")?);
        return Ok(bench.bytes_per_record() as u64);
    }
    let parser = *ParserKind::ALL.get(number).context("there is no such parser")?;
    let answer = match command {
        "run" => bench.run(parser).map(|refused| refused as u64),
        "digest" => bench.tally(parser).map(|tally| tally.digest),
        _ => bail!("`{command}` is not prepare, run or digest"),
    };
    Ok(answer.unwrap_or(NOT_HERE))
}

/// The CPU time that this thread has used.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
