//! The sink for PostgreSQL and Greenplum against real servers: the gateway's own process, and the sink itself for what no plugin
//! writes. All tests run on PostgreSQL, and on Greenplum as well where TIDEGATE_TEST_GREENPLUM_URL names one.

mod at_commit;
mod direct;
mod modes;
mod outages;
mod promises;
mod ranges;
mod refused;
mod shop;
mod tables;
mod tls;
mod types;
mod zombies;
