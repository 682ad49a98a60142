//! A range and its rows in one transaction: once, whatever comes in between.

use std::thread;

use anyhow::{Context, bail, ensure};
use tidegate::config::Guarantee;
use tidegate::sink::SinkFault;
use tidegate_tests::harness::{Mode, PostgresServer, Proxy, eventually};

use super::direct::{At, Direct, says, text};

/// Ranges are kept in the test's own schema.
pub const RANGES: &str = "ranges = \"SCHEMA.ranges\"\ntimeout = \"20 s\"";

const COLUMNS: [(&str, &str); 2] = [("id", "UInt32"), ("name", "String")];

pub fn row(id: u32, name: &str) -> Vec<u8> {
    [id.to_le_bytes().to_vec(), text(name)].concat()
}

/// A sink whose table of ranges was made by the statement that it tells.
pub fn place(test: &str, server: &PostgresServer) -> anyhow::Result<Direct> {
    let direct = Direct::with(test, server, RANGES)?;
    let schema = &direct.postgres.schema;
    direct.postgres.run(&format!("CREATE TABLE {schema}.t (id bigint, name text)"))?;
    let Err(SinkFault::Mismatch(mismatch)) = direct.exactly("t", &COLUMNS) else { bail!("it opens") };
    let [problem] = mismatch.problems.as_slice() else { bail!("{mismatch}") };
    direct.postgres.run(problem.statement.as_ref().context("there is no statement")?)?;
    Ok(direct)
}

#[test]
fn a_missing_table_of_ranges_is_told_with_the_statement_that_makes_it_and_never_made() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::with("ranges", &server, RANGES)?;
        let schema = &direct.postgres.schema;
        ensure!(direct.sink.best() == Guarantee::ExactlyOnce, "it promises less");
        // Both tables at once: whoever mends something wants to hear of all of it.
        let Err(SinkFault::Mismatch(mismatch)) = direct.exactly("t", &COLUMNS) else { bail!("it opens") };
        let told = mismatch.to_string();
        says(&told, &[&format!("CREATE TABLE \"{schema}\".\"t\""), &format!("`{schema}.ranges`"), "does not exist"])?;
        ensure!(direct.open("t", &COLUMNS).is_err(), "the table is there");
        for problem in &mismatch.problems {
            direct.postgres.run(problem.statement.as_ref().context("there is no statement")?)?;
        }
        let table = direct.exactly("t", &COLUMNS)?;
        direct.transact(&[(&*table, &[row(1, "a")])], &At::new(0, 1)).map_err(|(_, fault)| fault)?;
        ensure!(direct.postgres.count("t")? == 1 && direct.postgres.count("ranges")? == 1, "it was not written");
    }
    Ok(())
}

#[test]
fn a_table_of_ranges_that_would_not_hold_is_told() -> anyhow::Result<()> {
    const CREATE: &str = "CREATE TABLE SCHEMA.ranges (lineage uuid, topic text, kafka_partition integer, \
                          first_offset bigint, next_offset bigint, tenant text, written_at timestamptz)";
    let wrong = [
        (CREATE.to_owned(), "it has no unique key on lineage, topic, kafka_partition, first_offset"),
        (
            format!(
                "{CREATE}; CREATE UNIQUE INDEX ON SCHEMA.ranges (lineage, topic, kafka_partition, first_offset) WHERE first_offset > 7"
            ),
            "it has no unique key",
        ),
        (
            format!("{CREATE}; CREATE UNIQUE INDEX ON SCHEMA.ranges (lineage, topic, kafka_partition)"),
            "it has no unique key",
        ),
        (CREATE.replace("first_offset bigint", "first_offset integer"), "it lacks the columns `first_offset` bigint"),
        (
            CREATE.replace("tenant text", "tenant text, \"more\" text NOT NULL"),
            "its columns `more` need values, which no range has",
        ),
        ("CREATE VIEW SCHEMA.ranges AS SELECT 1 AS lineage".to_owned(), "it is not a plain table"),
        (
            CREATE.replace("CREATE TABLE", "CREATE UNLOGGED TABLE"),
            "it is not logged, so that a crash of the server empties it",
        ),
    ];
    for server in PostgresServer::all()? {
        let direct = Direct::with("wrong_ranges", &server, RANGES)?;
        let schema = direct.postgres.schema.clone();
        direct.postgres.run(&format!("CREATE TABLE {schema}.t (id bigint, name text)"))?;
        for (statements, said) in &wrong {
            // The version of Greenplum may not have it.
            if direct.postgres.run(&statements.replace("SCHEMA", &schema)).is_err() {
                continue;
            }
            let Err(SinkFault::Mismatch(mismatch)) = direct.exactly("t", &COLUMNS) else {
                bail!("it opens: {statements}")
            };
            says(&mismatch.to_string(), &[said])?;
            let kind = if statements.contains("VIEW") { "VIEW" } else { "TABLE" };
            direct.postgres.run(&format!("DROP {kind} {schema}.ranges"))?;
        }
        direct.postgres.run(&CREATE.replace("SCHEMA", &schema).replace("uuid,", "uuid NOT NULL,"))?;
        let Err(SinkFault::Mismatch(mismatch)) = direct.exactly("t", &COLUMNS) else { bail!("it opens") };
        let [problem] = mismatch.problems.as_slice() else { bail!("{mismatch}") };
        direct.postgres.run(problem.statement.as_ref().context("there is no statement")?)?;
        direct.exactly("t", &COLUMNS)?;
    }
    Ok(())
}

