//! Commands of the binary that end by themselves, as their users call them: what they print, write and answer.
//!
//! Needs the binary, the files that `make plugins test-guests` builds and Cargo, and no services.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod new;
mod tap;
mod test;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use tidegate_tests::harness::binary;

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the binary with these arguments in this folder.
fn tidegate(folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Ended {
    let mut command = Command::new(binary().unwrap());
    ended(command.args(arguments).current_dir(folder).env("RUST_LOG", "warn"))
}

fn ended(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), out: text(stdout), err: text(stderr) }
}
