//! Plugins: loading, checking and calling them. The only place that knows wasmtime.
//!
//! [`Engine::load`] turns a file into a [`Plugin`]; the pipeline asks it for a [`Guest`] for every range and calls that
//! batch by batch. What a guest answers is not trusted here: `pipeline::transform` checks all of it.

mod compiled;
mod compiler;
mod configuration;
pub mod contract;
mod description;
mod empty_world;
mod encode;
mod engine;
mod guest;
mod imports;
mod limit;
mod load;
mod log_lines;
mod lookup;
mod usage;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

pub use compiler::{CompileFault, CompileLimits, compile_if_asked};
#[doc(hidden)]
pub use configuration::measuring_engine;
pub use description::{Description, DescriptionFault, Route};
pub use engine::{Engine, EngineSettings, InstanceSettings, Profiling};
pub use guest::WasmPlugin;
pub use load::LoadFault;
pub use lookup::{LookupFault, LookupTable, Lookups};
pub use usage::{Usage, Used};

use bytes::Bytes;

use crate::config::Limits;
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

    /// Throws away all that guests have kept: others made ranges meanwhile.
    fn forget_all(&self) {}

    /// Throws away what a guest has kept of the range's partition: see [`PluginState::Kept`](crate::config::PluginState::Kept).
    fn forget(&self, range: &Range) {
        // Who keeps nothing has nothing to throw away.
        let _ = range;
    }

    /// Lets go of guests that wait for the next range: it may be long in coming.
    fn release_idle(&self) {}
    /// How many rows a record may become.
    fn rows_per_record(&self) -> usize {
        usize::MAX
    }

    /// What it takes; none where nobody counts it.
    fn usage(&self) -> Option<&Usage> {
        None
    }
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
    /// The code trapped: a panic, an access out of bounds, an import that is not to be had.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    /// It would take more than a limit allows.
    #[error("the plugin reached a limit: {problem}")]
    Limit {
        /// The limit's key in `[limits]`; `stack`, which has none.
        limit: &'static str,
        /// What it would take, how much there is, and the backtrace.
        problem: String,
    },
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
        matches!(self, Self::Limit { limit: "cpu", .. })
    }

    /// The same with its text cut in the middle where it is longer than `most` bytes: what was wrong stands at the beginning or, behind a
    /// backtrace, at the end.
    pub fn shortened(self, most: usize) -> Self {
        match self {
            Self::Trap(text) => Self::Trap(cut(text, most)),
            Self::Limit { limit, problem } => Self::Limit { limit, problem: cut(problem, most) },
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
    /// Far beyond any plugin; all of it is in memory while it is compiled.
    pub const MOST_BYTES: u64 = 256 << 20;

    /// Reads a file, wherever it lies.
    ///
    /// # Errors
    /// Where it cannot be read, is none, or is beyond what any pipeline may ask for.
    pub fn read(path: &Path) -> Result<Self, LoadFault> {
        let fault = |problem| LoadFault::File { path: path.to_owned(), problem };
        // Opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(fault)?.is_file() {
            return Err(fault(std::io::Error::other("it is no file; expected a WebAssembly module")));
        }
        let limit = Self::MOST_BYTES;
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(fault)?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() as u64 > limit {
            return Err(fault(std::io::Error::other(format!("it is larger than {}", Limits::LARGEST_MODULE))));
        }
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
