//! End to end: the gateway's own process between a real broker and a real warehouse. `make test` starts those.

mod files;
mod group;
mod objects;
mod old_server;
mod parts;
mod records;
mod shop;
mod stdout;
mod stopping;
mod tap;
mod trickle;
