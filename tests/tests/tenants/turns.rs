//! Inserts that hang.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, Postgres, PostgresServer, eventually};

use super::{Pair, SHOP};

#[test]
fn inserts_that_hang_in_one_tenants_table_hold_up_no_other_tenant() -> anyhow::Result<()> {
    let server = PostgresServer::parse(&tidegate_tests::harness::Services::postgres()?)?;
    let pair = Pair::new("turns")?;
    let (own, other) =
        (Postgres::new(&pair.own.http, &server, "own")?, Postgres::new(&pair.own.http, &server, "other")?);
    let holder = Postgres::new(&pair.own.http, &server, "holder")?;
    let topic = pair.own.create_topic("sales", SHOP.partitions)?;
    let through = |schema: &str| {
        let mut file = pair.own.pipeline("sales", &topic)?;
        file.replace(&format!("dwh:{}.", pair.own.name), &format!("pg:{schema}."))?;
        anyhow::Ok(file)
    };
    own.create_tables("sales")?;
    other.create_tables("sales")?;
    pair.install_other(&through(&other.schema)?)?;
    pair.own.install(&through(&own.schema)?)?;
    let mut file = pair.own.gateway_file();
    let sink = server.sink("pg", &pair.own.folder())?;
    file.sinks.push_str(&format!("{}\nconcurrency = 1\n\n", sink.trim_end()));
    let gateway = Gateway::start(&pair.own, &file)?;
    gateway.is_well()?;

    holder.run(&format!("BEGIN; LOCK TABLE {}.sales IN ACCESS EXCLUSIVE MODE", own.schema))?;
    SHOP.write_sales(&pair.own, &topic)?;
    eventually("an insert hangs", || {
        let waiting =
            format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{}.sales'::regclass", own.schema);
        ensure!(other.value(&waiting)? != "0", "none waits for the lock");
        Ok(())
    })?;
    // The one turn that there is, is taken. The other tenant has its own.
    pair.wait_for_other("sales", &topic)?;
    ensure!(pair.own.group("sales", &topic)?.has_caught_up().is_err(), "nothing hung");
    holder.run("COMMIT")?;
    pair.own.wait_for("sales", &topic)?;
    ensure!(own.count("sales")? == other.count("sales")?, "the two tables differ");
    gateway.stop()
}
