//! Tables that do not fit, at the start and under way: what is wrong is said with the statement that mends it, and nothing is
//! written in the wrong way.

use std::slice::from_ref;
use std::thread;

use anyhow::{Context, bail, ensure};
use tidegate::sink::SinkFault;
use tidegate_tests::harness::{PostgresServer, eventually};

use super::direct::{Direct, says, text};

/// Live type, declared type, what is said. The statement that is told must make it fit.
const WRONG: [(&str, &str, &str); 16] = [
    ("bigint", "UInt64", "is bigint, but the plugin writes UInt64, for which there is numeric(20, 0)"),
    (
        "smallint",
        "UInt16",
        "is smallint, but the plugin writes UInt16, for which there is integer, bigint or numeric(5, 0)",
    ),
    ("integer", "UInt32", "numeric(10, 0)"),
    ("real", "Float64", "for which there is double precision"),
    ("double precision", "Decimal(18, 4)", "for which there is numeric(18, 4)"),
    ("numeric(17,4)", "Decimal(18, 4)", "is numeric(17,4)"),
    ("numeric(20,3)", "Decimal(18, 4)", "is numeric(20,3)"),
    ("character(20)", "String", "is character(20)"),
    ("json", "String", "for which there is text, varchar or bytea"),
    ("timestamp with time zone", "DateTime64(7)", "for which there is text or varchar"),
    ("timestamp(2) without time zone", "DateTime64(3)", "is timestamp(2) without time zone"),
    ("interval", "Time64(9)", "for which there is text or varchar"),
    ("integer", "Date", "for which there is date"),
    ("text", "Int32", "for which there is integer, bigint or numeric(10, 0)"),
    ("text[]", "Array(Array(String))", "for which there is jsonb, json or text"),
    ("bigint[]", "Array(UInt64)", "for which there is numeric(20, 0)[], jsonb, json or text"),
];

#[test]
fn a_column_of_a_type_that_does_not_fit_is_named_with_what_fits() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("wrong", &server)?;
        for (index, (live, kind, said)) in WRONG.into_iter().enumerate() {
            let (name, schema) = (format!("t{index}"), &direct.postgres.schema);
            direct.postgres.run(&format!("CREATE TABLE {schema}.{name} (id bigint, v {live})"))?;
            let columns = [("id", "UInt32"), ("v", kind)];
            let mismatch = direct.mismatch(&name, &columns).with_context(|| format!("{kind} in {live}"))?;
            let [problem] = mismatch.problems.as_slice() else { bail!("{mismatch}") };
            ensure!(problem.column.as_deref() == Some("v"), "{problem:?}");
            says(&problem.problem, &["its column `v` is ", said])?;
            let statement = problem.statement.as_deref().context("there is no statement")?;
            says(statement, &[&format!("ALTER TABLE \"{schema}\".\"{name}\" ALTER COLUMN \"v\" TYPE "), "USING"])?;
            // Between some types there is no way; an operator finds one.
            if direct.postgres.run(statement).is_ok() {
                direct.open(&name, &columns)?;
            }
        }
    }
    Ok(())
}

#[test]
fn all_that_is_wrong_with_a_table_is_said_at_once_and_the_statements_mend_it() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("several", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!(
            "CREATE TABLE {schema}.t (a integer, maybe text NOT NULL, needed text NOT NULL, given text NOT NULL DEFAULT 'x')"
        ))?;
        let columns = [("a", "UInt64"), ("maybe", "Nullable(String)"), ("Missing", "Array(UInt8)")];
        let mismatch = direct.mismatch("t", &columns)?;
        let told = mismatch.to_string();
        says(
            &told,
            &[
                "its column `a` is integer",
                "its column `maybe` is NOT NULL, but the plugin writes Nullable(String), which may be null",
                "it has no column `Missing`",
                "ADD COLUMN \"Missing\" smallint[]",
                "its column `needed` is NOT NULL and has no default, but the plugin does not write it",
            ],
        )?;
        ensure!(mismatch.problems.len() == 4, "{told}");
        for statement in mismatch.problems.iter().filter_map(|problem| problem.statement.as_deref()) {
            direct.postgres.run(statement)?;
        }
        let table = direct.open("t", &columns)?;
        direct.write(&*table, &[vec![9, 0, 0, 0, 0, 0, 0, 0, 1, 2, 7, 8]])?;
        let found = direct.postgres.lines(&format!("SELECT a, maybe, \"Missing\", needed, given FROM {schema}.t"))?;
        ensure!(found == ["9\t\\N\t{7,8}\t\\N\tx"], "{found:?}");
    }
    Ok(())
}

