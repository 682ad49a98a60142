//! Pipelines that come, change and go while records flow, in the gateway's own process, between a real broker and a real warehouse.

mod comes_and_goes;
mod probation;
mod refused;
