//! Files that lie outside of their tenant's folder.

use std::os::unix::fs::symlink;

use tidegate_tests::harness::Gateway;

use super::{Pair, SHOP};

#[test]
fn what_a_pipeline_names_outside_of_its_folder_is_refused_with_where_it_leads() -> anyhow::Result<()> {
    let pair = Pair::new("confined")?;
    let topic = pair.own.create_topic("sales", SHOP.partitions)?;
    pair.own.create_tables("sales")?;
    let file = pair.own.pipeline("sales", &topic)?;
    pair.install_other(&file)?;
    pair.own.install(&file)?;
    let (own, other) = (pair.own.plugin("sales"), pair.folder().join("sales.wasm"));
    let secret = own.with_file_name("products.csv");
    std::fs::remove_file(&other)?;
    symlink(&own, &other)?;
    std::fs::remove_file(pair.folder().join("products.csv"))?;
    symlink(&secret, pair.folder().join("products.csv"))?;
    // A pipeline file that is a link: what is wrong with its text would be shown.
    symlink(own.with_extension("toml"), pair.folder().join("linked.toml"))?;
    let gateway = Gateway::start(&pair.own, &pair.gateway_file("", ""))?;
    gateway.says(&[
        &format!("{}/sales: running", pair.own.name),
        &format!("{}/sales: refused", pair.other),
        &format!(
            "it leads to `{}`, outside of `{}`",
            own.canonicalize()?.display(),
            pair.folder().canonicalize()?.display()
        ),
        &format!("it leads to `{}`, outside of", secret.canonicalize()?.display()),
        &format!("{}/linked: refused", pair.other),
        &format!("it leads to `{}`, outside of", own.with_extension("toml").canonicalize()?.display()),
    ])?;
    gateway.stop()
}

#[test]
fn files_that_are_links_within_their_folder_run_as_kubernetes_mounts_them() -> anyhow::Result<()> {
    let pair = Pair::new("mounted")?;
    let topic = pair.own.create_topic("sales", SHOP.partitions)?;
    pair.own.create_tables("sales")?;
    pair.install_other(&pair.own.pipeline("sales", &topic)?)?;
    let (folder, version) = (pair.folder(), pair.folder().join("..2026_11_25"));
    std::fs::create_dir(&version)?;
    for name in ["sales.toml", "sales.wasm", "products.csv"] {
        std::fs::rename(folder.join(name), version.join(name))?;
        symlink(format!("..data/{name}"), folder.join(name))?;
    }
    symlink("..2026_11_25", folder.join("..data"))?;
    SHOP.write_sales(&pair.own, &topic)?;
    let gateway = Gateway::start(&pair.own, &pair.gateway_file("", ""))?;
    pair.wait_for_other("sales", &topic)?;
    gateway.is_well()?;
    gateway.stop()
}
