//! A replay says what it would do and does nothing, does it when it is asked to, and does nothing when it is asked once more.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{
    Duplicates, Gateway, NumbersTenant, Postgres, PostgresServer, SALES, Shop, Tenant, Version,
};

use super::audited::{Audited, with_postgres};
use super::replayed::Replayed;

const SHOP: Shop = Shop { count: 20_000, partitions: 2, malformed: 0.02 };

/// Sales whose product is looked up in a table that lacks a column, for which they are rejected; and the same as they should be.
#[test]
fn letters_of_a_bad_version_become_rows_by_the_mended_one_and_twice_is_once() -> anyhow::Result<()> {
    let tenant = Tenant::new("replay_ch")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    // Without a window of tokens: what is there is known by asking.
    tenant.create_counting_tables("sales")?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.text.insert_str(0, "delivery = \"at-least-once\"\n");
    tenant.install(&pipeline)?;
    let products = tenant.plugin("sales").with_file_name("products.csv");
    let right = std::fs::read_to_string(&products)?;
    let (head, lines) = right.split_once('\n').context("there are no products")?;
    let bad = head.replace("name", "title");
    ensure!(bad != head, "the products have no names: {head}");
    std::fs::write(&products, format!("{bad}\n{lines}"))?;
    SHOP.write_sales(&tenant, &topic)?;
    let file = tenant.gateway_file();
    Gateway::catch_up(&tenant, &file)?;
    let expected = SHOP.expected_sales()?;
    let rows: usize = expected.rows.values().map(Vec::len).sum();
    let before = tenant.count("sales")? as usize;
    let letters = tenant.kafka.read(&format!("{topic}.dead"))?.len();
    ensure!(before < rows / 2, "{before} of {rows} rows are there already, which proves little");

    // The bad version rejects them once more.
    let said = Replayed::report(&tenant, &file, "sales", &["--dead-letters"], &[("through", 0), ("there", 0)])?;
    ensure!(said["rejected"] == letters as u64, "{} of {letters} letters", said["rejected"]);

    std::fs::write(&products, &right)?;
    let (through, rejected) = (rows - before, expected.letters.len());
    let numbers = [("through", through), ("there", 0), ("rejected", rejected), ("records", through + rejected)];
    let said = Replayed::report(&tenant, &file, "sales", &["--dead-letters", "--samples", "50"], &numbers)?;
    ensure!(said["written"] == false && tenant.count("sales")? as usize == before, "a dry run wrote rows");
    let samples = said["samples"].as_array().context("there are no samples")?;
    let mended = samples.iter().find(|sample| sample["rejected"].is_null()).context("no sample went through")?;
    ensure!(mended["before"].as_str().is_some_and(|before| before.contains("name")), "{mended}");
    ensure!(mended["rows"][0].as_str().is_some_and(|row| row.starts_with("sale {\"event_id\"")), "{mended}");
    let said = Replayed::of(&tenant, &file, "sales", &["--dead-letters"])?;
    said.says(0, "nothing was written; --write writes")?;

    Replayed::report(&tenant, &file, "sales", &["--dead-letters", "--write"], &numbers)?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;
    let numbers = [("through", 0), ("there", through), ("rejected", rejected)];
    Replayed::report(&tenant, &file, "sales", &["--dead-letters", "--write"], &numbers)?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;
    ensure!(tenant.kafka.read(&format!("{topic}.dead"))?.len() == letters, "the topic of dead letters was altered");

    let audited = Audited::of(&tenant, &file, "sales", &[])?;
    audited.is("/records/written", rows)?;
    audited.is("/records/written_and_rejected", through)?;
    audited.is("/records/rejected", rejected)?;
    ensure!(audited.code == Some(0), "it ended with {:?}", audited.code);
    Ok(())
}

#[test]
fn another_plugin_and_pipeline_file_are_tried_on_letters_without_being_deployed() -> anyhow::Result<()> {
    const NUMBERS: usize = 1_000;
    let numbers = NumbersTenant::new("replay_try", 1)?;
    let tenant = &numbers.tenant;
    numbers.write_plugin("one")?;
    numbers.write(&Version { settings: "reject_every = 10\n".to_owned(), ..Version::named("one") })?;
    let messages: Vec<_> = (1..=NUMBERS)
        .map(|number| tidegate_tests::harness::Message {
            value: Some(number.to_string().into_bytes()),
            timestamp: 1_795_000_000_000,
            ..Default::default()
        })
        .collect();
    tenant.kafka.send(&numbers.topic, 0, &messages)?;
    let file = tenant.gateway_file();
    Gateway::catch_up(tenant, &file)?;
    ensure!(numbers.rows_of("one")? == 900, "{} rows", numbers.rows_of("one")?);

    // What is tried lies elsewhere.
    let folder = tenant.folder().join("tried");
    std::fs::create_dir(&folder)?;
    let (plugin, pipeline) = (folder.join("two.wasm"), folder.join("two.toml"));
    std::fs::write(&plugin, tidegate_tests::harness::plugin("two")?)?;
    std::fs::write(
        &pipeline,
        numbers.text(&Version { settings: "reject_every = 50\n".to_owned(), ..Version::named("two") }),
    )?;
    let (plugin, pipeline) = (plugin.display().to_string(), pipeline.display().to_string());
    let tried = ["--dead-letters", "--plugin", &plugin, "--pipeline-file", &pipeline];
    let told = [("records", 100), ("through", 80), ("rejected", 20)];
    Replayed::report(tenant, &file, "numbers", &tried, &told)?;

    // The table does not tell which rows it has.
    let written = [&tried[..], &["--write"]].concat();
    Replayed::of(tenant, &file, "numbers", &written)?.says(64, "--to OFFSET says where to end")?;
    let ends = tenant.kafka.ends(&format!("{}.dead", numbers.topic))?;
    let (end, beyond) = (ends[0].to_string(), (ends[0] + 1).to_string());
    let written = [&written[..], &["--from", "0"]].concat();
    Replayed::of(tenant, &file, "numbers", &[&written[..], &["--to", &beyond]].concat())?.says(64, "ends at")?;
    let written = [&written[..], &["--to", &end]].concat();
    for _ in 0..2 {
        Replayed::report(tenant, &file, "numbers", &written, &told)?;
        ensure!(numbers.rows_of("two")? == 80, "{} rows", numbers.rows_of("two")?);
    }
    Ok(())
}