#[test]
fn a_range_is_written_once_in_all_its_tables_however_often_it_is_tried() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("once", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("CREATE TABLE {schema}.u (id bigint, name text)"))?;
        let (t, u) = (direct.exactly("t", &COLUMNS)?, direct.exactly("u", &COLUMNS)?);
        let (of_t, of_u) = ([row(1, "a"), row(2, "b")], [row(3, "c")]);
        let writes: [(&dyn tidegate::sink::Table, &[Vec<u8>]); 2] = [(&*t, &of_t), (&*u, &of_u)];
        let at = At::new(10, 20);
        for _ in 0..3 {
            direct.transact(&writes, &at).map_err(|(_, fault)| fault)?;
        }
        // Another range of the lineage, and the same offsets in another lineage, are others.
        direct.transact(&writes, &At::of(at.lineage, 20, 30)).map_err(|(_, fault)| fault)?;
        direct.transact(&writes, &At::new(10, 20)).map_err(|(_, fault)| fault)?;
        let counts = ["t", "u", "ranges"].map(|table| direct.postgres.count(table).unwrap_or(-1));
        ensure!(counts == [6, 3, 3], "{counts:?}");
        // A range without rows is there, too.
        let empty = At::new(0, 9);
        direct.transact(&[], &empty).map_err(|(_, fault)| fault)?;
        direct.transact(&[(&*t, &[])], &empty).map_err(|(_, fault)| fault)?;
        let found = direct.postgres.lines(&format!(
            "SELECT topic, kafka_partition, first_offset, next_offset, tenant FROM {schema}.ranges WHERE next_offset = 9"
        ))?;
        ensure!(found == ["it\\'s\t3\t0\t9\tacme"], "{found:?}");
        let fresh = direct.postgres.value(&format!(
            "SELECT count(*) FROM {schema}.ranges WHERE written_at > now() - interval '1 minute' AND written_at <= now()"
        ))?;
        ensure!(fresh == "4", "{fresh}");
    }
    Ok(())
}

#[test]
fn a_range_that_ends_elsewhere_than_the_one_that_is_there_is_refused() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("other_end", &server)?;
        let table = direct.exactly("t", &COLUMNS)?;
        let at = At::new(10, 20);
        direct.transact(&[(&*table, &[row(1, "a")])], &at).map_err(|(_, fault)| fault)?;
        let Err((None, SinkFault::Refused(told))) =
            direct.transact(&[(&*table, &[row(1, "a")])], &At::of(at.lineage, 10, 21))
        else {
            bail!("it was taken")
        };
        says(&told, &["has the range of it's/3 from 10 to 20", "ends at 21"])?;
        ensure!(direct.postgres.count("t")? == 1, "rows were written");
    }
    Ok(())
}

#[test]
fn a_key_that_takes_other_ranges_for_this_one_is_no_reason_to_lose_it() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("other_key", &server)?;
        let schema = &direct.postgres.schema;
        let greenplum = direct.postgres.value("SELECT version()")?.contains("Greenplum");
        let key = if greenplum { "lineage" } else { "topic" };
        direct.postgres.run(&format!("CREATE UNIQUE INDEX ON {schema}.ranges ({key})"))?;
        let table = direct.exactly("t", &COLUMNS)?;
        let at = At::new(0, 1);
        direct.transact(&[(&*table, &[row(1, "a")])], &at).map_err(|(_, fault)| fault)?;
        let Err((None, SinkFault::Refused(told))) =
            direct.transact(&[(&*table, &[row(2, "b")])], &At::of(at.lineage, 1, 2))
        else {
            bail!("it was taken")
        };
        says(&told, &["does not have it: it has another unique key"])?;
    }
    Ok(())
}

