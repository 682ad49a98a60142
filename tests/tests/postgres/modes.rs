//! Rows that update others, that are merged, and that a statement of the gateway's file takes.

use std::sync::Arc;
use std::thread;

use anyhow::{Context, bail, ensure};
use tidegate::config::{Guarantee, Matching, Mode};
use tidegate::sink::{SinkFault, Table};
use tidegate_demo::produce::produce;
use tidegate_tests::harness::{Gateway, PostgresServer, SALES, Shop};

use super::direct::{At, Direct, says, text};
use super::ranges::RANGES;
use super::shop::{SALES_COLUMNS, check, gateway_file, place as shop_place};

const COLUMNS: [(&str, &str); 3] = [("Id", "UInt32"), ("name", "String"), ("price", "Decimal(18, 4)")];

fn row(id: u32, name: &str, price: i64) -> Vec<u8> {
    [id.to_le_bytes().to_vec(), text(name), (price * 10_000).to_le_bytes().to_vec()].concat()
}

fn matching(columns: &[&str], update: Option<&[&str]>) -> Matching {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Matching { columns: names(columns), update: update.map(names) }
}

/// A table with the rows 1, 2 and 3 and a column that nobody writes.
fn place(test: &str, server: &PostgresServer) -> anyhow::Result<Direct> {
    place_with(test, server, "")
}

fn place_with(test: &str, server: &PostgresServer, lines: &str) -> anyhow::Result<Direct> {
    let direct = Direct::with(test, server, &format!("{RANGES}\n{lines}"))?;
    let schema = &direct.postgres.schema;
    let greenplum = direct.postgres.value("SELECT version()")?.contains("Greenplum");
    let distribution = if greenplum { "DISTRIBUTED BY (\"Id\")" } else { "" };
    direct.postgres.run(&format!(
        "CREATE TABLE {schema}.t (\"Id\" bigint, name text NOT NULL, price numeric(18, 4), own text DEFAULT 'new', \
         PRIMARY KEY (\"Id\")) {distribution}; \
         INSERT INTO {schema}.t SELECT i, 'old', i, 'kept' FROM generate_series(1, 3) AS i"
    ))?;
    Ok(direct)
}

fn open(direct: &Direct, mode: &Mode) -> anyhow::Result<Arc<dyn Table>> {
    let open = || direct.open_placed(&format!("{}.t", direct.postgres.schema), &COLUMNS, Guarantee::ExactlyOnce, mode);
    if let Err(SinkFault::Mismatch(mismatch)) = open() {
        let [problem] = mismatch.problems.as_slice() else { bail!("{mismatch}") };
        direct.postgres.run(problem.statement.as_ref().context(mismatch.to_string())?)?;
    }
    Ok(open()?)
}

fn found(direct: &Direct) -> anyhow::Result<Vec<String>> {
    direct
        .postgres
        .lines(&format!("SELECT \"Id\", name, price::bigint, own FROM {}.t ORDER BY 1, 2, 3", direct.postgres.schema))
}

/// Brought to a table in each mode; of those with one id the last counts.
fn rows() -> Vec<Vec<u8>> {
    vec![row(2, "a", 20), row(7, "x", 70), row(2, "b", 21), row(8, "z", 80), row(7, "y", 71), row(2, "c", 22)]
}

#[test]
fn rows_that_match_are_updated_and_others_are_left() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        for (update, expected) in [
            (None, "2\tc\t22\tkept"),
            (Some(&["price"][..]), "2\told\t22\tkept"),
            (Some(&["price", "name"][..]), "2\tc\t22\tkept"),
        ] {
            let direct = place("update", &server)?;
            let table = open(&direct, &Mode::Update(matching(&["Id"], update)))?;
            let at = At::new(0, 6);
            for _ in 0..2 {
                direct.transact(&[(&*table, &rows())], &at).map_err(|(_, fault)| fault)?;
            }
            let found = found(&direct)?;
            ensure!(found == ["1\told\t1\tkept", expected, "3\told\t3\tkept"], "{update:?}: {found:?}");
        }
    }
    Ok(())
}

#[test]
fn rows_are_merged_whichever_way_they_are_written() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        for (update, expected) in [
            (None, "2\tc\t22\tkept"),
            (Some(&["price"][..]), "2\told\t22\tkept"),
            // What is there already stays as it is.
            (Some(&[][..]), "2\told\t2\tkept"),
        ] {
            let direct = place("merge", &server)?;
            let table = open(&direct, &Mode::Merge(matching(&["Id"], update)))?;
            direct.transact(&[(&*table, &rows())], &At::new(0, 6)).map_err(|(_, fault)| fault)?;
            // The path without ranges, and the same rows once more: nothing changes.
            direct.write(&*table, &rows())?;
            let found = found(&direct)?;
            let all = ["1\told\t1\tkept", expected, "3\told\t3\tkept", "7\ty\t71\tnew", "8\tz\t80\tnew"];
            ensure!(found == all, "{update:?}: {found:?}");
        }
    }
    Ok(())
}

