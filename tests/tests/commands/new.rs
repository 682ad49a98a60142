//! `tidegate new`, and what it writes: the crate is tested, built and run through its own case.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ended, ended, tidegate};

/// The target folder of the crates that these tests build: dependencies are compiled once.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("new-plugins")
}

/// Runs Cargo in a crate as its author does; from what is there already, where that is enough.
fn cargo(folder: &Path, arguments: &[&str]) -> Ended {
    let run = |offline: &[&str]| {
        // Cargo tells the processes that it starts of itself, this test among them.
        let told = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "RUSTFLAGS"
        });
        let mut command = Command::new("cargo");
        told.for_each(|name| _ = command.env_remove(name));
        ended(command.args(arguments).args(offline).current_dir(folder).env("CARGO_TARGET_DIR", target()))
    };
    let offline = run(&["--offline"]);
    if offline.code == Some(0) { offline } else { run(&[]) }
}

#[test]
fn a_new_plugin_passes_its_test_builds_and_meets_its_case() {
    let directory = tempfile::tempdir().unwrap();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk");
    let written = tidegate(directory.path(), &["new", "hello-you", "--sdk", sdk.to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let folder = directory.path().join("hello-you");

    let tested = cargo(&folder, &["test"]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.out.contains("test result: ok. 1 passed"), "{tested:?}");
    let built = cargo(&folder, &["build", "--profile", "plugin", "--target", "wasm32-unknown-unknown"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(!built.err.contains("warning"), "{built:?}");

    let plugin = target().join("wasm32-unknown-unknown/plugin/hello_you.wasm");
    let met = tidegate(&folder, &["test", plugin.to_str().unwrap()]);
    assert_eq!(met.code, Some(0), "{met:?}");
    assert!(met.out.starts_with("ok      first  3 records: 1 row, 1 rejected, 1 dropped; "), "{met:?}");

    let format = ended(Command::new("cargo").args(["fmt", "--check"]).current_dir(&folder));
    assert_eq!(format.code, Some(0), "{format:?}");
}

#[test]
fn a_name_that_is_none_and_a_folder_that_is_taken_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = tidegate(directory.path(), &["new", "Hello"]);
    assert_eq!(wrong.code, Some(64));
    assert!(wrong.err.contains("`Hello` is no name for a plugin"), "{wrong:?}");
    std::fs::create_dir(directory.path().join("hello")).unwrap();
    std::fs::write(directory.path().join("hello/mine"), "").unwrap();
    let taken = tidegate(directory.path(), &["new", "hello"]);
    assert_eq!(taken.code, Some(64));
    assert!(taken.err.contains("`hello` is there already and not empty"), "{taken:?}");
}
