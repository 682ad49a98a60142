//! A database that goes away, hangs, or does not let the gateway in, and tables that change under a running gateway.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tidegate::sink::SinkFault;
use tidegate_demo::produce::produce;
use tidegate_tests::harness::{
    Duplicates, Gateway, Message, Mode, Postgres, PostgresServer, Proxy, SALES, Shop, Tenant, check_letters, eventually,
};

use super::direct::{Direct, says};
use super::shop::{SALES_COLUMNS, check, gateway_file, install, place};

const SHOP: Shop = Shop { count: 5_000, partitions: 2, malformed: 0.02 };

#[test]
fn a_database_that_goes_away_and_comes_back_costs_nothing() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres, topic) = sales("in_pg_outage", &server)?;
        postgres.create_tables("sales")?;
        let proxy = Proxy::start(&server.address, Mode::Away)?;
        let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server.at(&proxy.address()))?)?;
        gateway.says(&["/sales: starting", "sink pg:", "connect to database"])?;
        let (mut writer, mut source) = (SHOP.writer(&tenant, &topic)?, SHOP.sales()?);
        produce(&mut writer, &mut source, SHOP.count, None)?;
        proxy.set(Mode::Open);
        tenant.wait_for("sales", &topic)?;

        proxy.set(Mode::Away);
        produce(&mut writer, &mut source, SHOP.count, None)?;
        let before = tenant.group("sales", &topic)?.committed()?;
        gateway.says(&["/sales: running\n  sink pg:", "connect to database"])?;
        let committed = tenant.group("sales", &topic)?.committed()?;
        ensure!(committed == before, "committed went on from {before:?} to {committed:?}");

        proxy.set(Mode::Open);
        tenant.wait_for("sales", &topic)?;
        gateway.is_well()?;
        gateway.stop()?;
        let expected = Shop { count: 2 * SHOP.count, ..SHOP }.expected_sales()?;
        check(&postgres, &expected, (SALES.table, SALES_COLUMNS))?;
        check_letters(&tenant, "sales", &topic, &expected.letters, Duplicates::Forbidden)?;
    }
    Ok(())
}

#[test]
fn a_table_that_is_missing_is_waited_for_and_made_by_the_statement_that_is_told() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres, topic) = sales("in_pg_missing", &server)?;
        SHOP.write_sales(&tenant, &topic)?;
        let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server)?)?;
        let answer = gateway.says(&["/sales: starting", "sink pg:", "it does not exist", "CREATE TABLE"])?;
        let line = answer.text.lines().find(|line| line.contains("CREATE TABLE")).context("there is no statement")?;
        postgres.run(&line[line.find("CREATE TABLE").context("there is no statement")?..])?;
        tenant.wait_for("sales", &topic)?;
        gateway.is_well()?;
        gateway.stop()?;
        check(&postgres, &SHOP.expected_sales()?, (SALES.table, SALES_COLUMNS))?;
    }
    Ok(())
}

#[test]
fn a_column_that_is_changed_under_a_running_gateway_stops_the_rows_until_it_is_back() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres, topic) = sales("in_pg_changed", &server)?;
        postgres.create_tables("sales")?;
        let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server)?)?;
        let (mut writer, mut source) = (SHOP.writer(&tenant, &topic)?, SHOP.sales()?);
        produce(&mut writer, &mut source, SHOP.count, None)?;
        tenant.wait_for("sales", &topic)?;
        let (rows, schema) = (postgres.count("sales")?, &postgres.schema);
        let to = |kind: &str| {
            postgres
                .run(&format!("ALTER TABLE {schema}.sales ALTER COLUMN quantity TYPE {kind} USING quantity::{kind}"))
        };
        to("real")?;
        produce(&mut writer, &mut source, SHOP.count, None)?;
        gateway.says(&["/sales: ", "its column `quantity` is real, but the plugin writes UInt16", "TYPE integer"])?;
        ensure!(postgres.count("sales")? == rows, "rows were written");
        to("integer")?;
        tenant.wait_for("sales", &topic)?;
        gateway.is_well()?;
        gateway.stop()?;
        check(&postgres, &Shop { count: 2 * SHOP.count, ..SHOP }.expected_sales()?, (SALES.table, SALES_COLUMNS))?;
    }
    Ok(())
}

