//! `make chaos`: everything that goes wrong, at once and again and again, to two gateways that share three pipelines; and then a count of
//! what became of every record, by SQL and from the dead letters, that asks the gateway nothing.
//!
//! ```text
//! run              from the start to the summary                     run.rs
//!   stand          services that are killed and started again        stand.rs
//!   pipelines      topics, tables, and what must become of a number   pipelines.rs
//!   stream         numbers that keep coming                          stream.rs
//!   member         a gateway                                         member.rs
//!     proxy        what happens to its writes                        proxy/
//!   swaps          versions that keep coming                         swaps.rs
//!   plan           what happens when, by a seed                      plan.rs
//!   inject         how it happens                                    inject.rs
//!   account        what became of each number                        account.rs
//!   summary        what it all came to                               summary.rs
//! ```

mod account;
mod inject;
mod member;
mod pipelines;
mod plan;
mod proxy;
mod run;
mod stand;
mod stream;
mod summary;
mod swaps;

pub use account::Account;
pub use run::{Settings, run};
pub use summary::Summary;
