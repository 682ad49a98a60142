//! Examples of the documentation end to end: their records through the gateway's own process into a real warehouse.

mod flights;
mod generated;
