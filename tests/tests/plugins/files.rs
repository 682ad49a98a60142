//! Files that are no plugins, and plugins that describe what there is not or refuse their settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tidegate::plugin::{GuestFault, InstanceSettings, LoadFault};
use tidegate_tests::cases;
use wasm_encoder as wasm;

use crate::{load_file, with_products};

/// What loading a file fails with, without its path.
struct Refusal {
    fault: LoadFault,
    text: String,
}

async fn refusal_of(path: &Path, instance: InstanceSettings) -> Refusal {
    let Err(fault) = load_file(path, instance).await else { panic!("{} was loaded", path.display()) };
    let text = fault.to_string();
    let place = format!("plugin `{}`", path.display());
    assert!(text.contains(&place), "`{text}` does not say which file");
    Refusal { fault, text: text.replace(&place, "plugin FILE") }
}

async fn refusal(bytes: &[u8]) -> Refusal {
    let (_directory, path) = written(bytes);
    refusal_of(&path, with_products()).await
}

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plugin.wasm");
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn sales() -> Vec<u8> {
    std::fs::read(cases::built("sales").unwrap()).unwrap()
}

/// Replaces every occurrence of a text by another of the same length.
pub(super) fn patched(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = (0..bytes.len()).filter(|start| bytes[*start..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "`{from}` does not occur");
    for start in places {
        bytes[start..start + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_with_the_systems_reason() {
    let directory = tempfile::tempdir().unwrap();
    let missing = refusal_of(&directory.path().join("nowhere.wasm"), cases::instance()).await;
    assert_eq!(missing.text, "read plugin FILE: No such file or directory (os error 2)");
    let directory = refusal_of(directory.path(), cases::instance()).await;
    assert_eq!(directory.text, "read plugin FILE: it is no file; expected a WebAssembly module");
}

#[tokio::test]
async fn a_pipe_is_not_waited_for_and_a_link_to_itself_not_followed_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, knot) = (directory.path().join("pipe.wasm"), directory.path().join("knot.wasm"));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let text = refusal_of(&pipe, cases::instance()).await.text;
    assert_eq!(text, "read plugin FILE: it is no file; expected a WebAssembly module");
    std::os::unix::fs::symlink(&knot, &knot).unwrap();
    let text = refusal_of(&knot, cases::instance()).await.text;
    assert_eq!(text, "read plugin FILE: Too many levels of symbolic links (os error 40)");
}

#[tokio::test]
async fn more_than_any_pipeline_may_ask_for_is_not_even_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large.wasm");
    // A hole, which takes no place on the disk.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let text = refusal_of(&path, cases::instance()).await.text;
    assert_eq!(text, "read plugin FILE: it is larger than 256 MiB");
}

#[tokio::test]
async fn a_file_that_is_not_webassembly_is_told_by_its_first_bytes() {
    let begins = "and a module begins with the bytes 00 61 73 6d";
    assert_eq!(refusal(b"").await.text, format!("plugin FILE is not WebAssembly: it is empty, {begins}"));
    let text = refusal(b"topics = [\"sales\"]").await.text;
    let found = "a file that begins with the bytes 74 6f 70 69 63 73 20 3d";
    assert_eq!(text, format!("plugin FILE is not WebAssembly: it is {found}, {begins}"));
    let native = refusal(b"\x7fELF\x02").await.text;
    assert!(native.contains("a file that begins with the bytes 7f 45 4c 46 02,"), "{native}");
}

#[tokio::test]
async fn a_module_cut_off_anywhere_is_refused() {
    let whole = sales();
    let lengths = [1, 3, 4, 5, 7, 8, 9, 11, 100, 4_096, whole.len() / 2, whole.len() - 1_000, whole.len() - 1];
    for length in lengths {
        let Refusal { fault, text } = refusal(&whole[..length]).await;
        match (length, fault) {
            (0..8, LoadFault::NotWasm { .. }) => assert!(text.contains("it is cut off after"), "{length}: {text}"),
            // The bare preamble is a module, of nothing.
            (8, LoadFault::NotPlugin { .. }) => {
                assert!(text.contains("it does not export `tidegate:plugin/transformer@1.1.0`"), "{length}: {text}")
            }
            (9.., LoadFault::Invalid { .. } | LoadFault::NotPlugin { .. }) => {
                assert!(text.contains("unexpected end"), "{length}: {text}");
            }
            (_, other) => panic!("cut off after {length}: {other:?}"),
        }
    }
}

/// A damaged file may even load, where the damage is to its code; what it may not do is to end more than itself. All of the
/// description of its interfaces is tried: its decoder recurses without end at some damage to it, and is not given it.
#[tokio::test]
async fn a_module_with_a_changed_byte_is_refused_or_loaded() {
    let whole = std::fs::read(cases::built("counter").unwrap()).unwrap();
    let interfaces = whole.windows(14).position(|bytes| bytes == b"component-type").unwrap();
    let mut refused = 0;
    for place in (0..interfaces).step_by(211).chain((interfaces..whole.len().min(interfaces + 2_048)).step_by(16)) {
        let mut changed = whole.clone();
        changed[place] ^= 0x55;
        let (_directory, path) = written(&changed);
        refused += u32::from(load_file(&path, cases::instance()).await.is_err());
    }
    assert!(refused > 50, "only {refused} were refused");
}

#[tokio::test]
async fn a_component_cut_off_anywhere_is_refused() {
    let whole = std::fs::read(cases::built("warehouse").unwrap()).unwrap();
    for length in [9, 1_000, whole.len() / 2, whole.len() - 1] {
        let Refusal { fault, text } = refusal(&whole[..length]).await;
        assert!(matches!(fault, LoadFault::Invalid { .. }), "{length}: {text}");
        assert!(text.starts_with("plugin FILE is damaged or uses what is not supported: "), "{length}: {text}");
    }
}

#[tokio::test]
async fn a_module_that_exports_nothing_is_told_what_it_must_export() {
    let Refusal { fault, text } = refusal(&wasm::Module::new().finish()).await;
    assert!(matches!(fault, LoadFault::NotPlugin { .. }), "{fault:?}");
    let must = "it does not export `tidegate:plugin/transformer@1.1.0`; build it with the crate `tidegate-plugin`";
    assert!(text.starts_with(&format!("plugin FILE is not a Tidegate plugin: {must}")), "{text}");
}

#[tokio::test]
async fn a_component_that_exports_something_else_is_told_what_it_exports() {
    let nothing = refusal(&wasm::Component::new().finish()).await.text;
    let must = "must export `tidegate:plugin/transformer@1.1.0`";
    assert_eq!(nothing, format!("plugin FILE is not a Tidegate plugin: it exports nothing and {must}"));
    let other = refusal(&exporting("example:shop/till@0.1.0")).await.text;
    assert_eq!(other, format!("plugin FILE is not a Tidegate plugin: it exports `example:shop/till@0.1.0` and {must}"));
    let older = refusal(&exporting("tidegate:plugin/transformer@0.9.0")).await.text;
    assert!(
        older.contains("it is built for version 0.9.0 of the contract, and this gateway has 1.0.0 and 1.1.0"),
        "{older}"
    );
}

#[tokio::test]
async fn a_component_whose_transformer_lacks_its_functions_is_refused() {
    let Refusal { fault, text } = refusal(&exporting("tidegate:plugin/transformer@1.0.0")).await;
    assert!(matches!(fault, LoadFault::NotPlugin { .. }), "{fault:?}");
    assert!(text.contains("its imports or exports have other types than the contract's: "), "{text}");
    assert!(text.contains("describe"), "{text}");
}

#[tokio::test]
async fn functions_of_the_right_names_and_wrong_types_are_refused() {
    let mut types = wasm::TypeSection::new();
    types.ty().function([], [wasm::ValType::I32]);
    let mut functions = wasm::FunctionSection::new();
    functions.function(0);
    let mut exports = wasm::ExportSection::new();
    exports.export("number", wasm::ExportKind::Func, 0);
    let mut code = wasm::CodeSection::new();
    code.function(
        wasm::Function::new([]).instruction(&wasm::Instruction::I32Const(7)).instruction(&wasm::Instruction::End),
    );
    let mut module = wasm::Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    let mut instances = wasm::InstanceSection::new();
    instances.instantiate::<_, &str>(0, []);
    let mut aliases = wasm::ComponentAliasSection::new();
    aliases.alias(wasm::Alias::CoreInstanceExport { instance: 0, kind: wasm::ExportKind::Func, name: "number" });
    let mut types = wasm::ComponentTypeSection::new();
    let number = wasm::ComponentValType::Primitive(wasm::PrimitiveValType::U32);
    types.function().params([("", number); 0]).result(Some(number));
    let mut lifted = wasm::CanonicalFunctionSection::new();
    lifted.lift(0, 0, []);
    let mut transformer = wasm::ComponentInstanceSection::new();
    let names = ["describe", "init", "transform", "finish"];
    transformer.export_items(names.map(|name| (name, wasm::ComponentExportKind::Func, 0)));
    let mut exports = wasm::ComponentExportSection::new();
    exports.export("tidegate:plugin/transformer@1.1.0", wasm::ComponentExportKind::Instance, 0, None);
    let mut component = wasm::Component::new();
    component.section(&wasm::ModuleSection(&module)).section(&instances).section(&aliases).section(&types);
    component.section(&lifted).section(&transformer).section(&exports);
    let Refusal { fault, text } = refusal(&component.finish()).await;
    assert!(matches!(fault, LoadFault::Guest { problem: GuestFault::Contract(_), .. }), "{fault:?}");
    assert!(text.starts_with("plugin FILE: the plugin broke the contract: failed to convert function to given type"));
    assert!(text.contains("expected `record` found `u32`"), "{text}");
}

/// A component that exports an empty instance.
fn exporting(name: &str) -> Vec<u8> {
    let mut instances = wasm::ComponentInstanceSection::new();
    instances.export_items([("", wasm::ComponentExportKind::Func, 0); 0]);
    let mut exports = wasm::ComponentExportSection::new();
    exports.export(name, wasm::ComponentExportKind::Instance, 0, None);
    let mut component = wasm::Component::new();
    component.section(&instances).section(&exports);
    component.finish()
}

#[tokio::test]
async fn a_component_that_imports_more_than_there_is_is_told_what() {
    let mut types = wasm::ComponentTypeSection::new();
    types.instance(&wasm::InstanceType::new());
    let mut imports = wasm::ComponentImportSection::new();
    imports.import("example:shop/till@0.1.0", wasm::ComponentTypeRef::Instance(0));
    let mut component = wasm::Component::new();
    component.section(&types).section(&imports);
    let Refusal { fault, text } = refusal(&component.finish()).await;
    assert!(matches!(fault, LoadFault::Import { .. }), "{fault:?}");
    let may = "a plugin may import only the interfaces of `tidegate:plugin`";
    assert_eq!(text, format!("plugin FILE imports `example:shop/till@0.1.0`; {may}"));
}

#[tokio::test]
async fn a_module_that_imports_an_unknown_host_function_is_told_which() {
    // Of the contract's own interface, a function that it does not have.
    let unknown = refusal(&patched(sales(), "tidegate:plugin/lookup", "tidegate:plugin/lockup")).await;
    assert!(unknown.text.contains("tidegate:plugin/lockup"), "{}", unknown.text);
    // Of nobody.
    let mut types = wasm::TypeSection::new();
    types.ty().function([], []);
    let mut imports = wasm::ImportSection::new();
    imports.import("env", "open_socket", wasm::EntityType::Function(0));
    let mut module = wasm::Module::new();
    module.section(&types).section(&imports);
    let Refusal { fault, text } = refusal(&module.finish()).await;
    assert!(matches!(fault, LoadFault::NotPlugin { .. }), "{fault:?}");
    assert!(text.contains("env"), "{text}");
}

#[tokio::test]
async fn a_type_that_there_is_not_is_named_with_its_route_its_column_and_the_nearest() {
    let Refusal { fault, text } = refusal(&patched(sales(), "LowCardinality(", "LowCardinalitx(")).await;
    assert!(matches!(fault, LoadFault::Description { .. }), "{fault:?}");
    let expected = "plugin FILE: route `sale`, column `product`: there is no type `LowCardinalitx`; \
                    the nearest is `LowCardinality`";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn settings_of_a_wrong_type_are_refused_before_the_first_record() {
    let refusal = async |settings: &str| {
        let instance = InstanceSettings { settings: settings.to_owned(), ..with_products() };
        refusal_of(&cases::built("sales").unwrap(), instance).await.text
    };
    assert_eq!(
        refusal(r#"{"currency":7}"#).await,
        "plugin FILE: the plugin refuses its settings: settings: invalid type: integer `7`, expected a string at $.currency, byte 12"
    );
    let misspelt = refusal(r#"{"curency":"EUR"}"#).await;
    assert!(misspelt.contains("unknown field `curency`, expected `currency` or `test_channel`"), "{misspelt}");
}

#[tokio::test]
async fn a_missing_lookup_table_is_refused_with_those_there_are() {
    let sales = cases::built("sales").unwrap();
    assert_eq!(
        refusal_of(&sales, cases::instance()).await.text,
        "plugin FILE: the plugin refuses its settings: open lookup table products: there is no lookup table `products`; \
         the pipeline file has no [lookups]"
    );
    let products = sales.with_file_name("products.csv");
    let misnamed = Arc::new(cases::lookups([("goods", products)]).unwrap());
    let text = refusal_of(&sales, InstanceSettings { lookups: misnamed, ..cases::instance() }).await.text;
    assert!(text.ends_with("there is no lookup table `products`; the pipeline has `goods`"), "{text}");
}

#[tokio::test]
async fn a_refusal_and_a_panic_at_the_start_are_told_apart() {
    let refusal = async |settings: &str| {
        let instance = InstanceSettings { settings: settings.to_owned(), ..cases::instance() };
        refusal_of(&cases::built("unruly").unwrap(), instance).await.text
    };
    let refused = refusal(r#"{"refuse":"not on a Sunday"}"#).await;
    assert_eq!(refused, "plugin FILE: the plugin refuses its settings: not on a Sunday");
    let panicked = refusal(r#"{"panic":"no Sundays"}"#).await;
    assert!(panicked.starts_with("plugin FILE: the plugin trapped: panicked at tests/guests/unruly/src/lib.rs:"));
    assert!(panicked.contains(": no Sundays; "), "{panicked}");
}
