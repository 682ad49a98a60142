//! What an audit names is what was done to the tables, and nothing else.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{CORRECTIONS, Gateway, MOVEMENTS, Postgres, PostgresServer, Shop, Tenant};

use super::audited::{Audited, with_postgres};

const SHOP: Shop = Shop { count: 60_000, partitions: 3, malformed: 0.02 };

/// An offset that is named: what is wrong, partition, offset.
type Named = (String, i64, i64);

fn named(what: &str, at: &[(i64, i64)]) -> Vec<Named> {
    at.iter().map(|(partition, offset)| (what.to_owned(), *partition, *offset)).collect()
}

/// Two numbers of each line of an answer.
fn pairs(lines: &[String]) -> anyhow::Result<Vec<(i64, i64)>> {
    let pair = |line: &String| {
        let (one, other) = line.split_once('\t').context("it is no pair")?;
        anyhow::Ok((one.parse()?, other.parse()?))
    };
    lines.iter().map(pair).collect()
}

#[test]
fn rows_of_clickhouse_that_were_deleted_and_doubled_are_named_and_no_others() -> anyhow::Result<()> {
    let tenant = Tenant::new("audit_ch")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    SHOP.write_sales(&tenant, &topic)?;
    let file = tenant.gateway_file();
    Gateway::catch_up(&tenant, &file)?;
    let expected = SHOP.expected_sales()?;
    let rows: usize = expected.rows.values().map(Vec::len).sum();

    let audited = Audited::of(&tenant, &file, "sales", &[])?;
    audited.is("/records/read", SHOP.count as usize)?;
    audited.is("/records/written", rows)?;
    audited.is("/records/dropped", expected.dropped)?;
    audited.is("/records/rejected", expected.letters.len())?;
    audited.is("/records/missing", 0)?;
    audited.is("/tables/0/expected", rows)?;
    audited.is("/tables/0/written", rows)?;
    audited.is("/dead_letters/written", expected.letters.len())?;
    ensure!(audited.code == Some(0), "it ended with {:?}", audited.code);
    let (code, text) = Audited::text(&tenant, &file, "sales", &[])?;
    ensure!(code == 0 && text.contains("nothing is missing, and nothing is there twice"), "{code}");

    // Three rows go, two stand twice, one thrice, and one of a record that is a dead letter comes.
    let table = format!("{}.sales", tenant.name);
    let some = format!("SELECT _partition, _offset FROM {table} ORDER BY cityHash64(_partition, _offset) LIMIT 6");
    let some = pairs(&tenant.clickhouse.lines(&some)?)?;
    let is_one_of = |some: &[(i64, i64)]| {
        format!("(_partition, _offset) IN ({})", some.iter().map(|at| format!("{at:?}")).collect::<Vec<_>>().join(", "))
    };
    let (gone, doubled) = some.split_at(3);
    tenant
        .clickhouse
        .run(&format!("ALTER TABLE {table} DELETE WHERE {} SETTINGS mutations_sync = 2", is_one_of(gone)))?;
    tenant.clickhouse.run(&format!("INSERT INTO {table} SELECT * FROM {table} WHERE {}", is_one_of(doubled)))?;
    tenant
        .clickhouse
        .run(&format!("INSERT INTO {table} SELECT * FROM {table} WHERE {} LIMIT 1", is_one_of(&doubled[..1])))?;
    let &(partition, offset) = expected.letters.keys().nth(7).context("there are no letters")?;
    let of_letter = (i64::from(partition), offset);
    tenant.clickhouse.run(&format!(
        "INSERT INTO {table} SELECT * REPLACE ({partition} AS _partition, {offset} AS _offset) FROM {table} LIMIT 1"
    ))?;

    let audited = Audited::of(&tenant, &file, "sales", &[])?;
    let mut right = [named("missing", gone), named("doubled", doubled), named("unexpected", &[of_letter])].concat();
    right.sort();
    ensure!(audited.offsets("/tables/0")? == right, "{:?}, not {right:?}", audited.offsets("/tables/0")?);
    audited.is("/tables/0/missing", 3)?;
    audited.is("/tables/0/doubled", 4)?;
    audited.is("/tables/0/unexpected", 1)?;
    audited.is("/records/missing", 3)?;
    ensure!(audited.code == Some(1), "it ended with {:?}", audited.code);

    // A range without them is right, and one with one of them alone is not.
    let (partition, offset) = gone[0];
    let only = |from: i64, to: i64| {
        let (partition, from, to) = (partition.to_string(), from.to_string(), to.to_string());
        Audited::of(&tenant, &file, "sales", &["--partition", &partition, "--from", &from, "--to", &to])
    };
    let audited = only(offset, offset + 1)?;
    ensure!(audited.offsets("/tables/0")? == named("missing", &[gone[0]]), "{:?}", audited.report);
    audited.is("/records/read", 1)?;
    let others: Vec<_> = right.iter().filter(|at| at.1 == partition && at.2 > offset).map(|at| at.2).collect();
    let until = others.first().copied().unwrap_or(offset + 1_000).min(offset + 1_000);
    let audited = only(offset + 1, until)?;
    ensure!(audited.code == Some(0), "{:?}", audited.report);
    let (code, text) = Audited::text(&tenant, &file, "sales", &[])?;
    let line = format!("missing: {topic}/{partition} offset {offset} (1)");
    ensure!(code == 1 && text.contains(&line), "`{line}` is not said");
    Ok(())
}

