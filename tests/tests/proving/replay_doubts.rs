//! What would be there twice by a replay is not written: that is told instead, with what is right.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use tidegate_tests::harness::{
    Gateway, GatewayFile, Message, NumbersTenant, PipelineFile, Postgres, PostgresServer, Shop, Tenant, Version,
};

use super::audited::{Audited, with_postgres};
use super::front::{Deed, Front};
use super::replayed::Replayed;

const SHOP: Shop = Shop { count: 2_000, partitions: 1, malformed: 0.02 };

/// The numbers from 1 to this one, each at the offset before it.
fn send_numbers(tenant: &Tenant, topic: &str, last: usize) -> anyhow::Result<()> {
    let message = |number: usize| Message {
        value: Some(number.to_string().into_bytes()),
        timestamp: 1_795_000_000_000,
        ..Message::default()
    };
    tenant.kafka.send(topic, 0, &(1..=last).map(message).collect::<Vec<_>>())
}

/// A table that does not tell its rows, and a pipeline that has rejected some of the numbers.
fn numbers(test: &str, settings: &str, last: usize) -> anyhow::Result<(NumbersTenant, GatewayFile)> {
    let numbers = NumbersTenant::new(test, 1)?;
    numbers.write_plugin("one")?;
    numbers.write(&Version { settings: settings.to_owned(), ..Version::named("one") })?;
    send_numbers(&numbers.tenant, &numbers.topic, last)?;
    let file = numbers.tenant.gateway_file();
    Gateway::catch_up(&numbers.tenant, &file)?;
    Ok((numbers, file))
}

#[test]
fn offsets_that_the_group_has_not_completed_are_left_to_the_pipeline() -> anyhow::Result<()> {
    let (numbers, file) = numbers("replay_ahead", "", 100)?;
    let (tenant, topic) = (&numbers.tenant, &numbers.topic);
    tenant.kafka.commit(&format!("tidegate.{}.numbers", tenant.name), topic, 0, 60)?;
    let table = format!("{}.numbers", tenant.name);
    tenant.clickhouse.run(&format!("TRUNCATE TABLE {table}"))?;
    let replay = |offsets: &str, more: &[&str]| {
        let offsets = format!("{topic}/0:{offsets}");
        Replayed::of(tenant, &file, "numbers", &[&["--offsets", &offsets], more].concat())
    };
    let ahead = format!("--offsets names {topic}/0:50-100: the group has completed the offsets before 60");
    replay("50-100", &["--after-delete", "--write"])?.says(64, &ahead)?;
    ensure!(tenant.count("numbers")? == 0, "{} rows", tenant.count("numbers")?);
    replay("50-100", &["--after-delete"])?.says(0, &ahead)?;

    tenant.clickhouse.run(&format!("CREATE TABLE {}.elsewhere AS {table}", tenant.name))?;
    let into = format!("number=dwh:{}.elsewhere", tenant.name);
    replay("50-100", &["--into", &into, "--write"])?.says(0, "what became rows is in the tables")?;
    ensure!(tenant.count("elsewhere")? == 50, "{} rows", tenant.count("elsewhere")?);
    replay("50-60", &["--after-delete", "--write"])?.says(0, "what became rows is in the tables")?;
    Gateway::catch_up(tenant, &file)?;
    let rows = format!("SELECT count(), uniqExact(number) FROM {table}");
    ensure!(tenant.clickhouse.lines(&rows)? == ["50\t50"], "{:?}", tenant.clickhouse.lines(&rows)?);
    Ok(())
}

#[test]
fn the_pipelines_own_table_is_not_elsewhere_and_no_offset_is_named_twice() -> anyhow::Result<()> {
    let (numbers, file) = numbers("replay_own", "", 100)?;
    let (tenant, topic) = (&numbers.tenant, &numbers.topic);
    let own = format!("number=dwh:{}.numbers", tenant.name);
    let offsets = format!("{topic}/0:0-100");
    let replayed = Replayed::of(tenant, &file, "numbers", &["--offsets", &offsets, "--into", &own, "--write"])?;
    replayed.says(64, &format!("--into names {own}: the pipeline itself writes into dwh:{}.numbers", tenant.name))?;
    let also = format!("{topic}/0:50-150");
    let twice = ["--offsets", &offsets, "--offsets", &also, "--after-delete", "--write"];
    let said = format!("--offsets names {offsets} and {also}, which have the offsets 50-100 in common");
    Replayed::of(tenant, &file, "numbers", &twice)?.says(64, &said)?;
    ensure!(tenant.count("numbers")? == 100, "{} rows", tenant.count("numbers")?);
    Ok(())
}

