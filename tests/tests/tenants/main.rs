//! Tenants that do not trust each other in one gateway: what one asks for beyond its grant, lets hang, or holds in memory is told,
//! and is nothing to the other. `make test` starts the services.

mod confined;
mod grants;
mod memory;
mod neighbours;
mod turns;

use std::path::PathBuf;

use anyhow::Context;
use tidegate_tests::harness::{GatewayFile, PipelineFile, Shop, Tenant, eventually};

const SHOP: Shop = Shop { count: 5_000, partitions: 2, malformed: 0.02 };

/// The test's own tenant, and a second one in the same gateway.
struct Pair {
    own: Tenant,
    /// The name of the second.
    other: String,
}

impl Pair {
    fn new(test: &str) -> anyhow::Result<Self> {
        let own = Tenant::new(test)?;
        let other = format!("{}_other", own.name);
        let pair = Self { own, other };
        std::fs::create_dir_all(pair.folder()).context("make the other tenant's folder")?;
        Ok(pair)
    }

    /// The second tenant's folder.
    fn folder(&self) -> PathBuf {
        self.own.folder().join("plugins").join(&self.other)
    }

    /// Puts a pipeline into the second tenant's folder.
    fn install_other(&self, file: &PipelineFile) -> anyhow::Result<()> {
        self.own.install(file)?;
        let own = self.own.plugin(&file.name);
        for name in [format!("{}.wasm", file.name), format!("{}.toml", file.name)] {
            std::fs::rename(own.with_file_name(&name), self.folder().join(&name))?;
        }
        for lookup in file.lookup_files() {
            std::fs::copy(own.with_file_name(lookup), self.folder().join(lookup))?;
        }
        Ok(())
    }

    /// Waits until the second tenant's pipeline has committed all records of a topic.
    fn wait_for_other(&self, pipeline: &str, topic: &str) -> anyhow::Result<()> {
        let group = self.own.kafka.group(&format!("tidegate.{}.{pipeline}", self.other), topic)?;
        eventually("all records of the other tenant are committed", || group.has_caught_up())
    }

    /// The gateway's file, in which each tenant is granted what is its own, and `more` to each.
    fn gateway_file(&self, own: &str, other: &str) -> GatewayFile {
        let mut file = self.own.gateway_file();
        file.add_clickhouse("other", &self.own.services);
        let name = &self.own.name;
        for (tenant, more) in [(name, own), (&self.other, other)] {
            file.sinks.push_str(&format!(
                "[tenants.{tenant}]\nread = [\"{name}.*\"]\ndead_letters = [\"{name}.*\"]\n\
                 tables = [\"dwh:{name}.*\", \"other:{name}.*\"]\n{more}\n"
            ));
        }
        file
    }
}
