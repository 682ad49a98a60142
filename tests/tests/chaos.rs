//! `make chaos` as it runs with every change: half a million records, every kind of fault, every stop point. It starts services of its
//! own, since it kills them.

use std::path::Path;

use anyhow::ensure;
use tidegate_tests::chaos::{Settings, run};

#[test]
fn nothing_is_lost_or_doubled_whatever_breaks() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/chaos");
    let settings = Settings::usual(folder.clone());
    let (summary, account, unhit) = run(settings)?;
    summary.tell(&folder.join("summary.json"))?;
    ensure!(account.is_clean(), "records are not where they should be, once each; see {}", folder.display());
    ensure!(unhit.is_empty(), "no gateway died both alone and under load at {}", unhit.join(", "));
    Ok(())
}