#[test]
fn where_a_table_that_does_not_tell_refuses_a_row_nothing_is_written_until_it_is_mended() -> anyhow::Result<()> {
    let (numbers, file) = numbers("replay_refused", "reject_every = 2\n", 20)?;
    let tenant = &numbers.tenant;
    numbers.write(&Version::named("one"))?;
    let alter = |how: &str| tenant.clickhouse.run(&format!("ALTER TABLE {}.numbers {how}", tenant.name));
    alter("ADD CONSTRAINT likes CHECK number != 8")?;
    let end = tenant.kafka.ends(&format!("{}.dead", numbers.topic))?[0].to_string();
    let replay = ["--dead-letters", "--from", "0", "--to", &end, "--write"];
    let refused = Replayed::of(tenant, &file, "numbers", &replay)?;
    refused.says(1, &format!("{}/0 offset 7", numbers.topic))?;
    refused.says(1, "does not tell which rows it has")?;
    ensure!(numbers.rows_of("one")? == 10, "{} rows", numbers.rows_of("one")?);

    alter("DROP CONSTRAINT likes")?;
    for _ in 0..2 {
        Replayed::report(tenant, &file, "numbers", &replay, &[("through", 10), ("rejected", 0)])?;
        ensure!(numbers.rows_of("one")? == 20, "{} rows", numbers.rows_of("one")?);
    }
    Ok(())
}

#[test]
fn letters_between_two_ends_that_kafka_still_has_are_the_same_replay() -> anyhow::Result<()> {
    let (numbers, file) = numbers("replay_pinned", "reject_every = 2\n", 20)?;
    let tenant = &numbers.tenant;
    numbers.write(&Version::named("one"))?;
    let dead = format!("{}.dead", numbers.topic);
    let end = tenant.kafka.ends(&dead)?[0].to_string();
    let replay = |more: &[&str]| {
        Replayed::of(tenant, &file, "numbers", &[&["--dead-letters", "--to", &end, "--write"], more].concat())
    };
    replay(&[])?.says(64, "--from OFFSET says where to begin")?;
    replay(&["--from", "0"])?.says(0, "what became rows is in the tables")?;
    tenant.kafka.delete_records(&dead, 0, 3)?;
    replay(&["--from", "0"])?.says(64, &format!("--from is 0, but {dead}/0 begins at 3"))?;
    ensure!(numbers.rows_of("one")? == 20, "{} rows", numbers.rows_of("one")?);
    Ok(())
}

/// Of the number 50 the row of one route is written, and that of the other is refused. Other numbers are a row in each, or poison.
fn halved(test: &str) -> anyhow::Result<(Tenant, String, GatewayFile)> {
    let tenant = Tenant::new(test)?;
    let topic = tenant.create_topic("numbers", 1)?;
    let name = &tenant.name;
    for (table, constraint) in [("numbers", ", CONSTRAINT likes CHECK number != 50"), ("copies", ""), ("elsewhere", "")]
    {
        tenant.clickhouse.run(&format!(
            "CREATE TABLE {name}.{table} (number Int64, route LowCardinality(String), version String, _partition Int32, \
             _offset Int64{constraint}) ENGINE = MergeTree ORDER BY number SETTINGS non_replicated_deduplication_window = 10000"
        ))?;
    }
    let text = format!(
        "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n[routes]\nnumber = \"dwh:{name}.numbers\"\n\
         copy = \"dwh:{name}.copies\"\n"
    );
    tenant.install(&PipelineFile { name: "numbers".to_owned(), plugin: "twofold", text })?;
    send_numbers(&tenant, &topic, 60)?;
    let file = tenant.gateway_file();
    Gateway::catch_up(&tenant, &file)?;
    for (table, rows) in [("numbers", 57), ("copies", 58)] {
        ensure!(tenant.count(table)? == rows, "{} rows in {table}", tenant.count(table)?);
    }
    Ok((tenant, topic, file))
}

