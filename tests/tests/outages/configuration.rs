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
fn a_lookup_file_that_changes_is_told_and_the_plugin_goes_on_with_what_was_read() -> anyhow::Result<()> {
    let shops = Shops::new("lookup")?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    gateway.is_well()?;
    let file = shops.tenant.plugin("sales").with_file_name("products.csv");
    let products = std::fs::read_to_string(&file)?;
    // Without a key, as an editor that saves in two steps would leave it: then whole, with another name for every product.
    std::fs::write(&file, products.replace("product_id", "number"))?;
    gateway.says(&[
        "/sales: running\n  lookups: lookup file `",
        "has no column `product_id`",
        "would refuse the pipeline",
    ])?;
    std::fs::write(&file, products.replace(",tea", ",stew"))?;
    gateway.says(&["products.csv` has changed; the plugin goes on with what was read at the start"])?;
    shops.write_sales()?;
    shops.sales_arrive()?;
    gateway.stop()?;
    let gateway = Gateway::start(&shops.tenant, &shops.gateway_file())?;
    gateway.is_well()?;
    gateway.stop()
}
