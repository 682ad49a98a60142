//! A gateway that stands still in the middle of a range: whoever follows gets through, and what the frozen one does when it goes on
//! has no effect.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tidegate::config::Guarantee;
use tidegate::sink::SinkFault;
use tidegate_tests::harness::{Mode, PostgresServer, Proxy, eventually};

use super::direct::{At, Direct, says};
use super::ranges::{RANGES, place, row};

const COLUMNS: [(&str, &str); 2] = [("id", "UInt32"), ("name", "String")];

#[test]
fn a_frozen_predecessor_is_ended_and_its_commit_fails() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("zombie", &server)?;
        let schema = &direct.postgres.schema;
        let at = At::new(100, 200);
        let zombie = Direct::new("zombie_holder", &server)?;
        zombie.postgres.run(&format!(
            "BEGIN; SET LOCAL application_name = 'tidegate {:032x} 3 100'; \
             INSERT INTO {schema}.ranges VALUES ('{:032x}', 'it''s', 3, 100, 200, 'acme', now()); \
             INSERT INTO {schema}.t VALUES (1, 'a')",
            at.lineage.0, at.lineage.0
        ))?;
        let table = direct.exactly("t", &COLUMNS)?;
        let started = Instant::now();
        direct.transact(&[(&*table, &[row(1, "a")])], &at).map_err(|(_, fault)| fault)?;
        let took = started.elapsed();
        println!("the successor got through in {took:?}");
        ensure!(took < Duration::from_secs(5), "it took {took:?}");
        ensure!(zombie.postgres.run("COMMIT").is_err(), "the zombie has committed");
        ensure!(direct.postgres.count("t")? == 1 && direct.postgres.count("ranges")? == 1, "it is there twice");
    }
    Ok(())
}

#[test]
fn a_gateway_that_is_frozen_in_the_middle_of_a_copy_is_passed_by() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("frozen", &server)?;
        let schema = direct.postgres.schema.clone();
        let holder = Direct::new("frozen_holder", &server)?;
        holder.postgres.run(&format!("BEGIN; LOCK TABLE {schema}.t IN ACCESS EXCLUSIVE MODE"))?;
        let proxy = Proxy::start(&server.address, Mode::Open)?;
        let at = At::new(0, 5);
        let frozen = thread::spawn({
            let (server, schema, at) = (server.at(&proxy.address()), schema.clone(), at.clone());
            move || -> anyhow::Result<(Result<(), String>, Result<(), String>)> {
                let other = Direct::with("frozen_writer", &server, &RANGES.replace("SCHEMA", &schema))?;
                let name = format!("{schema}.t");
                let table = other.open_placed(&name, &COLUMNS, Guarantee::ExactlyOnce, &Default::default())?;
                let write = || other.transact(&[(&*table, &[row(1, "a")])], &at);
                Ok((write().map_err(|(_, fault)| fault.to_string()), write().map_err(|(_, fault)| fault.to_string())))
            }
        });
        let waiting =
            format!("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = '{schema}.t'::regclass");
        eventually("the COPY has begun", || {
            ensure!(direct.postgres.value(&waiting)? == "t", "it has not");
            Ok(())
        })?;
        // From here on the gateway hears nothing and is not heard, and the server waits for its rows.
        proxy.set(Mode::Hanging);
        holder.postgres.run("COMMIT")?;
        let table = direct.exactly("t", &COLUMNS)?;
        let started = Instant::now();
        direct.transact(&[(&*table, &[row(1, "a")])], &at).map_err(|(_, fault)| fault)?;
        let took = started.elapsed();
        println!("the successor got through in {took:?}");
        ensure!(took < Duration::from_secs(5), "it took {took:?}");
        proxy.set(Mode::Open);
        let (first, second) = frozen.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        ensure!(first.is_err(), "the zombie has written");
        ensure!(second.is_ok(), "the zombie did not find the range: {second:?}");
        ensure!(direct.postgres.count("t")? == 1 && direct.postgres.count("ranges")? == 1, "it is there twice");
    }
    Ok(())
}

#[test]
fn what_else_holds_a_range_is_not_ended_and_told() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("holder", &server)?;
        let schema = &direct.postgres.schema;
        let at = At::new(100, 200);
        let holder = Direct::new("holder_other", &server)?;
        holder.postgres.run(&format!(
            "BEGIN; INSERT INTO {schema}.ranges VALUES ('{:032x}', 'it''s', 3, 100, 200, 'acme', now())",
            at.lineage.0
        ))?;
        let table = direct.exactly("t", &COLUMNS)?;
        let write = || direct.transact(&[(&*table, &[row(1, "a")])], &at);
        let Err((None, SinkFault::Unavailable(told))) = write() else { bail!("it was taken") };
        says(&told, &["enter the range it's/3 100-200", "holds it"])?;
        // Where it does not commit, the range is still to be written.
        holder.postgres.run("ROLLBACK")?;
        write().map_err(|(_, fault)| fault)?;
        ensure!(direct.postgres.count("t")? == 1, "it was not written");
    }
    Ok(())
}
