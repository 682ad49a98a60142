//! What a pipeline file asks for beyond what its tenant is granted.

use anyhow::ensure;
use tidegate_tests::harness::{Gateway, PipelineFile};

use super::{Pair, SHOP};

/// One pipeline of each tenant; the second asks for what it is not granted.
fn pair(test: &str) -> anyhow::Result<(Pair, String)> {
    let pair = Pair::new(test)?;
    let topic = pair.own.create_topic("sales", SHOP.partitions)?;
    pair.own.create_tables("sales")?;
    let mut asks = pair.own.pipeline("sales", &topic)?;
    asks.section("[limits]\nmemory = \"128 MiB\"");
    pair.install_other(&asks)?;
    pair.own.install(&pair.own.pipeline("sales", &topic)?)?;
    Ok((pair, topic))
}

/// The gateway's file in which the second tenant is granted other things than it asks for.
fn file(pair: &Pair) -> tidegate_tests::harness::GatewayFile {
    let mut file = pair.own.gateway_file();
    let (name, other) = (&pair.own.name, &pair.other);
    file.sinks.push_str(&format!(
        "[tenants.{name}]\nread = [\"{name}.sales\"]\ndead_letters = [\"{name}.sales.dead\"]\ntables = [\"dwh:{name}.*\"]\n\
         [tenants.{other}]\nread = [\"{other}.*\", \"free\"]\ntables = [\"dwh:{other}.*\"]\n\
         [tenants.{other}.limits]\nmemory = \"64 MiB\"\n"
    ));
    file
}

#[test]
fn what_is_not_granted_is_refused_with_what_is_and_the_neighbour_runs() -> anyhow::Result<()> {
    let (pair, topic) = pair("grants")?;
    let (name, other) = (&pair.own.name, &pair.other);
    SHOP.write_sales(&pair.own, &topic)?;
    let gateway = Gateway::start(&pair.own, &file(&pair))?;
    gateway.says(&[
        &format!("{name}/sales: running"),
        &format!("{other}/sales: refused"),
        &format!("{other}/sales.toml:"),
        &format!(
            "`topics`: names the topic \"{topic}\", which tenant `{other}` may not read; \
             [tenants.{other}] of the gateway's file grants \"{other}.*\", \"free\""
        ),
        &format!(
            "`dead_letter`: names the topic \"{topic}.dead\", which tenant `{other}` may not write dead letters to"
        ),
        "of the gateway's file grants none",
        &format!("`routes.sale`: names the table \"dwh:{name}.sales\", which tenant `{other}` may not write to"),
        "`limits.memory`: is \"128 MiB\"",
        "at most \"64 MiB\"",
    ])?;
    pair.own.wait_for("sales", &topic)?;
    let committed = pair.own.kafka.group(&format!("tidegate.{other}.sales"), &topic)?.committed()?;
    ensure!(committed.iter().all(Option::is_none), "the refused one has committed {committed:?}");
    gateway.stop()
}

#[test]
fn a_check_tells_the_same_with_file_and_line() -> anyhow::Result<()> {
    let (pair, topic) = pair("granted")?;
    let output = Gateway::command(&pair.own, &file(&pair), &["check", "--offline"])?;
    let (text, other) = (String::from_utf8(output.stdout)?, &pair.other);
    let line = pair.own.pipeline("sales", &topic)?.text.lines().position(|line| line.starts_with("topics"));
    let place = format!("plugins/{other}/sales.toml:{}: `topics`: names the topic", line.unwrap_or_default() + 1);
    for part in
        [place.as_str(), "`dead_letter`: names", "`routes.sale`: names", "2 pipelines: 1 ok, 1 with faults; 4 faults"]
    {
        ensure!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    ensure!(output.status.code() == Some(1), "it ended with {:?}", output.status);
    Ok(())
}

#[test]
fn a_tenant_without_a_grant_gets_nothing_and_one_pipeline_too_many_does_not_run() -> anyhow::Result<()> {
    let (pair, topic) = pair("nothing")?;
    let second = PipelineFile { name: "second".to_owned(), ..pair.own.pipeline("sales", &topic)? };
    pair.own.install(&second)?;
    let (name, other) = (&pair.own.name, &pair.other);
    let mut file = pair.own.gateway_file();
    file.sinks.push_str(&format!(
        "[tenants.{name}]\nread = [\"*\"]\ndead_letters = [\"*\"]\ntables = [\"*:*\"]\npipelines = 1\n"
    ));
    let gateway = Gateway::start(&pair.own, &file)?;
    gateway.says(&[
        &format!("{name}/sales: running"),
        &format!("{name}/second: refused"),
        &format!("is one of 2 pipelines of tenant `{name}`; [tenants.{name}] of the gateway's file grants 1"),
        &format!("{other}/sales: refused"),
        &format!("neither [tenants.{other}] nor [tenants.\"*\"] of the gateway's file grants none"),
    ])?;
    gateway.stop()
}