#[test]
fn views_generated_columns_and_names_that_would_be_cut_are_refused() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("kinds", &server)?;
        let schema = &direct.postgres.schema;
        direct
            .postgres
            .run(&format!("CREATE TABLE {schema}.t (a integer); CREATE VIEW {schema}.v AS SELECT a FROM {schema}.t"))?;
        says(&direct.mismatch("v", &[("a", "Int32")])?.to_string(), &["it is a view"])?;
        let long = "x".repeat(64);
        says(&direct.mismatch("t", &[(&long, "Int32")])?.to_string(), &[&long, "63 bytes"])?;
        says(&direct.mismatch(&long, &[("a", "Int32")])?.to_string(), &[&long, "63 bytes"])?;
        says(
            &direct.mismatch("T", &[("a", "Int32")])?.to_string(),
            &["it does not exist", &format!("CREATE TABLE \"{schema}\".\"T\"")],
        )?;
        // Greenplum only: a COPY into one waits for whoever is behind the address.
        let external =
            format!("CREATE EXTERNAL TABLE {schema}.e (a integer) LOCATION ('gpfdist://127.0.0.1:1/e') FORMAT 'TEXT'");
        if direct.postgres.run(&external).is_ok() {
            let told = direct.mismatch("e", &[("a", "Int32")])?.to_string();
            ensure!(told.contains("it is an external table") || told.contains("it is a foreign table"), "{told}");
        }
        let generated = format!("CREATE TABLE {schema}.g (a integer, b integer GENERATED ALWAYS AS (a + 1) STORED)");
        // Greenplum 6 has no such columns.
        if direct.postgres.run(&generated).is_ok() {
            says(
                &direct.mismatch("g", &[("a", "Int32"), ("b", "Int32")])?.to_string(),
                &["its column `b` is generated"],
            )?;
            let table = direct.open("g", &[("a", "Int32")])?;
            direct.write(&*table, &[vec![1, 0, 0, 0]])?;
        }
    }
    Ok(())
}

#[test]
fn a_table_that_changes_under_way_takes_nothing_until_it_is_changed_back() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("drift", &server)?;
        let schema = &direct.postgres.schema;
        // Eight bytes each: a server would take one for the other.
        direct.postgres.run(&format!("CREATE TABLE {schema}.t (place text, id bigint, at timestamptz)"))?;
        let table = direct.open("t", &[("id", "UInt32"), ("at", "DateTime64(3)")])?;
        let row = [vec![1, 0, 0, 0], 1_795_170_900_123i64.to_le_bytes().to_vec()].concat();
        direct.write(&*table, from_ref(&row))?;
        direct.postgres.run(&format!("ALTER TABLE {schema}.t ALTER COLUMN at TYPE bigint USING 0"))?;
        let fault = direct.write(&*table, from_ref(&row));
        let Err(SinkFault::Mismatch(mismatch)) = fault else { bail!("{fault:?}") };
        says(
            &mismatch.to_string(),
            &["its column `at` is bigint, but the plugin writes DateTime64(3)", "TYPE timestamptz"],
        )?;
        direct
            .postgres
            .run(&format!("ALTER TABLE {schema}.t DROP COLUMN at, ADD COLUMN extra text, ADD COLUMN at timestamp"))?;
        let fault = direct.write(&*table, from_ref(&row));
        ensure!(fault.is_ok(), "timestamp is written like timestamptz: {fault:?}");
        direct.postgres.run(&format!("ALTER TABLE {schema}.t ALTER COLUMN id TYPE numeric"))?;
        let fault = direct.write(&*table, from_ref(&row));
        let Err(SinkFault::Mismatch(mismatch)) = fault else { bail!("{fault:?}") };
        says(&mismatch.to_string(), &["its column `id` is numeric now and was bigint when the pipeline began"])?;
        ensure!(direct.postgres.count("t")? == 2, "rows were written");
        direct.postgres.run(&format!("ALTER TABLE {schema}.t ALTER COLUMN id TYPE bigint"))?;
        direct.write(&*table, &[row])?;
        ensure!(direct.postgres.count("t")? == 3, "no row was written");
    }
    Ok(())
}

