//! Plugins that were built for earlier versions of the contract keep working, whatever minor version the gateway has. The
//! files are the guest `counter` as it was built when the contract was 1.0.0; they are never built again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate::plugin::Plugin;
use tidegate_tests::cases;

use crate::{load_file, rejects, texts};

fn kept(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/contract-1.0.0").join(file)
}

#[tokio::test]
async fn a_module_and_a_component_of_the_first_version_count_as_they_did() {
    for file in ["module.wasm", "component.wasm"] {
        let bytes = std::fs::read(kept(file)).unwrap();
        let version = b"tidegate:plugin/transformer@1.0.0";
        assert!(bytes.windows(version.len()).any(|window| window == version), "{file} is not of the first version");
        let plugin: Arc<dyn Plugin> = Arc::new(load_file(&kept(file), cases::instance()).await.unwrap());
        let records = cases::records(7, ["a", "refuse", "b"]);
        let transformed = cases::transform(plugin.clone(), records).await.unwrap();
        assert_eq!(texts(&*plugin, &transformed), ["3"], "{file}");
        assert_eq!(rejects(&transformed), [(1, "refused, but counted")], "{file}");
    }
}

#[tokio::test]
async fn a_plugin_of_a_version_to_come_is_refused_with_the_versions_there_are() {
    for (file, other) in [("module.wasm", "9.0.0"), ("component.wasm", "1.9.0")] {
        let bytes = std::fs::read(kept(file)).unwrap();
        let bytes = super::files::patched(
            bytes,
            "tidegate:plugin/transformer@1.0.0",
            &format!("tidegate:plugin/transformer@{other}"),
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plugin.wasm");
        std::fs::write(&path, bytes).unwrap();
        let Err(fault) = load_file(&path, cases::instance()).await else { panic!("{file} was loaded") };
        let text = fault.to_string();
        assert!(
            text.contains(&format!("built for version {other} of the contract, and this gateway has 1.0.0 and 1.1.0")),
            "{text}"
        );
    }
}
