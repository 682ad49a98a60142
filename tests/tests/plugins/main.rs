//! Plugins as they should not be, and the gateway that has to live with them: nothing that a plugin's file, its code or
//! its answers hold may harm more than the range or the record that it concerns.
//!
//! Needs the files that `make plugins test-guests` builds, and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod answers;
mod compiling;
mod files;
mod generated;
mod handmade;
mod kept;
mod limits;
mod state;
mod values;
mod versions;
mod world;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use tidegate::config::Limits;
use tidegate::pipeline::Transformed;
use tidegate::plugin::{Engine, EngineSettings, InstanceSettings, LoadFault, Plugin, PluginFile, WasmPlugin};
use tidegate::rows::Decoder;
use tidegate_tests::cases;
use tidegate_tests::harness::binary;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    // The tests' own program is not the gateway's: it cannot take over as the compiler.
    let compiler = binary().unwrap();
    Engine::new(EngineSettings { compiler, ..EngineSettings::default() }).unwrap()
});

/// Loads a plugin that was built, with settings as JSON.
async fn load(name: &str, instance: InstanceSettings) -> Arc<dyn Plugin> {
    Arc::new(load_file(&cases::built(name).unwrap(), instance).await.unwrap())
}

async fn load_file(path: &Path, instance: InstanceSettings) -> Result<WasmPlugin, LoadFault> {
    ENGINE.load(&PluginFile::read(path)?, instance).await
}

/// The usual limits, but for one.
fn limited(change: impl FnOnce(&mut Limits)) -> InstanceSettings {
    let mut instance = cases::instance();
    change(&mut instance.limits);
    instance
}

async fn unruly() -> Arc<dyn Plugin> {
    load("unruly", cases::instance()).await
}

/// What the plugin `sales` needs: its products.
fn with_products() -> InstanceSettings {
    let products = cases::built("sales").unwrap().with_file_name("products.csv");
    InstanceSettings { lookups: Arc::new(cases::lookups([("products", products)]).unwrap()), ..cases::instance() }
}

/// The first column of every row of the first route.
fn texts(plugin: &dyn Plugin, transformed: &Transformed) -> Vec<String> {
    let column = &plugin.description().routes[0].columns[0];
    let mut texts = Vec::new();
    for chunk in &transformed.routes[0].chunks {
        let starts = std::iter::once(0).chain(chunk.ends.iter().copied());
        for start in starts.take(chunk.ends.len()) {
            let value = Decoder::new(&chunk.bytes[start as usize..]).value(column).unwrap();
            texts.push(value.to_string());
        }
    }
    texts
}

/// Index and reason of every reject.
fn rejects(transformed: &Transformed) -> Vec<(usize, &str)> {
    transformed.rejects.iter().map(|reject| (reject.record, reject.reason.as_str())).collect()
}
