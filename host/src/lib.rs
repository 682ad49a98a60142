//! Tidegate: from Kafka through WebAssembly plugins into the warehouse.
//!
//! A record's path, in the order of its steps: [`kafka`] fetches it into a range, [`pipeline`] carries the range as a batch,
//! [`plugin`] makes rows of it, [`rows`] checks them, [`sink`] writes them, and `pipeline` completes the range.
//! Around the path: [`config`] is what operators write, [`watch`] what becomes of it in the plugin directory, [`gateway`](Gateway) what holds all pipelines, [`metrics`] and `http`
//! what they see, [`tap`] shows them samples of records and rows. [`check`] looks at all of it before anything runs,
//! [`audit`] at what became of records afterwards.
//! [`workers`] are the threads that run plugins, [`tenants`] whose pipelines share what, [`StateFolder`] is what outlives the process.

pub mod audit;
mod authorities;
pub mod bundles;
pub mod cases;
pub mod check;
pub mod cli;
pub mod commands;
pub mod config;
pub mod cpu;
mod directory;
mod gateway;
mod http;
pub mod kafka;
mod letters;
pub mod logging;
pub mod metrics;
pub mod pipeline;
pub mod plugin;
pub mod replay;
pub mod signal;
pub mod sink;
mod state;
pub mod stop_points;
mod subject;
pub mod tap;
pub mod tenants;
mod time;
pub mod watch;
pub mod workers;

pub use tidegate_rows as rows;

pub use gateway::{Gateway, GatewayFault, LoadPlugin, PluginRequest};
pub use state::{StateFault, StateFolder};