#[test]
fn offsets_go_elsewhere_or_where_their_rows_were_deleted() -> anyhow::Result<()> {
    let tenant = Tenant::new("replay_offsets")?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    SHOP.write_sales(&tenant, &topic)?;
    let file = tenant.gateway_file();
    Gateway::catch_up(&tenant, &file)?;
    let expected = SHOP.expected_sales()?;
    let (name, run) = (&tenant.name, |statement: String| tenant.clickhouse.run(&statement).map(|_| ()));
    let within = "_partition = 1 AND _offset >= 1000 AND _offset < 3000";
    let rows = tenant.clickhouse.number(&format!("SELECT count() FROM {name}.sales WHERE {within}"))? as usize;

    let offsets = format!("{topic}/1:1000-3000");
    let replay = |more: &[&str]| Replayed::of(&tenant, &file, "sales", &[&["--offsets", &offsets], more].concat());
    replay(&["--write"])?.says(64, "--after-delete says that they were deleted")?;
    let beyond = format!("{topic}/1:1000-300000");
    Replayed::of(&tenant, &file, "sales", &["--offsets", &beyond, "--after-delete"])?
        .says(64, "Kafka has the offsets 0-10000")?;

    // Nothing was deleted: all is there, and stays as it is.
    let again = ["--offsets", &offsets, "--after-delete", "--write"];
    Replayed::report(&tenant, &file, "sales", &again, &[("through", 0), ("there", rows), ("records", 2_000)])?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;

    run(format!("CREATE TABLE {name}.again AS {name}.sales"))?;
    let into = format!("sale=dwh:{name}.again");
    let elsewhere = ["--offsets", &offsets, "--into", &into, "--write"];
    Replayed::report(&tenant, &file, "sales", &elsewhere, &[("through", rows)])?;
    Replayed::report(&tenant, &file, "sales", &elsewhere, &[("through", 0), ("there", rows)])?;
    ensure!(tenant.count("again")? as usize == rows, "{} of {rows} rows", tenant.count("again")?);
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;

    let delete = format!("ALTER TABLE {name}.sales DELETE WHERE {within} SETTINGS mutations_sync = 2");
    run(delete.clone())?;
    Replayed::report(&tenant, &file, "sales", &again, &[("through", rows)])?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)?;
    // A token that is spent swallows rows that were deleted since: that is told, and how to go on.
    run(delete)?;
    replay(&["--after-delete", "--write"])?.says(1, "--again 1 replays them as something else")?;
    Replayed::report(&tenant, &file, "sales", &[&again[..], &["--again", "1"]].concat(), &[("through", rows)])?;
    expected.check_table(&tenant, SALES, Duplicates::Forbidden)
}

#[test]
fn letters_that_a_table_of_postgresql_had_no_room_for_go_in_once_it_has() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let tenant = Tenant::new("replay_pg")?;
        let postgres = Postgres::new(&tenant.http, &server, "replay_pg")?;
        let topic = tenant.create_topic("sales", SHOP.partitions)?;
        postgres.create_tables("sales")?;
        let table = format!("{}.sales", postgres.schema);
        postgres.run(&format!("ALTER TABLE {table} ALTER COLUMN channel TYPE varchar(3)"))?;
        let mut pipeline = tenant.pipeline("sales", &topic)?;
        pipeline.replace(&format!("dwh:{}.", tenant.name), &format!("pg:{}.", postgres.schema))?;
        tenant.install(&pipeline)?;
        SHOP.write_sales(&tenant, &topic)?;
        let file = with_postgres(&tenant, &postgres)?;
        Gateway::catch_up(&tenant, &file)?;
        let expected = SHOP.expected_sales()?;
        let rows: usize = expected.rows.values().map(Vec::len).sum();
        let before = postgres.count("sales")? as usize;
        ensure!(before > 0 && before < rows, "{before} of {rows} rows prove little");
        let audited = Audited::of(&tenant, &file, "sales", &[])?;
        ensure!(audited.code == Some(0), "{:?}", audited.report);

        postgres.run(&format!("ALTER TABLE {table} ALTER COLUMN channel TYPE text"))?;
        let through = rows - before;
        let numbers = [("through", through), ("rejected", expected.letters.len()), ("there", 0)];
        Replayed::report(&tenant, &file, "sales", &["--dead-letters"], &numbers)?;
        ensure!(postgres.count("sales")? as usize == before, "a dry run wrote rows");
        Replayed::report(&tenant, &file, "sales", &["--dead-letters", "--write"], &numbers)?;
        ensure!(postgres.count("sales")? as usize == rows, "{} of {rows} rows", postgres.count("sales")?);
        let numbers = [("through", 0), ("there", through)];
        Replayed::report(&tenant, &file, "sales", &["--dead-letters", "--write"], &numbers)?;
        ensure!(postgres.count("sales")? as usize == rows, "{} of {rows} rows", postgres.count("sales")?);
        let audited = Audited::of(&tenant, &file, "sales", &[])?;
        ensure!(audited.code == Some(0), "{:?}", audited.report);
    }
    Ok(())
}