#[test]
fn dead_letters_that_are_gone_or_came_twice_are_named() -> anyhow::Result<()> {
    let tenant = Tenant::new("audit_dead")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    SHOP.write_sales(&tenant, &topic)?;
    let file = tenant.gateway_file();
    Gateway::catch_up(&tenant, &file)?;
    let dead = format!("{topic}.dead");
    let letters = tenant.kafka.read(&dead)?;
    let origin = |index: usize| {
        let header = |wanted: &str| {
            let (_, value) = letters[index].message.headers.iter().find(|(name, _)| name == wanted).unwrap();
            String::from_utf8(value.clone().unwrap()).unwrap().parse::<i64>().unwrap()
        };
        (header("tidegate-partition"), header("tidegate-offset"))
    };
    tenant.kafka.send(&dead, 0, &[letters[9].message.clone()])?;
    tenant.kafka.delete_records(&dead, 0, letters[2].offset)?;

    let audited = Audited::of(&tenant, &file, "sales", &[])?;
    let mut right = [named("missing", &[origin(0), origin(1)]), named("doubled", &[origin(9)])].concat();
    right.sort();
    ensure!(audited.offsets("/dead_letters")? == right, "{:?}, not {right:?}", audited.offsets("/dead_letters")?);
    audited.is("/records/missing", 2)?;
    audited.is("/tables/0/missing", 0)?;
    ensure!(audited.code == Some(1), "it ended with {:?}", audited.code);
    Ok(())
}

#[test]
fn a_row_of_postgresql_that_stands_twice_does_not_make_up_for_its_neighbour_that_is_gone() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let tenant = Tenant::new("audit_pg")?;
        let postgres = Postgres::new(&tenant.http, &server, "audit_pg")?;
        let topic = tenant.create_topic("stock", SHOP.partitions)?;
        postgres.create_tables("warehouse")?;
        let mut pipeline = tenant.pipeline("warehouse", &topic)?;
        pipeline.replace(&format!("dwh:{}.", tenant.name), &format!("pg:{}.", postgres.schema))?;
        tenant.install(&pipeline)?;
        SHOP.write_stock(&tenant, &topic)?;
        let file = with_postgres(&tenant, &postgres)?;
        Gateway::catch_up(&tenant, &file)?;
        let expected = SHOP.expected_stock()?;

        let audited = Audited::of(&tenant, &file, "warehouse", &[])?;
        ensure!(audited.code == Some(0), "it ended with {:?}", audited.code);
        for (index, table) in [MOVEMENTS.table, CORRECTIONS.table].iter().enumerate() {
            let at = audited.report["tables"].as_array().context("there are no tables")?;
            let at = at.iter().position(|each| each["table"].as_str().is_some_and(|name| name.ends_with(table)));
            let at = at.with_context(|| format!("table {index} {table} is not told"))?;
            let rows = expected.rows.get(table).map(Vec::len).context("no rows are expected")?;
            audited.is(&format!("/tables/{at}/written"), rows)?;
        }
        audited.is("/records/rejected", expected.letters.len())?;

        // Of a transfer one row goes and the other stands twice: as many rows as before.
        let table = format!("{}.stock_movements", postgres.schema);
        let transfer = postgres
            .lines(&format!("SELECT _partition, _offset FROM {table} WHERE _ordinal = 1 ORDER BY 2 LIMIT 1"))?;
        let &[(partition, offset)] = pairs(&transfer)?.as_slice() else { panic!("{transfer:?}") };
        let of = |ordinal: i32| format!("_partition = {partition} AND _offset = {offset} AND _ordinal = {ordinal}");
        postgres.run(&format!("DELETE FROM {table} WHERE {}", of(1)))?;
        postgres.run(&format!("INSERT INTO {table} SELECT * FROM {table} WHERE {}", of(0)))?;
        let audited = Audited::of(&tenant, &file, "warehouse", &[])?;
        let at = audited.report["tables"].as_array().context("there are no tables")?;
        let at = at.iter().position(|each| each["missing"] == 1).context("nothing is missing")?;
        let right = [named("doubled", &[(partition, offset)]), named("missing", &[(partition, offset)])].concat();
        ensure!(audited.offsets(&format!("/tables/{at}"))? == right, "{:?}", audited.report);
        ensure!(audited.code == Some(1), "it ended with {:?}", audited.code);
    }
    Ok(())
}

#[test]
fn what_cannot_be_audited_as_it_was_asked_is_a_wrong_command_line() -> anyhow::Result<()> {
    let tenant = Tenant::new("audit_wrong")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let file = tenant.gateway_file();
    for (more, part) in [
        (vec!["--topic", "other"], "--topic is \"other\"; the pipeline reads "),
        (vec!["--partition", "3"], "has no such partition"),
        (vec!["--offset-column", "at"], "the plugin writes no column `at` there"),
    ] {
        let (code, text) = Audited::text(&tenant, &file, "sales", &more)?;
        ensure!(code == 64 && text.contains(part), "{code}: {text}");
    }
    let (code, text) = Audited::text(&tenant, &file, "sale", &[])?;
    ensure!(code == 64 && text.contains("there is no pipeline") && text.contains("/sales"), "{code}: {text}");
    Ok(())
}

#[test]
fn a_table_of_two_pipelines_is_not_compared_and_says_so() -> anyhow::Result<()> {
    let tenant = Tenant::new("audit_two")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let mut other = tenant.pipeline("sales", &tenant.create_topic("others", 1)?)?;
    other.name = "other".to_owned();
    tenant.install(&other)?;
    let (code, text) = Audited::text(&tenant, &tenant.gateway_file(), "sales", &[])?;
    ensure!(
        code == 0 && text.contains("was not compared: pipeline") && text.contains("/other writes there too"),
        "{code}: {text}"
    );
    Ok(())
}