#[test]
fn several_columns_may_tell_rows_apart_and_two_routes_may_go_into_one_table() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("two_keys", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("ALTER TABLE {schema}.t DROP CONSTRAINT t_pkey"))?;
        direct.postgres.run(&format!("CREATE UNIQUE INDEX ON {schema}.t (\"Id\", name)"))?;
        let merge = open(&direct, &Mode::Merge(matching(&["name", "Id"], None)))?;
        let insert = open(&direct, &Mode::Insert)?;
        let updates = [row(3, "old", 33), row(3, "other", 34)];
        direct
            .transact(
                &[(&*merge, &updates), (&*insert, &[row(9, "i", 9)]), (&*merge, &[row(9, "i", 10)])],
                &At::new(0, 3),
            )
            .map_err(|(_, fault)| fault)?;
        let found = found(&direct)?;
        let all = ["1\told\t1\tkept", "2\told\t2\tkept", "3\told\t33\tkept", "3\tother\t34\tnew", "9\ti\t10\tnew"];
        ensure!(found == all, "{found:?}");
    }
    Ok(())
}

#[test]
fn columns_that_do_not_tell_rows_apart_are_told_when_the_table_is_opened() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("match", &server)?;
        let schema = &direct.postgres.schema;
        let greenplum = direct.postgres.value("SELECT version()")?.contains("Greenplum");
        open(&direct, &Mode::Insert)?;
        let told = |columns: &[(&str, &str)], mode: Mode| -> anyhow::Result<String> {
            match direct.open_placed(&format!("{schema}.t"), columns, Guarantee::ExactlyOnce, &mode) {
                Err(fault) => Ok(fault.to_string()),
                Ok(_) => bail!("it opens"),
            }
        };
        let nullable = [("Id", "Nullable(UInt32)"), ("name", "String"), ("price", "Decimal(18, 4)")];
        let id = || Mode::Merge(matching(&["id"], Some(&["prize"])));
        says(
            &told(&COLUMNS, id())?,
            &[
                "`match` names the column `id`, which the plugin does not write; the nearest is `Id`",
                "`update` names the column `prize`, which the plugin does not write; the nearest is `price`",
            ],
        )?;
        direct.postgres.run(&format!("ALTER TABLE {schema}.t DROP CONSTRAINT t_pkey"))?;
        direct.postgres.run(&format!("ALTER TABLE {schema}.t ALTER COLUMN \"Id\" DROP NOT NULL"))?;
        says(&told(&nullable, Mode::Update(matching(&["Id"], None)))?, &["`Id`", "may be null"])?;
        let merge = Mode::Merge(matching(&["Id", "name"], None));
        if greenplum {
            direct.open_placed(&format!("{schema}.t"), &COLUMNS, Guarantee::ExactlyOnce, &merge)?;
        } else {
            says(&told(&COLUMNS, merge.clone())?, &["no unique key on \"Id\", \"name\"", "CREATE UNIQUE INDEX ON"])?;
            open(&direct, &merge)?;
        }
        // What only the server knows is found by a rehearsal.
        direct.postgres.run(&format!("CREATE TABLE {schema}.j (id json, v bigint)"))?;
        let columns = [("id", "Map(String, UInt8)"), ("v", "UInt32")];
        let update = Mode::Update(matching(&["id"], None));
        let rehearsed = direct.open_placed(&format!("{schema}.j"), &columns, Guarantee::ExactlyOnce, &update);
        let Err(SinkFault::Refused(told)) = rehearsed else { bail!("it opens") };
        says(&told, &["rehearse the update of rows into table", "json"])?;
    }
    Ok(())
}

