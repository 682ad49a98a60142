//! What a database looks at only when it commits, and says no table of: the records to blame are found all the same.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Gateway, PostgresServer, SALES, Shop};

use super::shop::{gateway_file, install, place};

const FEW: Shop = Shop { count: 2_000, partitions: 1, malformed: 0.0 };

/// Refuses every hundredth offset, in the end.
const LOOKS: &str = "CREATE FUNCTION SCHEMA.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     IF NEW._offset % 100 = 7 THEN RAISE EXCEPTION 'no such offset'; END IF; RETURN NEW; END $$; \
                     CREATE CONSTRAINT TRIGGER looks AFTER INSERT ON SCHEMA.sales DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
                     EXECUTE PROCEDURE SCHEMA.look()";

#[test]
fn rows_that_are_refused_when_all_is_committed_become_dead_letters() -> anyhow::Result<()> {
    // Greenplum has no such triggers.
    let server = PostgresServer::all()?.remove(0);
    let (tenant, postgres) = place("at_commit", &server)?;
    let topic = tenant.create_topic("sales", FEW.partitions)?;
    postgres.create_tables("sales")?;
    postgres.run(&LOOKS.replace("SCHEMA", &postgres.schema))?;
    install(&tenant, &postgres, ("sales", &topic))?;
    FEW.write_sales(&tenant, &topic)?;
    let gateway = Gateway::start(&tenant, &gateway_file(&tenant, &server)?)?;
    tenant.wait_for("sales", &topic)?;
    gateway.stop()?;
    let expected = FEW.expected_sales()?;
    let offset = |line: &String| line.rsplit('\t').next().and_then(|offset| offset.parse::<i64>().ok());
    let all = expected.rows.get(SALES.table).context("no rows are expected")?;
    let all: BTreeSet<_> =
        all.iter().map(|line| offset(line).context("a line ends with an offset")).collect::<Result<_, _>>()?;
    let (bad, good): (BTreeSet<i64>, BTreeSet<i64>) = all.into_iter().partition(|offset| offset % 100 == 7);
    ensure!(bad.len() > 5, "{bad:?} prove little");
    let there = postgres.lines(&format!("SELECT _offset FROM {}.sales", postgres.schema))?;
    ensure!(there.len() == good.len(), "{} rows, not {}", there.len(), good.len());
    ensure!(there.iter().filter_map(offset).collect::<BTreeSet<_>>() == good, "other rows are there");
    let mut letters = BTreeSet::new();
    for letter in tenant.kafka.read(&format!("{topic}.dead"))? {
        let told = |name: &str| {
            let header = letter.message.headers.iter().find(|(other, _)| other == name);
            header.and_then(|(_, value)| value.as_deref()).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        if told("tidegate-stage").as_deref() == Some("sink") {
            let reason = told("tidegate-reason").unwrap_or_default();
            ensure!(reason.contains("no such offset"), "{reason}");
            let offset = told("tidegate-offset").context("no offset")?.parse()?;
            ensure!(letters.insert(offset), "two letters of {offset}");
        }
    }
    ensure!(letters == bad, "letters of {letters:?}, not of {bad:?}");
    Ok(())
}
