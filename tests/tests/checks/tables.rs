//! Live tables: what does not fit comes with the statement that makes it fit, and columns that are not written are told.

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Gateway, GatewayFile, PipelineFile, Postgres, PostgresServer, Tenant};

use super::Checked;

/// Enough for exactly once with few inserts.
const WINDOW: &str = "SETTINGS non_replicated_deduplication_window = 10000";

/// A tenant whose pipelines are `sales` and, into the table `lines`, the plugin `unruly`.
fn tenant(name: &str) -> anyhow::Result<Tenant> {
    let tenant = Tenant::new(name)?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let text = format!(
        "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n[routes]\nline = \"dwh:{}.lines\"\n",
        tenant.name
    );
    tenant.install(&PipelineFile { name: "unruly".to_owned(), plugin: "unruly", text })?;
    Ok(tenant)
}

#[test]
fn the_statements_that_are_told_mend_every_table_of_clickhouse() -> anyhow::Result<()> {
    let tenant = tenant("mend")?;
    let (file, lines) = (tenant.gateway_file(), format!("{}.lines", tenant.name));
    // Neither table is there; the statements make both.
    mended(&tenant, &file, 2, |statement| tenant.clickhouse.run(statement).map(|_| ()))?;
    for (wrong, statements) in [
        ("(text Int32, _offset Int64, _ordinal UInt32)", 1),
        ("(text String)", 2),
        ("(text String MATERIALIZED 'x', _offset Int64, _ordinal UInt32)", 1),
        ("(other String, text String ALIAS other, _offset UInt64, _ordinal UInt32)", 2),
    ] {
        tenant.clickhouse.run(&format!("DROP TABLE {lines}"))?;
        tenant.clickhouse.run(&format!("CREATE TABLE {lines} {wrong} ENGINE = MergeTree ORDER BY tuple() {WINDOW}"))?;
        mended(&tenant, &file, statements, |statement| tenant.clickhouse.run(statement).map(|_| ()))
            .with_context(|| wrong.to_owned())?;
    }
    // One that fits, but forgets inserts too early.
    tenant.clickhouse.run(&format!("ALTER TABLE {lines} MODIFY SETTING non_replicated_deduplication_window = 99"))?;
    mended(&tenant, &file, 1, |statement| tenant.clickhouse.run(statement).map(|_| ()))?;
    // What the check found right, the gateway takes: rows go where the statements made room for them.
    let message = tidegate_tests::harness::Message {
        key: None,
        value: Some(b"ok 3".to_vec()),
        headers: Vec::new(),
        timestamp: 1_795_000_000_000,
    };
    let topic = format!("{}.sales", tenant.name);
    tenant.kafka.send(&topic, 0, &[message])?;
    let gateway = Gateway::start(&tenant, &file)?;
    tenant.wait_for("unruly", &topic)?;
    gateway.is_well()?;
    gateway.stop()?;
    ensure!(tenant.count("lines")? == 3, "{} rows", tenant.count("lines")?);
    Ok(())
}

#[test]
fn the_statements_that_are_told_mend_every_table_of_postgresql() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let tenant = tenant("mend_pg")?;
        let postgres = Postgres::new(&tenant.http, &server, "mend")?;
        let mut file = tenant.gateway_file();
        file.sinks.push_str(&server.sink("pg", &tenant.folder())?);
        for name in ["sales", "unruly"] {
            let path = tenant.plugin(name).with_extension("toml");
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(&path, text.replace(&format!("dwh:{}.", tenant.name), &format!("pg:{}.", postgres.schema)))?;
        }
        let lines = format!("{}.lines", postgres.schema);
        mended(&tenant, &file, 2, |statement| postgres.run(statement))?;
        for (wrong, statements) in [
            ("(text integer, _offset bigint, _ordinal bigint)", 1),
            ("(text text NOT NULL, needed integer NOT NULL)", 3),
        ] {
            postgres.run(&format!("DROP TABLE {lines}"))?;
            postgres.run(&format!("CREATE TABLE {lines} {wrong}"))?;
            mended(&tenant, &file, statements, |statement| postgres.run(statement))
                .with_context(|| wrong.to_owned())?;
        }
        postgres
            .run(&format!("ALTER TABLE {lines} ADD COLUMN note text, ADD COLUMN made timestamptz DEFAULT now()"))?;
        Checked::of(&tenant, &file, &[])?
            .says(0, &["`note` is not written: it is NULL", "`made` is not written: it gets its default"])?;
    }
    Ok(())
}

/// Checks, runs the statements that are told, of which there must be this many, and checks that nothing is wrong any more.
fn mended(
    tenant: &Tenant,
    file: &GatewayFile,
    statements: usize,
    run: impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let told = Checked::statements(tenant, file)?;
    ensure!(told.len() == statements, "{told:?}");
    for statement in &told {
        run(statement)?;
    }
    Checked::of(tenant, file, &[])?.says(0, &["2 pipelines: 2 ok, 0 with faults; 0 faults"])
}

#[test]
fn columns_that_the_plugin_does_not_write_are_told_with_what_they_hold() -> anyhow::Result<()> {
    let tenant = tenant("extra")?;
    tenant.create_tables("sales")?;
    tenant.clickhouse.run(&format!(
        "CREATE TABLE {}.lines (text LowCardinality(String), _offset Int64, _ordinal UInt32, note String, \
         at DateTime DEFAULT now(), length UInt64 MATERIALIZED length(text), loud String ALIAS upper(text), \
         raw String EPHEMERAL) ENGINE = MergeTree ORDER BY tuple() {WINDOW}",
        tenant.name
    ))?;
    Checked::of(&tenant, &tenant.gateway_file(), &[])?.says(
        0,
        &[
            "`note` is not written: it gets what String holds by default",
            "`at` is not written: it gets its default now()",
            "`length` is not written: it is MATERIALIZED length(text)",
            "`loud` is not written: it is ALIAS upper(text)",
            "`raw` is not written: it is EPHEMERAL and never stored",
        ],
    )
}

#[test]
fn views_and_buffers_are_no_tables_to_write_into() -> anyhow::Result<()> {
    let tenant = tenant("view")?;
    tenant.create_tables("sales")?;
    let name = &tenant.name;
    tenant.clickhouse.run(&format!(
        "CREATE VIEW {name}.lines AS SELECT '' AS text, toInt64(1) AS _offset, toUInt32(1) AS _ordinal"
    ))?;
    Checked::of(&tenant, &tenant.gateway_file(), &[])?.says(1, &["lines\": it is a View, which takes no rows"])?;
    tenant.clickhouse.run(&format!("DROP TABLE {name}.lines"))?;
    tenant.clickhouse.run(&format!(
        "CREATE TABLE {name}.kept (text String, _offset Int64, _ordinal UInt32) ENGINE = MergeTree ORDER BY tuple()"
    ))?;
    tenant.clickhouse.run(&format!(
        "CREATE TABLE {name}.lines AS {name}.kept ENGINE = Buffer({name}, kept, 1, 10, 100, 10, 100, 1000, 10000)"
    ))?;
    Checked::of(&tenant, &tenant.gateway_file(), &[])?
        .says(1, &["it is a Buffer, which forgets its rows in a crash; name the table behind it"])
}