#[test]
fn a_table_that_fails_takes_the_rows_of_the_others_with_it_and_is_named() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("second_fails", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("CREATE TABLE {schema}.u (id bigint CHECK (id < 3), name text)"))?;
        let (t, u) = (direct.exactly("t", &COLUMNS)?, direct.exactly("u", &COLUMNS)?);
        let at = At::new(0, 5);
        let rows = [row(1, "a"), row(3, "c")];
        let Err((Some(1), SinkFault::Rows(told))) = direct.transact(&[(&*t, &rows), (&*u, &rows)], &at) else {
            bail!("it was taken")
        };
        says(&told, &["violates check constraint", "SQLSTATE 23514"])?;
        let counts = ["t", "u", "ranges"].map(|table| direct.postgres.count(table).unwrap_or(-1));
        ensure!(counts == [0, 0, 0], "{counts:?}");
        // A table that changes under way is no fault of rows.
        direct.postgres.run(&format!("ALTER TABLE {schema}.u DROP COLUMN name"))?;
        let Err((Some(1), SinkFault::Mismatch(_))) = direct.transact(&[(&*t, &rows), (&*u, &rows)], &at) else {
            bail!("it was taken")
        };
        direct.transact(&[(&*t, &rows)], &at).map_err(|(_, fault)| fault)?;
        ensure!(direct.postgres.count("t")? == 2, "the range is not there");
    }
    Ok(())
}

/// A constraint that looks at rows when they are committed, and waits there as long as somebody holds the lock.
const WAITS_AT_COMMIT: &str = "CREATE FUNCTION SCHEMA.wait() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext('SCHEMA')); RETURN NEW; END $$; \
    CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON SCHEMA.t DEFERRABLE INITIALLY DEFERRED \
    FOR EACH ROW EXECUTE PROCEDURE SCHEMA.wait()";

#[test]
fn a_commit_whose_answer_is_lost_doubles_nothing() -> anyhow::Result<()> {
    // Greenplum has no such constraints.
    let server = PostgresServer::all()?.remove(0);
    let direct = place("lost_answer", &server)?;
    let schema = direct.postgres.schema.clone();
    direct.postgres.run(&WAITS_AT_COMMIT.replace("SCHEMA", &schema))?;
    direct.postgres.run(&format!("SELECT pg_advisory_lock(hashtext('{schema}'))"))?;
    let proxy = Proxy::start(&server.address, Mode::Open)?;
    let at = At::new(0, 5);
    let writer = thread::spawn({
        let (server, schema, at) = (server.at(&proxy.address()), schema.clone(), at.clone());
        move || -> anyhow::Result<bool> {
            let lines = RANGES.replace("SCHEMA", &schema);
            let other = Direct::with("lost_answer_writer", &server, &lines)?;
            let table =
                other.open_placed(&format!("{schema}.t"), &COLUMNS, Guarantee::ExactlyOnce, &Default::default())?;
            let first = other.transact(&[(&*table, &[row(1, "a")])], &at);
            ensure!(matches!(first, Err((None, SinkFault::Unavailable(_)))), "{first:?}");
            // As a pipeline does.
            eventually("the range is there", || {
                other.transact(&[(&*table, &[row(1, "a")])], &at).map_err(|(_, fault)| fault.into())
            })?;
            Ok(true)
        }
    });
    let committing = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'advisory' \
                      AND application_name LIKE 'tidegate %'";
    eventually("it commits", || {
        ensure!(direct.postgres.value(committing)? == "1", "it does not");
        Ok(())
    })?;
    proxy.set(Mode::Hanging);
    direct.postgres.run(&format!("SELECT pg_advisory_unlock(hashtext('{schema}'))"))?;
    eventually("the server has committed", || {
        ensure!(direct.postgres.count("t")? == 1, "it has not");
        Ok(())
    })?;
    // With the answer on its way.
    eventually("the answer is held", || {
        ensure!(proxy.holds(), "it is not");
        Ok(())
    })?;
    proxy.set(Mode::Away);
    eventually("the connection is cut", || {
        ensure!(!proxy.holds(), "it is not");
        Ok(())
    })?;
    proxy.set(Mode::Open);
    ensure!(writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??, "it is not there");
    ensure!(direct.postgres.count("t")? == 1 && direct.postgres.count("ranges")? == 1, "it is there twice");
    Ok(())
}