#[test]
fn merges_of_the_same_new_rows_at_once_add_each_once() -> anyhow::Result<()> {
    const WRITERS: u32 = 3;
    for server in PostgresServer::all()? {
        let direct = place("at_once", &server)?;
        let mode = Mode::Merge(matching(&["Id"], None));
        open(&direct, &mode)?;
        let schema = direct.postgres.schema.clone();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (server, schema, mode) = (server.clone(), schema.clone(), mode.clone());
                thread::spawn(move || -> anyhow::Result<()> {
                    let other = Direct::with("at_once_writer", &server, &RANGES.replace("SCHEMA", &schema))?;
                    let table = other.open_placed(&format!("{schema}.t"), &COLUMNS, Guarantee::ExactlyOnce, &mode)?;
                    for round in 0..20 {
                        let rows: Vec<_> =
                            (0..50).map(|id| row(100 + 50 * round + id, "n", i64::from(writer))).collect();
                        let at = At::new(0, 50);
                        // As a pipeline does: whoever comes second is told of the rows that are there now, and finds them fine.
                        while let Err((_, fault)) = other.transact(&[(&*table, &rows)], &at) {
                            match fault {
                                SinkFault::Rows(_) => {
                                    let blamed = other.blame_among(&[(&*table, &rows)], 0, &at);
                                    ensure!(!matches!(&blamed, Ok(blamed) if !blamed.is_empty()), "{blamed:?}");
                                }
                                SinkFault::Unavailable(_) => {}
                                fault => return Err(fault.into()),
                            }
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for writer in writers {
            writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        let rows = direct.postgres.lines(&format!("SELECT count(*), count(DISTINCT \"Id\") FROM {schema}.t"))?;
        ensure!(rows == ["1003\t1003"], "{rows:?}");
    }
    Ok(())
}

#[test]
fn a_row_that_cannot_be_merged_is_found() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = place("merge_refused", &server)?;
        let schema = &direct.postgres.schema;
        direct.postgres.run(&format!("ALTER TABLE {schema}.t ADD CHECK (price < 1000)"))?;
        let table = open(&direct, &Mode::Merge(matching(&["Id"], None)))?;
        let mut rows: Vec<_> = (0..200).map(|id| row(id, "n", 5)).collect();
        rows.push(row(77, "n", 6));
        rows[33] = row(33, "bad", 1_000);
        rows[150] = row(2, "bad", 2_000);
        let at = At::new(0, 6);
        let answer = direct.transact(&[(&*table, &rows)], &at);
        let Err((Some(0), SinkFault::Rows(_))) = answer else { bail!("{answer:?}") };
        let blamed = direct.blame_among(&[(&*table, &rows)], 0, &at)?;
        let indexes: Vec<_> = blamed.iter().map(|blamed| blamed.row).collect();
        ensure!(indexes == [33, 150], "{blamed:?}");
        says(&blamed[0].reason, &["merge of 1 rows into table", "violates check constraint"])?;
        rows.remove(150);
        rows.remove(33);
        direct.transact(&[(&*table, &rows)], &at).map_err(|(_, fault)| fault)?;
        ensure!(direct.postgres.count("t")? == 200 - 2, "{:?}", found(&direct)?);
    }
    Ok(())
}

const STATEMENTS: &str = "[sinks.pg.statements]\n\
    total = \"INSERT INTO SCHEMA.totals (who, price) SELECT current_user, sum(price) FROM {rows}\"\n\
    wrong = \"INSERT INTO SCHEMA.totals (who, prize) SELECT current_user, price FROM {rows}\"\n\
    ends = \"INSERT INTO SCHEMA.totals (price) SELECT price FROM {rows}; COMMIT\"\n\
    [sinks.pg.roles]\nacme = \"ROLE\"\n";

#[test]
fn a_statement_takes_the_rows_under_the_tenants_role_and_in_the_same_transaction() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let role = format!("Acme {:08x}", rand::random::<u32>());
        let direct = place_with("statement", &server, &STATEMENTS.replace("ROLE", &role))?;
        let schema = &direct.postgres.schema;
        let statement = |name: &str| Mode::Statement(name.to_owned());
        direct.postgres.run(&format!(
            "CREATE ROLE \"{role}\"; GRANT \"{role}\" TO CURRENT_USER; GRANT USAGE ON SCHEMA {schema} TO \"{role}\"; \
             CREATE TABLE {schema}.totals (who text, price numeric)"
        ))
        .or_else(|_| {
            // Greenplum 6 has no such words.
            let user = direct.postgres.value("SELECT current_user")?;
            direct.postgres.run(&format!(
                "CREATE ROLE \"{role}\"; GRANT \"{role}\" TO {user}; GRANT USAGE ON SCHEMA {schema} TO \"{role}\"; \
                 CREATE TABLE {schema}.totals (who text, price numeric)"
            ))
        })?;
        open(&direct, &Mode::Insert)?;
        // The rights are the role's, not the user's.
        let name = format!("{schema}.t");
        let open = |mode: &Mode| direct.open_placed(&name, &COLUMNS, Guarantee::ExactlyOnce, mode);
        let Err(SinkFault::Refused(told)) = open(&statement("total")) else { bail!("it opens") };
        says(&told, &["rehearse the statement `total` of rows into table", "permission denied"])?;
        direct.postgres.run(&format!(
            "GRANT SELECT, INSERT ON {schema}.t TO \"{role}\"; GRANT SELECT, INSERT ON {schema}.totals TO \"{role}\""
        ))?;
        for (name, said) in [("wrong", "prize"), ("ends", "tidegate_rows")] {
            let Err(SinkFault::Refused(told)) = open(&statement(name)) else { bail!("`{name}` opens") };
            says(&told, &[&format!("rehearse the statement `{name}`"), said])?;
        }
        let unknown = direct.sink.takes(&statement("totals"));
        says(&unknown.unwrap_err(), &["is \"totals\"", "the nearest is \"total\""])?;
        ensure!(direct.sink.takes(&statement("total")).is_ok(), "it is not known");

        let (table, insert, at) = (open(&statement("total"))?, open(&Mode::Insert)?, At::new(0, 6));
        for _ in 0..2 {
            let writes: [(&dyn Table, &[Vec<u8>]); 2] = [(&*table, &rows()), (&*insert, &[row(50, "i", 5)])];
            direct.transact(&writes, &at).map_err(|(_, fault)| fault)?;
        }
        let found = direct.postgres.lines(&format!("SELECT who, price::bigint FROM {schema}.totals"))?;
        ensure!(found == [format!("{role}\t284")], "{found:?}");
        ensure!(direct.postgres.count("t")? == 4, "the other route's row is not there once");
        direct.postgres.run(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""))?;
    }
    Ok(())
}

