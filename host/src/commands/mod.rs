//! What the binary can be asked for: a file for each command, called by `main` and by nobody else. `cli` declares their
//! arguments. A command ends its own errors: it says them on standard error and answers the exit code.

pub mod audit;
pub mod check;
mod columns;
pub mod new;
pub mod plan;
pub mod replay;
pub mod run;
pub mod tap;
pub mod test;

/// `EX_USAGE` of sysexits.h: what was asked for cannot be done as it was asked.
pub const UNUSABLE: u8 = 64;

/// What a command waits on: threads for all that goes over the network.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("io").enable_all().build()
}

/// `1 case`, `2 cases`.
fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
