//! Planned ranges are finished by what they were planned with.

use anyhow::{Context, ensure};

use super::stand::{RANGE, Stand};

#[test]
fn a_planned_range_has_the_lookups_that_it_was_planned_with() -> anyhow::Result<()> {
    let stand = Stand::new("lookups", 1)?;
    stand.write(0, 0..3 * RANGE)?;
    let metadata = stand.die_planned()?;
    let plan = metadata.split(' ').find_map(|word| word.strip_prefix("plan=")).context("nothing is planned")?;
    let planned = RANGE * i64::try_from(plan.split(';').count())?;
    let products = stand.folder().join("products.csv");
    let text = std::fs::read_to_string(&products)?;
    let line = "7,\"Cushion, linen\",home";
    ensure!(text.contains(line), "{text}");
    std::fs::write(&products, text.replace(line, "7,Renamed,home"))?;
    // Another gateway goes on, which has never run the former version.
    std::fs::remove_dir_all(stand.tenant.folder().join("state"))?;
    stand.write(0, 3 * RANGE..6 * RANGE)?;
    let gateway = stand.start()?;
    stand.commits_are(&[6 * RANGE])?;
    stand.rows_are(0, &(0..6 * RANGE).collect::<Vec<_>>())?;
    let table = &stand.tenant.name;
    let named = |name: &str| {
        let question = format!("SELECT count() FROM {table}.sales WHERE product = '{name}'");
        stand.tenant.clickhouse.number(&question)
    };
    let (former, renamed) = (named("Cushion, linen")?, named("Renamed")?);
    ensure!((former, renamed) == (planned, 6 * RANGE - planned), "{former} and {renamed}, of {planned} planned");
    let made = gateway.log().iter().filter(|line| line.to_string().contains("makes a former version again")).count();
    ensure!(made == 1, "it was made {made} times");
    gateway.stop()
}
