//! Writes the lines of a file to Kafka, each as a record, byte for byte without its line end. `generate --file` calls it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::produce::{Outgoing, Writer};

/// What becomes of the first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// It is a record as the others are.
    Written,
    /// It names columns.
    Skipped,
}

/// Often enough that the queue is seldom full.
const LINES_A_POLL: u64 = 1_000;

/// Writes all lines and waits until Kafka has them. Says how many they were. Their keys are empty, their time is now.
///
/// # Errors
/// Where the file cannot be read or Kafka does not take it.
pub fn write(writer: &mut Writer, file: &Path, first: FirstLine) -> anyhow::Result<u64> {
    let context = || format!("read {}", file.display());
    let mut lines = BufReader::new(File::open(file).with_context(context)?);
    let mut line = Vec::new();
    if first == FirstLine::Skipped {
        lines.read_until(b'\n', &mut line).with_context(context)?;
    }
    let mut written = 0;
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).with_context(context)? == 0 {
            break;
        }
        let value = line.strip_suffix(b"\n").unwrap_or(&line);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        writer.write(Outgoing { key: b"", value: Some(value), headers: &[], timestamp: now()? })?;
        written += 1;
        if written % LINES_A_POLL == 0 {
            writer.poll();
        }
    }
    writer.flush()?;
    Ok(written)
}

fn now() -> anyhow::Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
