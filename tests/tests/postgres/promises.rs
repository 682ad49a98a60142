//! A pipeline that promises less from now on: what was planned before is still there once.

use anyhow::ensure;
use tidegate_tests::harness::{End, Gateway, PostgresServer, SALES, Shop};

use super::shop::{SALES_COLUMNS, check, gateway_file, install, place};

const FEW: Shop = Shop { count: 2_000, partitions: 1, malformed: 0.0 };

#[test]
fn what_was_written_exactly_once_is_not_written_again_at_least_once() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let (tenant, postgres) = place("less", &server)?;
        let topic = tenant.create_topic("sales", FEW.partitions)?;
        postgres.create_tables("sales")?;
        install(&tenant, &postgres, ("sales", &topic))?;
        FEW.write_sales(&tenant, &topic)?;
        let mut file = gateway_file(&tenant, &server)?;
        file.environment.push(("FAILPOINTS", "after-write=return".to_owned()));
        let End { code, log } = Gateway::run_to_its_end(&tenant, &file)?;
        ensure!(code.is_none(), "it ended with {code:?}: {log:#?}");
        ensure!(postgres.count("sales")? > 0, "nothing was written before it died");
        let place = tenant.folder().join("plugins").join(&tenant.name).join("sales.toml");
        let text = std::fs::read_to_string(&place)?;
        std::fs::write(&place, format!("delivery = \"at-least-once\"\n{text}"))?;
        let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server)?)?;
        tenant.wait_for("sales", &topic)?;
        gateway.is_well()?;
        gateway.stop()?;
        check(&postgres, &FEW.expected_sales()?, (SALES.table, SALES_COLUMNS))?;
    }
    Ok(())
}