#[test]
fn a_record_that_is_a_letter_and_has_a_row_in_another_table_is_told_by_the_audit() -> anyhow::Result<()> {
    let (tenant, _, file) = halved("audit_half")?;
    let audited = Audited::of(&tenant, &file, "numbers", &[])?;
    for (pointer, right) in [
        ("/records/written", 57),
        ("/records/rejected", 3),
        ("/records/rejected_with_rows", 1),
        ("/records/written_and_rejected", 0),
        ("/records/missing", 0),
    ] {
        audited.is(pointer, right)?;
    }
    ensure!(audited.code == Some(0), "it ended with {:?}", audited.code);
    let (_, text) = Audited::text(&tenant, &file, "numbers", &[])?;
    let told = "1 of those rejected have rows in a table as well";
    ensure!(text.contains(told), "`{told}` is not said: {text}");
    Ok(())
}

#[test]
fn of_a_letter_that_one_table_refused_the_rows_for_another_are_not_written_once_more() -> anyhow::Result<()> {
    let (tenant, topic, file) = halved("replay_half")?;
    let name = &tenant.name;
    // Rows of the table of copies may be of two pipelines from now on.
    let (others, own) = (tenant.create_topic("others", 1)?, format!("dwh:{name}.copies"));
    let text =
        format!("topics = [\"{others}\"]\non_reject = \"drop\"\n[routes]\nnumber = \"{own}\"\ncopy = \"{own}\"\n");
    tenant.install(&PipelineFile { name: "other".to_owned(), plugin: "twofold", text })?;
    tenant.clickhouse.run(&format!("ALTER TABLE {name}.numbers DROP CONSTRAINT likes"))?;

    let end = tenant.kafka.ends(&format!("{topic}.dead"))?[0].to_string();
    let replay = ["--dead-letters", "--from", "0", "--to", &end, "--write"];
    let refused = Replayed::of(&tenant, &file, "numbers", &replay)?;
    refused.says(1, &format!("may be there in part: {topic}/0 offset 49"))?;
    refused.says(1, "--into copy=SINK:TABLE")?;
    let of_50 = |table: &str| tenant.clickhouse.number(&format!("SELECT countIf(number = 50) FROM {name}.{table}"));
    ensure!((of_50("numbers")?, of_50("copies")?) == (0, 1), "{} and {}", of_50("numbers")?, of_50("copies")?);

    let into = format!("copy=dwh:{name}.elsewhere");
    Replayed::of(&tenant, &file, "numbers", &[&replay[..], &["--into", &into]].concat())?
        .says(0, "records   3: 1 become rows, 0 are there already, 2 are rejected")?;
    for table in ["numbers", "copies", "elsewhere"] {
        ensure!(of_50(table)? == 1, "{} rows in {table}", of_50(table)?);
    }
    Ok(())
}

#[test]
fn an_insert_whose_answer_is_lost_is_asked_after_before_it_is_done_again() -> anyhow::Result<()> {
    let tenant = Tenant::new("replay_lost")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.create_counting_tables("sales")?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.text.insert_str(0, "delivery = \"at-least-once\"\n");
    tenant.install(&pipeline)?;
    SHOP.write_sales(&tenant, &topic)?;
    let mut file = tenant.gateway_file();
    Gateway::catch_up(&tenant, &file)?;
    let rows = tenant.count("sales")?;
    tenant.clickhouse.run(&format!("TRUNCATE TABLE {}.sales", tenant.name))?;
    let inserts = AtomicUsize::new(0);
    let front = Front::start(&tenant.services.clickhouse, move |request| {
        match request.is_insert() && inserts.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Deed::LoseAnswer,
            false => Deed::Pass,
        }
    })?;
    file.url = front.url();
    let offsets = format!("{topic}/0:0-{}", SHOP.count);
    let through = usize::try_from(rows)?;
    let replay = ["--offsets", &offsets, "--after-delete", "--write"];
    let said = Replayed::report(&tenant, &file, "sales", &replay, &[("through", through)])?;
    ensure!(said["routes"][0]["rows"] == rows, "{}", said["routes"]);
    ensure!(tenant.count("sales")? == rows, "{} of {rows} rows", tenant.count("sales")?);
    Ok(())
}

