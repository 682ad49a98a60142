//! Plugins: loading, checking and calling them. The only place that knows wasmtime.
//!
//! [`Engine::load`] turns a file into a [`Plugin`]; the pipeline asks it for a [`Guest`] for every range and calls that
//! batch by batch. What a guest answers is not trusted here: `pipeline::transform` checks all of it.

pub mod contract;
mod description;
mod empty_world;
mod encode;
mod engine;
mod guest;
mod load;
mod lookup;

use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

pub use description::{Description, DescriptionFault, Route};
pub use engine::{Engine, InstanceSettings, Profiling};
pub use guest::WasmPlugin;
pub use load::LoadFault;
pub use lookup::{LookupFault, LookupTable, Lookups};

use bytes::Bytes;

use crate::pipeline::Range;

/// A future that a worker may run.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A loaded, described plugin with its settings and lookups.
///
/// Implemented by [`WasmPlugin`], and by plugins that are linked natively where the cost of the sandbox is measured.
pub trait Plugin: Send + Sync {
    /// What the plugin says of itself, checked.
    fn description(&self) -> &Description;

    /// Which code it is.
    fn hash(&self) -> PluginHash;

    /// A guest in its first state, for one range.
    ///
    /// # Errors
    /// Where no instance can be made, or its initialisation fails.
    fn guest<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>>;

    /// The same, but for certain one that no other range has used.
    ///
    /// # Errors
    /// As for [`Self::guest`].
    fn fresh_guest<'a>(&'a self, range: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        self.guest(range)
    }

    /// The CPU time that a guest may use for one call, unless [`Guest::set_cpu_budget`] says otherwise; none where there is no limit.
    fn cpu_budget(&self) -> Option<Duration> {
        None
    }

    /// Takes a guest back after a range that ended well, so that a stateless one can be used again.
    fn give_back(&self, guest: Box<dyn Guest>);

    /// Lets go of guests that wait for the next range: it may be long in coming.
    fn release_idle(&self) {}
}

/// An instance of a plugin, working on one range.
pub trait Guest: Send {
    /// Runs the next records of the range.
    ///
    /// # Errors
    /// Where the guest traps; it must not be called again.
    fn transform<'a>(&'a mut self, batch: contract::Batch<'a>) -> BoxFuture<'a, Result<contract::Output, GuestFault>>;

    /// Ends the range.
    ///
    /// # Errors
    /// As for `transform`.
    fn finish(&mut self) -> BoxFuture<'_, Result<contract::Output, GuestFault>>;

    /// Changes the CPU time that each of the next calls may use.
    fn set_cpu_budget(&mut self, _budget: Duration) {}

    /// For [`Plugin::give_back`], which gets the guest that the same plugin handed out.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any>;
}

/// Why a guest cannot go on. The text is for the operator and the plugin's author.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GuestFault {
    /// The code trapped: a panic, an access out of bounds, too much memory, an import that is not to be had.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    /// `init` answered an error.
    #[error("the plugin refuses its settings: {0}")]
    Init(String),
    /// `finish` answered a reject of the range as a whole.
    #[error("the plugin fails at the end of the range: {0}")]
    Finish(String),
    /// What it handed over breaks the contract.
    #[error("the plugin broke the contract: {0}")]
    Contract(String),
}

impl GuestFault {
    /// Whether a call took more CPU time than it may, which says little before it had a chance to take more.
    pub fn is_timeout(&self) -> bool {
        false
    }

    /// The same with its text cut in the middle where it is longer than `most` bytes: what was wrong stands at the beginning or, behind a
    /// backtrace, at the end.
    pub fn shortened(self, most: usize) -> Self {
        match self {
            Self::Trap(text) => Self::Trap(cut(text, most)),
            Self::Init(text) => Self::Init(cut(text, most)),
            Self::Finish(text) => Self::Finish(cut(text, most)),
            Self::Contract(text) => Self::Contract(cut(text, most)),
        }
    }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = text.floor_char_boundary(most / 4 * 3);
        let from = text.ceil_char_boundary(text.len() - most / 4);
        text.replace_range(end..from, " ... ");
    }
    text.shrink_to_fit();
    text
}

/// A plugin's file as it was read.
#[derive(Clone)]
pub struct PluginFile {
    /// Where it lies, for messages.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Bytes,
}

impl PluginFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> Result<Self, LoadFault> {
        let bytes = std::fs::read(path).map_err(|problem| LoadFault::File { path: path.to_owned(), problem })?;
        Ok(Self { path: path.to_owned(), bytes: bytes.into() })
    }

    /// Which code it is.
    pub fn hash(&self) -> PluginHash {
        PluginHash::of(&self.bytes)
    }
}

/// SHA-256 of a plugin's file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PluginHash(pub [u8; 32]);

impl PluginHash {
    /// The hash of a file's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for PluginHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PluginHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PluginHash({self})")
    }
}
