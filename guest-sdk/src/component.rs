//! A plugin as the component that the gateway loads. Compiled for WebAssembly only; `plugin!` exports it.
//! The only state of the module is the plugin that `init` started.

use std::cell::RefCell;
use std::panic;
use std::rc::Rc;

use crate::bindings::exports::tidegate::plugin::transformer::Guest;
use crate::bindings::tidegate::plugin::{log as host_log, lookup};
use crate::contract::{Batch, Description, Level, Output, Table};
use crate::environment::Environment;
use crate::log;
use crate::plugin::{Plugin, Transformer};
use crate::setup::Setup;

thread_local! {
    static STARTED: RefCell<Option<Box<dyn Transformer>>> = const { RefCell::new(None) };
}

impl<P: Plugin> Guest for P {
    fn describe() -> Description {
        <P as Plugin>::describe()
    }

    fn init(settings: String) -> Result<(), String> {
        log_panics();
        let started = P::start(&Setup::new(Rc::new(Host), settings))?;
        STARTED.with(|slot| slot.replace(Some(started)));
        Ok(())
    }

    fn transform(batch: Batch) -> Output {
        with_started(|started| started.transform(&batch))
    }

    fn finish() -> Output {
        with_started(|started| started.finish())
    }
}

#[expect(clippy::expect_used, reason = "a host that breaks the contract is answered with a trap")]
fn with_started<R>(work: impl FnOnce(&mut dyn Transformer) -> R) -> R {
    STARTED.with(|slot| work(slot.borrow_mut().as_mut().expect("init comes before transform and finish").as_mut()))
}

/// The trap that ends a panic carries no text, so the text goes to the log before it.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("no message");
        match info.location() {
            Some(location) => log::error(&format!("panicked at {location}: {message}")),
            None => log::error(&format!("panicked: {message}")),
        }
    }));
}

/// The gateway, through the imports of the contract.
pub(crate) struct Host;

impl Environment for Host {
    fn open_table(&self, name: &str) -> Result<Table, String> {
        lookup::open(name)
    }

    fn get(&self, table: u32, key: &str) -> Option<Vec<String>> {
        lookup::get(table, key)
    }

    fn log(&self, level: Level, message: &str) {
        host_log::write(level, message);
    }
}
