//! A plugin in a test or a benchmark: the same description, start, batches and rows as in the gateway, without
//! WebAssembly. It never runs in production.

mod decode;
mod input;
mod memory;

use std::marker::PhantomData;
use std::rc::Rc;

pub use crate::environment::Environment;
pub use decode::{Decoded, decode};
pub use input::{Input, batch};
pub use memory::MemoryEnvironment;

use crate::contract::{Batch, Description, Output, Rows};
use crate::environment;
use crate::plugin::{Plugin, Transformer};
use crate::setup::{Setup, SetupError};

/// A plugin that has been started, as the gateway starts one for a range.
pub struct Instance<P> {
    environment: Rc<dyn Environment>,
    started: Box<dyn Transformer>,
    plugin: PhantomData<P>,
}

impl<P: Plugin> Instance<P> {
    /// Starts the plugin with settings as a JSON object.
    pub fn new(environment: Rc<dyn Environment>, settings: &str) -> Result<Self, SetupError> {
        let _entered = environment::enter(Rc::clone(&environment));
        let started = P::start(&Setup::new(Rc::clone(&environment), settings.to_owned()))?;
        Ok(Self { environment, started, plugin: PhantomData })
    }

    /// What the plugin says of itself.
    pub fn describe(&self) -> Description {
        P::describe()
    }

    /// The rows and the refusals of a batch.
    pub fn transform(&mut self, batch: &Batch) -> Output {
        let _entered = environment::enter(Rc::clone(&self.environment));
        self.started.transform(batch)
    }

    /// The rows for what was gathered over the batches before.
    pub fn finish(&mut self) -> Output {
        let _entered = environment::enter(Rc::clone(&self.environment));
        self.started.finish()
    }
}

impl<P> std::fmt::Debug for Instance<P> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Instance").finish_non_exhaustive()
    }
}

/// Runs a plugin over one range, in one batch from partition 0 of the topic `test`, and returns its output with that of
/// `finish` at the end.
pub fn run<P: Plugin>(
    environment: impl Environment + 'static,
    settings: &str,
    records: &[Input<'_>],
) -> Result<Output, SetupError> {
    let mut instance = Instance::<P>::new(Rc::new(environment), settings)?;
    let mut output = instance.transform(&batch("test", 0, records));
    let end = instance.finish();
    for rows in end.rows {
        match output.rows.iter_mut().find(|before| before.route == rows.route) {
            Some(before) => append(before, &rows),
            None => output.rows.push(rows),
        }
    }
    output.rejects.extend(end.rejects);
    Ok(output)
}

fn append(rows: &mut Rows, more: &Rows) {
    let start = rows.ends.last().copied().unwrap_or(0);
    rows.ends.extend(more.ends.iter().map(|end| start + end));
    rows.bytes.extend_from_slice(&more.bytes);
    rows.origins.extend_from_slice(&more.origins);
}

#[cfg(test)]
mod tests;
