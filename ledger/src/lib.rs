//! What keeps the ranges of a partition from being lost or written twice: a pure state machine, without Kafka, time or threads. The gateway
//! runs it, and a search through all orders of events checks it.
//!
//! A range is **closed** when its boundaries are known, **made** when the plugin has run and it is known which of its records are left out,
//! **planned** when a commit of the group's offset carries it in its metadata, **released** when the broker has answered that commit, and
//! **complete** when its rows are in all tables. Only what is released may be sent. One commit both moves the offset past complete ranges
//! and plans further ones.
//!
//! The invariants:
//! 1. Nothing of a range is sent before the broker has answered a commit whose plan names it.
//! 2. A range that was planned stays in every later plan, with the same boundaries and the same bundle, until the offset has moved past it.
//! 3. One commit of a partition is outstanding at most. Its fate is known before the next one, or the membership ends.
//! 4. A plan's verdicts change only where nothing of the range can have been written with the former ones.
//! 5. Who takes a partition over replays what its plan names, all of it, before anything else of it.
//! 6. A lineage lasts as long as commits carry it on; what is read on purpose once more has another.

mod ledger;
mod plan;
mod verdicts;

pub use ledger::{Entry, Ledger, Making, Promise};
pub use plan::{BundleId, JOIN, Joined, Lineage, Plan, PlanFault, Planned};
pub use verdicts::Verdicts;
