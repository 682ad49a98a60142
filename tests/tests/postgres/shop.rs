//! The shipped plugins with their tables for PostgreSQL: every record of the shop becomes what it should.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{
    CORRECTIONS, Duplicates, Expected, Gateway, GatewayFile, MOVEMENTS, Postgres, PostgresServer, SALES, Shop, Tenant,
    check_letters, compare,
};

const SHOP: Shop = Shop { count: 100_000, partitions: 4, malformed: 0.02 };

/// What is compared of each table, in the order of the expected lines.
pub const SALES_COLUMNS: &str = "event_id, (extract(epoch FROM event_time) * 1000)::bigint, product_id, product, category, quantity, \
                             (price * 10000)::bigint, (amount * 10000)::bigint, currency, channel, customer_id, _partition, \
                             _offset";
const MOVEMENTS_COLUMNS: &str = "movement_id, (extract(epoch FROM event_time) * 1000)::bigint, product_id, warehouse, kind, \
                                 quantity, (unit_cost * 10000)::bigint, _partition, _offset, _ordinal";
const CORRECTIONS_COLUMNS: &str = "(extract(epoch FROM event_time) * 1000)::bigint, product_id, warehouse, quantity, reason, \
                                   _partition, _offset";

#[test]
fn every_sale_becomes_its_row_and_every_malformed_one_a_dead_letter() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres) = place("in_pg_sales", &server)?;
        let topic = tenant.create_topic("sales", SHOP.partitions)?;
        postgres.create_tables("sales")?;
        install(&tenant, &postgres, ("sales", &topic))?;
        SHOP.write_sales(&tenant, &topic)?;
        run(&tenant, &postgres, ("sales", &topic))?;
        let expected = SHOP.expected_sales()?;
        check(&postgres, &expected, (SALES.table, SALES_COLUMNS))?;
        check_letters(&tenant, "sales", &topic, &expected.letters, Duplicates::Forbidden)?;
    }
    Ok(())
}

#[test]
fn every_movement_becomes_its_rows_and_every_correction_goes_to_its_own_table() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres) = place("in_pg_stock", &server)?;
        let topic = tenant.create_topic("stock", SHOP.partitions)?;
        postgres.create_tables("warehouse")?;
        install(&tenant, &postgres, ("warehouse", &topic))?;
        SHOP.write_stock(&tenant, &topic)?;
        run(&tenant, &postgres, ("warehouse", &topic))?;
        let expected = SHOP.expected_stock()?;
        check(&postgres, &expected, (MOVEMENTS.table, MOVEMENTS_COLUMNS))?;
        check(&postgres, &expected, (CORRECTIONS.table, CORRECTIONS_COLUMNS))?;
        check_letters(&tenant, "warehouse", &topic, &expected.letters, Duplicates::Forbidden)?;
    }
    Ok(())
}

/// A tenant, and a schema for its tables.
pub fn place(test: &str, server: &PostgresServer) -> anyhow::Result<(Tenant, Postgres)> {
    let tenant = Tenant::new(test)?;
    let postgres = Postgres::new(&tenant.http, server, test)?;
    Ok((tenant, postgres))
}

/// Installs a shipped pipeline whose routes go through the sink `pg`.
pub fn install(tenant: &Tenant, postgres: &Postgres, (plugin, topic): (&'static str, &str)) -> anyhow::Result<()> {
    let mut file = tenant.pipeline(plugin, topic)?;
    file.replace(&format!("dwh:{}.", tenant.name), &format!("pg:{}.", postgres.schema))?;
    tenant.install(&file)
}

/// The gateway's file with the sink `pg` on `server`.
pub fn gateway_file(tenant: &Tenant, server: &PostgresServer) -> anyhow::Result<GatewayFile> {
    let mut file = tenant.gateway_file();
    file.sinks.push_str(&server.sink("pg", &tenant.folder())?);
    Ok(file)
}

fn run(tenant: &Tenant, postgres: &Postgres, (pipeline, topic): (&str, &str)) -> anyhow::Result<()> {
    let gateway = Gateway::start(tenant, &gateway_file(tenant, &postgres.server)?)?;
    tenant.wait_for(pipeline, topic)?;
    gateway.is_well()?;
    gateway.stop()
}

/// Compares a table's rows with those expected in it.
pub fn check(postgres: &Postgres, expected: &Expected, (table, columns): (&str, &str)) -> anyhow::Result<()> {
    let found = postgres.lines(&format!("SELECT {columns} FROM {}.{table}", postgres.schema))?;
    let rows = expected.rows.get(table).context("no rows are expected")?;
    ensure!(rows.len() > 500, "{} rows prove little", rows.len());
    compare(rows, found, Duplicates::Forbidden)
}
