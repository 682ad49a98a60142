//! Mistakes in files: a pipeline's own cost only that pipeline, the gateway's are told before anything starts.

use anyhow::ensure;
use tidegate_tests::harness::Gateway;

use super::shops::Shops;

/// `EX_USAGE` of sysexits.h.
const BAD_CONFIGURATION: i32 = 64;

#[test]
fn a_pipeline_file_with_an_unknown_key_is_refused_and_the_others_run() -> anyhow::Result<()> {
    let shops = Shops::new("key")?;
    let mut pipeline = shops.sales_file()?;
    let line = pipeline.text.lines().position(|line| line.starts_with("topics")).unwrap_or_default() + 1;
    pipeline.text.insert_str(0, "delivry = \"at-least-once\"\n");
    pipeline.section("[batch]\nlingr = \"1 s\"");
    let last = pipeline.text.lines().count();
    shops.tenant.install(&pipeline)?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    ensure!(line > 1, "the shipped file begins with a comment");
    gateway.says(&[
        "/sales: refused",
        "sales.toml:1: `delivry`: is not a known key; the nearest known one is `delivery`",
        &format!("sales.toml:{last}: `batch.lingr`: is not a known key; the nearest known one is `linger`"),
    ])?;
    shops.stock_goes_on()?;
    let answer = gateway.says(&["/warehouse: running"])?;
    ensure!(answer.status == 200, "what another try would not change is no reason to restart: {}", answer.status);
    gateway.stop()
}

#[test]
fn two_files_that_claim_one_name_are_both_refused_and_the_others_run() -> anyhow::Result<()> {
    let shops = Shops::new("claim")?;
    let pipeline = shops.sales_file()?;
    shops.tenant.install(&pipeline)?;
    let plugins = shops.tenant.folder().join("plugins");
    std::fs::create_dir(plugins.join("default"))?;
    for file in ["twice.toml", "default/twice.toml"] {
        std::fs::write(plugins.join(file), &pipeline.text)?;
    }
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    gateway.says(&[
        "default/twice: refused",
        "plugins/default/twice.toml` and `",
        "plugins/twice.toml` claim the name default/twice",
    ])?;
    shops.stock_goes_on()?;
    gateway.stop()
}

/// A lookup file, and what is to be said of it. None where there is no file.
type LookupFile = (&'static str, Option<&'static [u8]>, &'static str);

const LOOKUP_FILES: [LookupFile; 8] = [
    ("missing", None, "missing.csv`: No such file or directory"),
    ("empty", Some(b""), "empty.csv` is empty; expected a first row that names the columns, `product_id` among them"),
    (
        "no_header",
        Some(b"17,Samovar,kitchen\n"),
        "has no column `product_id` to look up by; its first row names the columns 17, Samovar, kitchen",
    ),
    (
        "no_key",
        Some(b"id,name,category\n17,Samovar,kitchen\n"),
        "has no column `product_id` to look up by; its first row names the columns id, name, category",
    ),
    ("column_twice", Some(b"product_id,name,name\n17,a,b\n"), "column_twice.csv` has two columns `name`"),
    (
        "key_twice",
        Some(b"product_id,name,category\n17,a,b\n17,c,d\n"),
        "has two rows with the key `17`; the second is on line 3",
    ),
    (
        "ragged",
        Some(b"product_id,name,category\n17,Samovar\n"),
        "(line: 2, byte: 25): found record with 2 fields, but the previous record has 3 fields",
    ),
    (
        "not_utf8",
        Some(b"product_id,name,category\n17,Th\xe9,b\n"),
        "(line 2, field: 1, byte: 25): invalid utf-8: invalid UTF-8 in field 1 near byte index 2",
    ),
];

#[test]
fn a_lookup_file_with_a_fault_refuses_its_pipeline_and_the_others_run() -> anyhow::Result<()> {
    let shops = Shops::new("lookup")?;
    let folder = shops.tenant.folder().join("plugins").join(&shops.tenant.name);
    for (name, content, _) in LOOKUP_FILES {
        let mut pipeline = shops.sales_file()?;
        pipeline.name = name.to_owned();
        shops.tenant.install(&pipeline)?;
        pipeline.replace("products.csv", &format!("{name}.csv"))?;
        std::fs::write(folder.join(format!("{name}.toml")), &pipeline.text)?;
        if let Some(content) = content {
            std::fs::write(folder.join(format!("{name}.csv")), content)?;
        }
    }
    shops.write_sales()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    for (name, _, problem) in LOOKUP_FILES {
        let page = gateway.says(&[&format!("{}/{name}: refused", shops.tenant.name)])?.text;
        let told = page.lines().skip_while(|line| !line.ends_with(&format!("/{name}: refused"))).nth(1);
        ensure!(told.is_some_and(|told| told.contains(problem)), "{name}: {told:?} does not say `{problem}`");
    }
    shops.sales_arrive()?;
    shops.stock_goes_on()?;
    gateway.stop()
}

#[test]
fn a_gateway_file_with_faults_is_refused_with_all_of_them() -> anyhow::Result<()> {
    let shops = Shops::new("gateway_key")?;
    let mut file = shops.gateway_file();
    file.top = "wrokers = 2\ndrain = \"2 days\"".to_owned();
    let end = Gateway::run_to_its_end(&shops.tenant, &file)?;
    ensure!(end.code == Some(BAD_CONFIGURATION), "it ended with {:?}", end.code);
    let log = end.log.join("\n");
    for part in [
        "gateway.toml:2: `wrokers`: is not a known key; the nearest known one is `workers`",
        "gateway.toml:3: `drain`: is \"2 days\"; expected a number and a unit",
    ] {
        ensure!(log.contains(part), "`{part}` is not in:\n{log}");
    }
    Ok(())
}

#[test]
fn a_lookup_file_that_is_broken_changes_nothing_and_a_whole_one_takes_over() -> anyhow::Result<()> {
    let shops = Shops::new("lookup")?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    gateway.is_well()?;
    let file = shops.tenant.plugin("sales").with_file_name("products.csv");
    let products = std::fs::read_to_string(&file)?;
    // Without a key, as an editor that saves in two steps would leave it: then whole.
    std::fs::write(&file, products.replace("product_id", "number"))?;
    gateway.says(&["/sales: running\n  files: ", "has no column `product_id`"])?;
    std::fs::write(&file, &products)?;
    gateway.is_well()?;
    shops.write_sales()?;
    shops.sales_arrive()?;
    gateway.stop()
}
