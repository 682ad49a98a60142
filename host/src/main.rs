//! The gateway's process: read the command and hand over to it.

use std::process::ExitCode;

use clap::Parser;
use tidegate::cli::{Arguments, Command};
use tidegate::commands;
use tidegate::plugin::compile_if_asked;

/// Half of what consuming costs is allocation, librdkafka's included: jemalloc is built to stand in for C's malloc.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    tidegate::stop_points::set_up();
    match Arguments::parse().command {
        Command::Run(arguments) => commands::run::run(arguments),
        Command::Check(arguments) => commands::check::check(&arguments),
        Command::Test(arguments) => commands::test::test(&arguments),
        Command::Tap(arguments) => commands::tap::tap(&arguments),
        Command::Plan(arguments) => commands::plan::plan(arguments),
        Command::Audit(arguments) => commands::audit::audit(&arguments),
        Command::Replay(arguments) => commands::replay::replay(&arguments),
        Command::New(arguments) => commands::new::new(&arguments),
    }
}
