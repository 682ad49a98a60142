//! Outages and mistakes: each is named where an operator looks, concerns only the pipeline that it is of, and costs no
//! record; where it can mend by itself, the pipeline goes on by itself. `make test` starts the services.

mod broker;
mod configuration;
mod database;
mod dead_letters;
mod rejects;
mod shops;
mod tables;