/// A tenant with a table for sales in PostgreSQL, and a topic of them.
fn in_postgres(test: &str) -> anyhow::Result<(Tenant, Postgres, String)> {
    let server = PostgresServer::all()?.into_iter().next().context("there is no PostgreSQL")?;
    let tenant = Tenant::new(test)?;
    let postgres = Postgres::new(&tenant.http, &server, test)?;
    let topic = tenant.create_topic("sales", 1)?;
    postgres.create_tables("sales")?;
    Ok((tenant, postgres, topic))
}

#[test]
fn rows_that_a_database_makes_two_of_are_told() -> anyhow::Result<()> {
    let (tenant, postgres, topic) = in_postgres("replay_twice")?;
    let mut pipeline = tenant.pipeline("sales", &topic)?;
    pipeline.replace(&format!("dwh:{}.", tenant.name), &format!("pg:{}.", postgres.schema))?;
    tenant.install(&pipeline)?;
    SHOP.write_sales(&tenant, &topic)?;
    let file = with_postgres(&tenant, &postgres)?;
    Gateway::catch_up(&tenant, &file)?;
    let schema = &postgres.schema;
    postgres.run(&format!(
        "TRUNCATE {schema}.sales; \
         CREATE FUNCTION {schema}.twice() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO {schema}.sales SELECT NEW.*; RETURN NEW; END $$; \
         CREATE TRIGGER twice BEFORE INSERT ON {schema}.sales FOR EACH ROW WHEN (pg_trigger_depth() = 0) \
         EXECUTE FUNCTION {schema}.twice()"
    ))?;
    let offsets = format!("{topic}/0:0-{}", SHOP.count);
    let replayed = Replayed::of(&tenant, &file, "sales", &["--offsets", &offsets, "--after-delete", "--write"])?;
    replayed.says(1, &format!("pg:{schema}.sales has rows of"))?;
    replayed.says(1, "more than once")
}

#[test]
fn where_a_table_that_does_not_tell_has_no_room_for_a_row_nothing_is_written_until_it_has() -> anyhow::Result<()> {
    let (tenant, postgres, topic) = in_postgres("replay_room")?;
    let (mut own, mut other) = (
        tenant.pipeline("sales", &topic)?,
        // Rows of the table may be of two pipelines.
        PipelineFile { name: "other".to_owned(), ..tenant.pipeline("sales", &tenant.create_topic("others", 1)?)? },
    );
    for pipeline in [&mut own, &mut other] {
        pipeline.replace(&format!("dwh:{}.", tenant.name), &format!("pg:{}.", postgres.schema))?;
        tenant.install(pipeline)?;
    }
    SHOP.write_sales(&tenant, &topic)?;
    let file = with_postgres(&tenant, &postgres)?;
    Gateway::catch_up(&tenant, &file)?;
    let (table, rows) = (format!("{}.sales", postgres.schema), postgres.count("sales")?);
    postgres.run(&format!("TRUNCATE {table}; ALTER TABLE {table} ALTER COLUMN channel TYPE varchar(3)"))?;
    let offsets = format!("{topic}/0:0-{}", SHOP.count);
    let replay = ["--offsets", &offsets, "--after-delete", "--write"];
    let refused = Replayed::of(&tenant, &file, "sales", &replay)?;
    refused.says(1, &format!("pg:{table} refuses rows of {topic}/0 offset "))?;
    ensure!(postgres.count("sales")? == 0, "{} rows", postgres.count("sales")?);

    postgres.run(&format!("ALTER TABLE {table} ALTER COLUMN channel TYPE text"))?;
    for _ in 0..2 {
        Replayed::report(&tenant, &file, "sales", &replay, &[("through", usize::try_from(rows)?)])?;
        ensure!(postgres.count("sales")? == rows, "{} of {rows} rows", postgres.count("sales")?);
    }
    Ok(())
}