#[test]
fn a_change_that_comes_between_the_look_and_the_rows_is_seen_behind_them() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("race", &server)?;
        let schema = direct.postgres.schema.clone();
        direct.postgres.run(&format!("CREATE TABLE {schema}.t (at timestamptz)"))?;
        // Whoever alters the table holds it; COPY waits behind its look at the catalogs, which nobody holds up.
        direct.postgres.run(&format!("BEGIN; ALTER TABLE {schema}.t ALTER COLUMN at TYPE bigint USING 0"))?;
        let watch = Direct::new("race_watch", &server)?;
        let writer = thread::spawn({
            let (server, name) = (server.clone(), schema.clone());
            move || -> anyhow::Result<Option<String>> {
                let other = Direct::new("race_writer", &server)?;
                let table = other.open_in(&name, "t", &[("at", "DateTime64(3)")])?;
                Ok(other
                    .write(&*table, &[1_795_170_900_123i64.to_le_bytes().to_vec()])
                    .err()
                    .map(|fault| fault.to_string()))
            }
        });
        eventually("COPY waits for the table", || {
            let waiting =
                format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{schema}.t'::regclass");
            ensure!(watch.postgres.value(&waiting)? == "1", "it does not");
            Ok(())
        })?;
        direct.postgres.run("COMMIT")?;
        let fault = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        says(&fault.context("it was written")?, &["its column `at` is bigint"])?;
        ensure!(direct.postgres.count("t")? == 0, "rows were written");
    }
    Ok(())
}

#[test]
fn partitioned_tables_take_rows_in_all_partitions_and_refuse_those_that_have_none() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("parts", &server)?;
        let schema = &direct.postgres.schema;
        let greenplum = direct.postgres.value("SELECT version()")?.contains("Greenplum");
        direct.postgres.run(&match greenplum {
            true => format!(
                "CREATE TABLE {schema}.t (id bigint, day date) WITH (appendonly = true, orientation = column) \
                 DISTRIBUTED BY (id) PARTITION BY RANGE (day) (START ('1970-01-01') END ('1970-01-11') EVERY ('1 day'::interval))"
            ),
            false => format!(
                "CREATE TABLE {schema}.t (id bigint, day date) PARTITION BY RANGE (day);
                 CREATE TABLE {schema}.t1 PARTITION OF {schema}.t FOR VALUES FROM ('1970-01-01') TO ('1970-01-06');
                 CREATE TABLE {schema}.t2 PARTITION OF {schema}.t FOR VALUES FROM ('1970-01-06') TO ('1970-01-11')"
            ),
        })?;
        let table = direct.open("t", &[("id", "UInt32"), ("day", "Date")])?;
        let row = |id: u32, day: u16| [&id.to_le_bytes()[..], &day.to_le_bytes()].concat();
        let rows: Vec<_> = (0..10_000).map(|id| row(id, (id % 10) as u16)).collect();
        direct.write(&*table, &rows)?;
        let found = direct
            .postgres
            .lines(&format!("SELECT day - '1970-01-01', count(*) FROM {schema}.t GROUP BY 1 ORDER BY 1"))?;
        let expected: Vec<_> = (0..10).map(|day| format!("{day}\t1000")).collect();
        ensure!(found == expected, "{found:?}");
        let fault = direct.write(&*table, &[row(1, 2), row(1, 11)]);
        let Err(SinkFault::Rows(told)) = fault else { bail!("{fault:?}") };
        says(&told, &["copy 2 rows into table", "no partition"])?;
        ensure!(direct.postgres.count("t")? == 10_000, "half a range was written");
    }
    Ok(())
}

#[test]
fn a_constraint_that_rows_break_is_told_with_the_servers_words_and_costs_the_whole_range() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("constraint", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!(
            "CREATE TABLE {schema}.t (id bigint, name text CONSTRAINT short CHECK (length(name) < 3))"
        ))?;
        let table = direct.open("t", &[("id", "UInt32"), ("name", "String")])?;
        let row = |id: u8, name: &str| [vec![id, 0, 0, 0], text(name)].concat();
        let fault = direct.write(&*table, &[row(1, "ab"), row(2, "abc")]);
        let Err(SinkFault::Rows(told)) = fault else { bail!("{fault:?}") };
        says(&told, &["copy 2 rows into table", "violates check constraint", "short", "SQLSTATE 23514"])?;
        ensure!(direct.postgres.count("t")? == 0, "half a range was written");
        // The connection that failed is of no use to others; the next one is.
        direct.write(&*table, &[row(1, "ab")])?;
    }
    Ok(())
}