#[test]
fn a_user_with_no_more_rights_than_it_needs_writes_as_the_tenants_role() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let [user, role] = ["loader", "acme"].map(|name| format!("{name}_{:08x}", rand::random::<u32>()));
        let lines = format!("[sinks.pg.roles]\nacme = \"{role}\"\n");
        let direct = place_with("plain_user", &server, &lines)?;
        let schema = direct.postgres.schema.clone();
        open(&direct, &Mode::Insert)?;
        direct.postgres.run(&format!(
            "CREATE ROLE {user} LOGIN PASSWORD 'loader-1234'; CREATE ROLE {role}; GRANT {role} TO {user}; \
             GRANT USAGE ON SCHEMA {schema} TO {user}, {role}; GRANT SELECT, INSERT ON {schema}.ranges TO {user}; \
             GRANT INSERT, SELECT, UPDATE ON {schema}.t TO {role}"
        ))?;
        let plain = PostgresServer { user: user.clone(), password: "loader-1234".to_owned(), ..server.clone() };
        let lines = format!("{RANGES}\n{lines}").replace("SCHEMA", &schema);
        let direct = direct.through_with(&plain, &lines)?;
        let (insert, merge) = (open(&direct, &Mode::Insert)?, open(&direct, &Mode::Merge(matching(&["Id"], None)))?);
        // Enough of them that each segment of a cluster gets some.
        let many: Vec<_> = (100..200).map(|id| row(id, "i", 5)).collect();
        let at = At::new(0, 6);
        for _ in 0..2 {
            let writes: [(&dyn Table, &[Vec<u8>]); 2] = [(&*insert, &many), (&*merge, &rows())];
            direct.transact(&writes, &at).map_err(|(_, fault)| fault)?;
        }
        // At least once, too.
        direct.write(&*insert, &(200..300).map(|id| row(id, "i", 5)).collect::<Vec<_>>())?;
        ensure!(direct.postgres.count("t")? == 3 + 100 + 2 + 100, "{:?}", found(&direct)?);
        direct.postgres.run(&format!("DROP OWNED BY {user}, {role}; DROP ROLE {user}, {role}"))?;
    }
    Ok(())
}

const SHOP: Shop = Shop { count: 5_000, partitions: 2, malformed: 0.02 };

#[test]
fn a_pipelines_file_merges_sales_that_come_once_more() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres) = shop_place("in_pg_merge", &server)?;
        let topic = tenant.create_topic("sales", SHOP.partitions)?;
        postgres.create_tables("sales")?;
        // On Greenplum the table lies by its first column, which is this one.
        postgres.run(&format!("CREATE UNIQUE INDEX ON {}.sales (event_id)", postgres.schema))?;
        let mut file = tenant.pipeline("sales", &topic)?;
        let table = format!("table = \"pg:{}.sales\"", postgres.schema);
        file.replace(
            &format!("\"dwh:{}.sales\"", tenant.name),
            &format!("{{ {table}, mode = \"merge\", match = [\"event_id\"], update = [\"quantity\"] }}"),
        )?;
        tenant.install(&file)?;
        let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server)?)?;
        let mut writer = SHOP.writer(&tenant, &topic)?;
        for _ in 0..2 {
            produce(&mut writer, &mut SHOP.sales()?, SHOP.count, None)?;
            tenant.wait_for("sales", &topic)?;
        }
        gateway.is_well()?;
        gateway.stop()?;
        // Those of the first time, where nothing else was to be changed.
        check(&postgres, &SHOP.expected_sales()?, (SALES.table, SALES_COLUMNS))?;
    }
    Ok(())
}
