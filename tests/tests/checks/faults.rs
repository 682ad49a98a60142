//! Mistakes in files.

use anyhow::ensure;
use serde_json::Value;
use tidegate_tests::harness::{Gateway, PipelineFile, Tenant};

use super::Checked;

#[test]
fn all_faults_of_all_files_are_told_at_once_each_with_its_place() -> anyhow::Result<()> {
    let tenant = Tenant::new("faults")?;
    let topic = tenant.create_topic("sales", 1)?;
    let right = tenant.pipeline("sales", &topic)?;
    tenant.create_tables("sales")?;
    tenant.install(&right)?;
    let broken = format!(
        "topics = [\"{topic}\", \"{topic}.gone\"]\ndelivry = \"at-least-once\"\ndead_letter = \"{topic}\"\n\n[routes]\n\
         sail = \"dwh:{name}.sales\"\nsale = \"dwhs:{name}.sales\"\n\n[lookups.products]\nfile = \"nowhere.csv\"\nkey = \"product_id\"\n\
         [lookups.others]\nfile = \"products.csv\"\nkey = \"id\"\n",
        name = tenant.name
    );
    // A file of its own: the lookup file that it names is nowhere.
    tenant.install(&PipelineFile { name: "broken".to_owned(), plugin: "sales", text: right.text.clone() })?;
    std::fs::write(tenant.plugin("broken").with_extension("toml"), broken)?;
    let text = format!("topics = [\"{topic}\"]\non_reject = \"drop\"\n[routes]\nline = \"dwh:x\"\n");
    tenant.install(&PipelineFile { name: "junk".to_owned(), plugin: "sales", text: text.clone() })?;
    std::fs::write(tenant.plugin("junk"), b"no plugin")?;
    let refusing = format!("{text}[settings]\nrefuse = \"not today\"\n");
    tenant.install(&PipelineFile { name: "refusing".to_owned(), plugin: "unruly", text: refusing })?;
    let mut file = tenant.gateway_file();
    file.top = "wrokers = 2".to_owned();
    let checked = Checked::of(&tenant, &file, &[])?;
    let at = |file: &str, line: usize| format!("plugins/{}/{file}.toml:{line}: ", tenant.name);
    checked.says(
        1,
        &[
            "gateway.toml:2: `wrokers`: is not a known key; the nearest known one is `workers`",
            &format!("{}`topics`: names the topic \"{topic}.gone\", which the cluster does not have", at("broken", 1)),
            &format!("{}`delivry`: is not a known key", at("broken", 2)),
            &format!("{}`dead_letter`: is \"{topic}\", which the pipeline reads itself", at("broken", 3)),
            &format!("{}`routes.sail`: the plugin has no such route; it has `sale`", at("broken", 6)),
            &format!("{}`routes.sale`: names the sink \"dwhs\"", at("broken", 7)),
            "; the nearest is \"dwh\"",
            &format!("{}`lookups.products`: read lookup file ", at("broken", 9)),
            "nowhere.csv`: No such file",
            &format!("{}`lookups.others`: lookup file ", at("broken", 12)),
            "has no column `id` to look up by",
            &format!("{}`plugin`: plugin `", at("junk", 1)),
            "junk.wasm` is not WebAssembly",
            "refusing.wasm`: the plugin refuses its settings: not today",
            &format!("{}/sales     ok        plugin sales ", tenant.name),
            "\n4 pipelines: 1 ok, 3 with faults; ",
        ],
    )
}

#[test]
fn machines_get_the_same_as_json() -> anyhow::Result<()> {
    let tenant = Tenant::new("json")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let checked = Checked::of(&tenant, &tenant.gateway_file(), &["--format", "json"])?;
    checked.says(1, &[])?;
    let report: Value = serde_json::from_str(&checked.text)?;
    let [fault] = report["faults"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!(fault["file"], format!("plugins/{}/sales.toml", tenant.name));
    assert_eq!((&fault["line"], &fault["key"]), (&6.into(), &"routes.sale".into()));
    assert_eq!(fault["pipeline"], format!("{}/sales", tenant.name));
    assert!(fault["problem"].as_str().unwrap().contains("it does not exist"), "{fault}");
    assert!(fault["statement"].as_str().unwrap().starts_with("CREATE TABLE "), "{fault}");
    assert_eq!(report["pipelines"][0]["plugin"]["name"], "sales");
    assert_eq!(report["pipelines"][0]["plugin"]["hash"].as_str().unwrap().len(), 64);
    Ok(())
}

#[test]
fn a_gateway_file_that_says_too_little_leaves_the_pipeline_files_to_be_looked_at() -> anyhow::Result<()> {
    let tenant = Tenant::new("little")?;
    let mut pipeline = tenant.pipeline("sales", &tenant.topic("sales"))?;
    pipeline.text.insert_str(0, "delivry = 1\n");
    tenant.install(&pipeline)?;
    std::fs::write(tenant.folder().join("bare.toml"), "[kafka]\n[sinks.dwh]\ntype = \"oracle\"\n")?;
    let checked = Checked::of(&tenant, &tenant.gateway_file(), &["--config", "bare.toml"])?;
    checked.says(
        1,
        &[
            "bare.toml:1: `kafka.bootstrap.servers`: is missing",
            "bare.toml:3: `sinks.dwh.type`: is \"oracle\"; expected \"clickhouse\"",
            "sales.toml:1: `delivry`: is not a known key",
            "plugins and tables were not looked at: the gateway's file must be mended first",
        ],
    )?;
    let checked = Checked::of(&tenant, &tenant.gateway_file(), &["--config", "nowhere.toml"])?;
    checked.says(1, &["nowhere.toml:1: cannot be read: No such file"])
}

#[test]
fn a_plugin_that_spins_is_given_up_and_the_others_are_looked_at() -> anyhow::Result<()> {
    let tenant = Tenant::new("spins")?;
    let text =
        "topics = [\"t\"]\non_reject = \"drop\"\n[routes]\nline = \"dwh:x\"\n[settings]\nspin = true\n".to_owned();
    tenant.install(&PipelineFile { name: "a".to_owned(), plugin: "unruly", text })?;
    tenant.install(&tenant.pipeline("sales", &tenant.topic("sales"))?)?;
    let checked = Checked::of(&tenant, &tenant.gateway_file(), &["--offline"])?;
    let spins = "a.wasm`: the plugin reached a limit: one call takes more than 1 s of CPU time";
    checked.says(1, &[spins, "sales  ok", "2 pipelines: 1 ok, 1 with faults; 1 fault"])
}

#[test]
fn pipelines_that_would_share_a_topic_in_one_group_are_refused_by_the_check_and_by_the_gateway() -> anyhow::Result<()> {
    let tenant = Tenant::new("shared")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.create_tables("sales")?;
    for name in ["one", "other"] {
        let mut pipeline = tenant.pipeline("sales", &topic)?;
        pipeline.name = name.to_owned();
        pipeline.text.insert_str(0, &format!("group = \"tidegate.{}.both\"\n", tenant.name));
        tenant.install(&pipeline)?;
    }
    let told = format!("`group`: is \"tidegate.{name}.both\", in which {name}/other reads topic", name = tenant.name);
    Checked::of(&tenant, &tenant.gateway_file(), &[])?
        .says(1, &[&told, "2 pipelines: 0 ok, 2 with faults; 2 faults"])?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    let answer = gateway.says(&["/one: refused", "/other: refused", &told])?;
    ensure!(answer.status == 200, "{}", answer.status);
    gateway.stop()
}