#[test]
fn a_record_whose_row_the_database_cannot_hold_is_a_dead_letter_and_the_others_are_rows() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres, topic) = sales("in_pg_nul", &server)?;
        postgres.create_tables("sales")?;
        let messages = ["web", "we\\u0000b", "shop"].map(message);
        tenant.kafka.send(&topic, 0, &messages)?;
        let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server)?)?;
        tenant.wait_for("sales", &topic)?;
        gateway.is_well()?;
        let rejected = gateway.metric("tidegate_rejects_total", &["stage=\"encode\""])?;
        gateway.stop()?;
        ensure!(rejected == 1.0, "{rejected} rejects");
        let rows =
            postgres.lines(&format!("SELECT channel, _offset FROM {}.sales ORDER BY _offset", postgres.schema))?;
        ensure!(rows == ["web\t0", "shop\t2"], "{rows:?}");
        let letters = tenant.kafka.read(&format!("{topic}.dead"))?;
        let [letter] = letters.as_slice() else { bail!("{letters:?}") };
        ensure!(letter.message.value == messages[1].value, "{letter:?}");
        let header = |name: &str| {
            letter.message.headers.iter().find(|(each, _)| each == name).and_then(|(_, value)| value.clone())
        };
        ensure!(header("tidegate-stage").as_deref() == Some(b"encode"), "{letter:?}");
        let reason = String::from_utf8(header("tidegate-reason").unwrap_or_default())?;
        says(&reason, &["row for route `sale`: column `channel`: its byte 2 is NUL"])?;
    }
    Ok(())
}

#[test]
fn a_wrong_password_is_told_and_not_shown() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let wrong = PostgresServer { password: "wrong-1234".to_owned(), ..server.clone() };
        let direct = Direct::new("password", &server)?.through(&wrong)?;
        let Err(SinkFault::Refused(told)) = direct.open("t", &[("a", "Int32")]) else { bail!("it opens") };
        says(&told, &["connect to database", "password authentication failed", "SQLSTATE 28P01"])?;
        ensure!(!told.contains("wrong-1234"), "{told}");
    }
    Ok(())
}

#[test]
fn a_write_that_takes_too_long_is_given_up_and_ended_at_the_server() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::with("slow", &server, "timeout = \"1 s\"")?;
        let table = direct.create("t", &[("a", "Int32")])?;
        let holder = Direct::new("slow_holder", &server)?;
        let schema = &direct.postgres.schema;
        holder.postgres.run(&format!("BEGIN; LOCK TABLE {schema}.t IN ACCESS EXCLUSIVE MODE"))?;
        let started = Instant::now();
        let fault = direct.write(&*table, &[vec![1, 0, 0, 0]]);
        let Err(SinkFault::Unavailable(told)) = &fault else { bail!("{fault:?}") };
        says(told, &["copy 1 rows into table"])?;
        ensure!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
        eventually("the server has ended it", || {
            let waiting =
                format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{schema}.t'::regclass");
            ensure!(holder.postgres.value(&waiting)? == "0", "it waits for the lock");
            Ok(())
        })?;
        holder.postgres.run("COMMIT")?;
        direct.write(&*table, &[vec![2, 0, 0, 0]])?;
        ensure!(
            direct.postgres.column(&format!("SELECT a FROM {schema}.t"))? == [Some("2".to_owned())],
            "both were written"
        );
    }
    Ok(())
}

fn sales(test: &str, server: &PostgresServer) -> anyhow::Result<(Tenant, Postgres, String)> {
    let (tenant, postgres) = place(test, server)?;
    let topic = tenant.create_topic("sales", SHOP.partitions)?;
    install(&tenant, &postgres, ("sales", &topic))?;
    Ok((tenant, postgres, topic))
}

fn message(channel: &str) -> Message {
    let value = format!(
        "{{\"event_id\":\"0192f0c1-7a3b-7c11-9d2e-000000000001\",\"event_time\":\"2026-11-20T10:15:00.123Z\",\
         \"product_id\":7,\"quantity\":2,\"price\":1.50,\"channel\":\"{channel}\"}}"
    );
    Message { value: Some(value.into_bytes()), timestamp: 1_795_000_000_000, ..Message::default() }
}
