//! Lines for the gateway's log, which tags them with the pipeline. The gateway cuts a line at
//! 4,096 bytes.

use crate::contract::Level;

/// A line that helps while a plugin is being written.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// A line about something that is as it should be.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// A line about something that an operator should look at some time.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// A line about something that an operator should look at now.
pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    use crate::environment::Environment;
    crate::component::Host.log(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    crate::environment::log(level, message);
}
