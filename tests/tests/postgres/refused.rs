//! Rows that a table refuses: which they are is found without touching it, and those that are left are written.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{bail, ensure};
use tidegate::sink::{Blamed, SinkFault, Table};
use tidegate_tests::harness::PostgresServer;

use super::direct::{At, Direct, says, text};

const COLUMNS: [(&str, &str); 2] = [("id", "UInt32"), ("name", "Nullable(String)")];

fn row(id: u32, name: Option<&str>) -> Vec<u8> {
    let name = name.map_or(vec![1], |name| [vec![0], text(name)].concat());
    [id.to_le_bytes().to_vec(), name].concat()
}

fn indexes(blamed: &[Blamed]) -> Vec<usize> {
    blamed.iter().map(|blamed| blamed.row).collect()
}

/// Writes rows that are refused, asks which they are, and writes the others.
fn sift(direct: &Direct, table: &dyn Table, rows: &[Vec<u8>]) -> anyhow::Result<Vec<Blamed>> {
    let answer = direct.write(table, rows);
    let Err(SinkFault::Rows(_)) = answer else { bail!("{answer:?}") };
    let blamed = direct.blame(table, rows)?;
    let out: BTreeSet<_> = blamed.iter().map(|blamed| blamed.row).collect();
    let left = rows.iter().enumerate().filter(|(index, _)| !out.contains(index)).map(|(_, row)| row.clone());
    let left: Vec<_> = left.collect();
    direct.write(table, &left)?;
    Ok(blamed)
}

/// What a table of (id bigint, name text) is given besides, the rows with their index from 100 on that it refuses, what it says.
type Constraint = (&'static str, &'static [(u32, Option<&'static str>)], &'static str);

const CONSTRAINTS: [Constraint; 7] = [
    ("ALTER TABLE SCHEMA.t ADD CHECK (length(name) < 5)", &[(3, Some("too long")), (7, Some("this too"))], "23514"),
    ("ALTER TABLE SCHEMA.t ADD CHECK (name IS NOT NULL)", &[(0, None)], "23514"),
    // Of two that are the same it is the later that comes too late.
    ("CREATE UNIQUE INDEX ON SCHEMA.t (id)", &[(3, Some("a")), (3, Some("b")), (3, Some("c"))], "23505"),
    (
        "ALTER TABLE SCHEMA.t ADD EXCLUDE USING btree (name WITH =) WHERE (name <> 'ok')",
        &[(3, Some("x")), (4, Some("x"))],
        "23P01",
    ),
    (
        "CREATE TABLE SCHEMA.known (id bigint PRIMARY KEY); INSERT INTO SCHEMA.known SELECT generate_series(0, 999); \
         ALTER TABLE SCHEMA.t ADD FOREIGN KEY (id) REFERENCES SCHEMA.known DEFERRABLE INITIALLY DEFERRED",
        &[(1_000, Some("ok")), (5_000, Some("ok"))],
        "23503",
    ),
    (
        "CREATE FUNCTION SCHEMA.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.name = 'bad' THEN RAISE EXCEPTION E'no such name,\\n\\tline 3'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER looks BEFORE INSERT ON SCHEMA.t FOR EACH ROW EXECUTE PROCEDURE SCHEMA.look()",
        &[(2, Some("bad"))],
        "P0001",
    ),
    // It waits for the end of the transaction.
    (
        "CREATE FUNCTION SCHEMA.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.name = 'bad' THEN RAISE EXCEPTION 'no such name'; END IF; RETURN NEW; END $$; \
         CREATE CONSTRAINT TRIGGER looks AFTER INSERT ON SCHEMA.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
         EXECUTE PROCEDURE SCHEMA.look()",
        &[(2, Some("bad")), (3, Some("bad"))],
        "P0001",
    ),
];

#[test]
fn what_a_table_refuses_is_found_to_the_row_and_all_others_are_written() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let greenplum = Direct::new("refused", &server)?.postgres.value("SELECT version()")?.contains("Greenplum");
        for (constraint, bad, state) in CONSTRAINTS {
            let direct = Direct::new("refused", &server)?;
            let schema = &direct.postgres.schema;
            let distribution = if greenplum { "DISTRIBUTED BY (id)" } else { "" };
            direct.postgres.run(&format!("CREATE TABLE {schema}.t (id bigint, name text) {distribution}"))?;
            let made = direct.postgres.run(&constraint.replace("SCHEMA", schema));
            // Greenplum has none of these, or does not look at them.
            if greenplum && (made.is_err() || state == "23503") {
                continue;
            }
            made?;
            let table = direct.open("t", &COLUMNS)?;
            let mut rows: Vec<_> = (100..400).map(|id| row(id, Some("ok"))).collect();
            let mut expected = Vec::new();
            for (index, (id, name)) in bad.iter().enumerate() {
                let at = 17 + 90 * index;
                rows.insert(at, row(*id, *name));
                let is_first_of_many = matches!(state, "23505" | "23P01") && index == 0;
                expected.extend((!is_first_of_many).then_some(at));
            }
            let blamed = sift(&direct, &*table, &rows)?;
            ensure!(indexes(&blamed) == expected, "{constraint}: {blamed:?}");
            for blamed in &blamed {
                says(&blamed.reason, &["copy ", &format!("SQLSTATE {state}")])?;
                ensure!(!blamed.reason.contains(['\n', '\t']), "it has more lines than one: {}", blamed.reason);
            }
            let written = usize::try_from(direct.postgres.count("t")?)?;
            ensure!(written == rows.len() - expected.len(), "{constraint}: {written} of {} rows", rows.len());
        }
    }
    Ok(())
}

