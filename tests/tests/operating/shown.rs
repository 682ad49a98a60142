//! What `tidegate plan show` says.

use anyhow::ensure;

use super::stand::{RANGE, Stand};

#[test]
fn what_can_be_shown_is_shown_and_the_rest_is_named() -> anyhow::Result<()> {
    let stand = Stand::new("shown", 2)?;
    let name = &stand.tenant.name;
    stand.plan(&["show"])?.says(0, &["the group has no offset in 2 of 2 partitions", "nothing is planned\n"])?;
    stand.write(0, 0..2 * RANGE)?;
    stand.die_planned()?;
    stand
        .plan(&["show"])?
        .says(0, &[&format!("{name}/sales  {}  offset 0  lineage ", stand.partition(0)), "0 to before 4, planned "])?;
    // A file that cannot be read, and one of a topic that is not there.
    let mut broken = stand.pipeline()?;
    broken.name = "broken".to_owned();
    broken.text = "topics = 7".to_owned();
    stand.tenant.install(&broken)?;
    let mut nowhere = stand.tenant.pipeline("sales", "nowhere")?;
    nowhere.name = "nowhere".to_owned();
    stand.tenant.install(&nowhere)?;
    let shown = stand.plan(&["show"])?;
    shown.says(
        1,
        &[
            "0 to before 4, planned ",
            &format!("cannot be shown: pipeline {name}/broken: "),
            "`topics`",
            &format!("cannot be shown: pipeline {name}/nowhere: topic `nowhere` does not exist"),
        ],
    )?;
    let json = stand.plan(&["show", "--format", "json"])?;
    let json: serde_json::Value = serde_json::from_str(&json.out)?;
    ensure!(
        json["partitions"][0]["planned"][0]["next"] == RANGE && json["faults"].as_array().map(Vec::len) == Some(2),
        "{json}"
    );
    // One alone is not held up by the others.
    stand.plan(&["show", &format!("{name}/sales")])?.says(0, &["0 to before 4, planned "])?;
    std::fs::remove_file(stand.folder().join("broken.toml"))?;
    std::fs::remove_file(stand.folder().join("nowhere.toml"))?;
    let gateway = stand.start()?;
    stand.commits_are(&[2 * RANGE, 0])?;
    gateway.stop()?;
    stand.plan(&["show"])?.says(0, &["  nothing is planned\n", "\nnothing is planned\n"])
}