#[test]
fn rows_of_one_table_are_looked_at_behind_those_of_the_others_that_they_need() -> anyhow::Result<()> {
    // Greenplum does not look at foreign keys.
    let server = PostgresServer::all()?.remove(0);
    let direct = super::ranges::place("needed", &server)?;
    let schema = &direct.postgres.schema;
    direct.postgres.run(&format!(
        "ALTER TABLE {schema}.t ADD PRIMARY KEY (id); CREATE TABLE {schema}.u (id bigint REFERENCES {schema}.t, name text)"
    ))?;
    let (t, u) = (direct.exactly("t", &COLUMNS)?, direct.exactly("u", &COLUMNS)?);
    let of_t: Vec<_> = (0..20).map(|id| row(id, Some("t"))).collect();
    let of_u: Vec<_> = (0..22).rev().map(|id| row(id, Some("u"))).collect();
    let writes: [(&dyn Table, &[Vec<u8>]); 2] = [(&*t, &of_t), (&*u, &of_u)];
    let at = At::new(0, 42);
    let answer = direct.transact(&writes, &at);
    let Err((Some(1), SinkFault::Rows(_))) = answer else { bail!("{answer:?}") };
    let blamed = direct.blame_among(&writes, 1, &at)?;
    ensure!(indexes(&blamed) == [0, 1], "{blamed:?}");
    let counts = ["t", "u", "ranges"].map(|table| direct.postgres.count(table).unwrap_or(-1));
    ensure!(counts == [0, 0, 0], "{counts:?}");
    direct.transact(&[(&*t, &of_t), (&*u, &of_u[2..])], &at).map_err(|(_, fault)| fault)?;
    // Once the range is there nothing of it is to be looked for.
    ensure!(direct.blame_among(&writes, 1, &at)?.is_empty(), "rows that are there are blamed");
    // A constraint that waits for the end is known by its table.
    direct.postgres.run(&format!(
        "ALTER TABLE {schema}.u ADD FOREIGN KEY (id) REFERENCES {schema}.t DEFERRABLE INITIALLY DEFERRED; \
         ALTER TABLE {schema}.u DROP CONSTRAINT u_id_fkey"
    ))?;
    let at = At::new(0, 43);
    let answer = direct.transact(&[(&*t, &[row(50, None)]), (&*u, &[row(51, None)])], &at);
    let Err((Some(1), SinkFault::Rows(_))) = answer else { bail!("{answer:?}") };
    Ok(())
}

#[test]
fn a_table_that_refuses_everything_is_told_and_not_searched_for_ever() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::with("refuses_all", &server, "timeout = \"280 s\"")?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("CREATE TABLE {schema}.t (id bigint CHECK (id < 0), name text)"))?;
        let table = direct.open("t", &COLUMNS)?;
        let few: Vec<_> = (0..3).map(|id| row(id, None)).collect();
        ensure!(indexes(&direct.blame(&*table, &few)?) == [0, 1, 2], "not all are blamed");
        let many: Vec<_> = (0..5_000).map(|id| row(id, None)).collect();
        let answer = direct.blame(&*table, &many);
        let Err(SinkFault::Refused(told)) = answer else { bail!("{answer:?}") };
        says(&told, &["refuses more than 1000 of 5000 rows", "the first is row 0", "violates check constraint"])?;
        // Where all are fine none is blamed.
        direct.postgres.run(&format!("ALTER TABLE {schema}.t DROP CONSTRAINT t_id_check"))?;
        ensure!(direct.blame(&*table, &few)?.is_empty(), "rows that are fine are blamed");
        ensure!(direct.postgres.count("t")? == 0, "the search has left rows behind");
    }
    Ok(())
}

#[test]
fn what_is_no_fault_of_rows_is_not_searched_for() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("no_rows", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("CREATE TABLE {schema}.t (id bigint, name text)"))?;
        let table = direct.open("t", &COLUMNS)?;
        direct.postgres.run(&format!("DROP TABLE {schema}.t"))?;
        let answer = direct.blame(&*table, &[row(1, None)]);
        ensure!(matches!(answer, Err(SinkFault::Mismatch(_))), "{answer:?}");
    }
    Ok(())
}

#[test]
fn fifty_bad_rows_of_fifty_thousand_are_found_in_moments() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::with("many_refused", &server, "timeout = \"280 s\"")?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("CREATE TABLE {schema}.t (id bigint CHECK (id % 1000 <> 7), name text)"))?;
        let table = direct.open("t", &COLUMNS)?;
        let rows: Vec<_> = (0..50_000).map(|id| row(id, Some("ok"))).collect();
        let started = Instant::now();
        let blamed = direct.blame(&*table, &rows)?;
        println!("50 of 50,000 rows were found in {:?}", started.elapsed());
        let expected: Vec<_> = (0..50).map(|index| index * 1_000 + 7).collect();
        ensure!(indexes(&blamed) == expected, "{:?}", indexes(&blamed));
    }
    Ok(())
}
