//! Plugins that no compiler makes: modules written instruction by instruction, against what a guest may take of the host.

use std::borrow::Cow;
use std::time::Duration;

use tidegate::plugin::LoadFault;
use tidegate_tests::cases;
use wasm_encoder as wasm;
use wasm_encoder::{ExportKind, ValType};

use crate::{limited, load_file};

/// A plugin whose `describe` is these instructions, which have to leave the address of a description or trap.
struct Handmade {
    describe: Vec<wasm::Instruction<'static>>,
    /// At the address 0.
    data: Vec<u8>,
    pages: u64,
    /// Elements of its table.
    elements: u64,
    /// What it does when an instance is made.
    start: Vec<wasm::Instruction<'static>>,
}

/// Never ends.
const SPIN: [wasm::Instruction<'static>; 3] =
    [wasm::Instruction::Loop(wasm::BlockType::Empty), wasm::Instruction::Br(0), wasm::Instruction::End];

impl Default for Handmade {
    fn default() -> Self {
        Self { describe: vec![wasm::Instruction::Unreachable], data: vec![], pages: 1, elements: 1, start: vec![] }
    }
}

/// What the SDK left in a module about its interfaces, without which it is no plugin: a section's name and content.
fn interfaces() -> (String, Vec<u8>) {
    let module = std::fs::read(cases::built("counter").unwrap()).unwrap();
    let custom = sections(&module).filter(|(id, _)| *id == 0).map(|(_, content)| {
        let (name_length, named) = leb128(content);
        named.split_at(name_length)
    });
    let (name, content) = custom.into_iter().find(|(name, _)| name.starts_with(b"component-type")).unwrap();
    (String::from_utf8(name.to_vec()).unwrap(), content.to_vec())
}

/// The sections of a module or a component: their ids and contents.
fn sections(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = &bytes[8..];
    std::iter::from_fn(move || {
        let (id, sized) = rest.split_first()?;
        let (length, content) = leb128(sized);
        let (content, next) = content.split_at(length);
        rest = next;
        Some((*id, content))
    })
}

fn leb128(bytes: &[u8]) -> (usize, &[u8]) {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let number = bytes[..length].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
    (number, &bytes[length..])
}

impl Handmade {
    fn module(&self) -> Vec<u8> {
        const I32: ValType = ValType::I32;
        let mut types = wasm::TypeSection::new();
        let signatures: [&[ValType]; 5] = [&[], &[I32, I32], &[I32], &[], &[I32, I32, I32, I32]];
        signatures.iter().for_each(|parameters| types.ty().function(parameters.iter().copied(), [I32]));
        types.ty().function([], []);
        let names = ["describe", "init", "transform", "finish"];
        let mut functions = wasm::FunctionSection::new();
        let mut exports = wasm::ExportSection::new();
        for (index, name) in (0..).zip(names) {
            functions.function(index);
            exports.export(&format!("tidegate:plugin/transformer@1.1.0#{name}"), ExportKind::Func, index);
        }
        functions.function(4);
        functions.function(5);
        exports.export("cabi_realloc", ExportKind::Func, 4);
        exports.export("memory", ExportKind::Memory, 0);
        let mut tables = wasm::TableSection::new();
        let (element_type, table64, shared) = (wasm::RefType::FUNCREF, false, false);
        tables.table(wasm::TableType { element_type, minimum: self.elements, maximum: None, table64, shared });
        let mut memories = wasm::MemorySection::new();
        let (maximum, memory64, page_size_log2) = (None, false, None);
        memories.memory(wasm::MemoryType { minimum: self.pages, maximum, memory64, shared, page_size_log2 });
        let mut code = wasm::CodeSection::new();
        let trap = vec![wasm::Instruction::Unreachable];
        for body in [&self.describe, &trap, &trap, &trap, &trap, &self.start] {
            let mut function = wasm::Function::new([]);
            body.iter().for_each(|instruction| {
                function.instruction(instruction);
            });
            function.instruction(&wasm::Instruction::End);
            code.function(&function);
        }
        let mut data = wasm::DataSection::new();
        data.active(0, &wasm::ConstExpr::i32_const(0), self.data.iter().copied());
        let (name, content) = interfaces();
        let interfaces = wasm::CustomSection { name: Cow::Owned(name), data: Cow::Owned(content) };
        let mut module = wasm::Module::new();
        module.section(&types).section(&functions).section(&tables).section(&memories).section(&exports);
        module.section(&wasm::StartSection { function_index: 5 });
        module.section(&code).section(&data).section(&interfaces);
        module.finish()
    }

    async fn refusal(&self) -> String {
        refusal_of(&self.module()).await
    }
}

/// What a plugin's first calls fail with.
async fn refusal_of(plugin: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("handmade.wasm");
    std::fs::write(&path, plugin).unwrap();
    let quickly = limited(|limits| limits.cpu = Duration::from_millis(50));
    match load_file(&path, quickly).await {
        Err(LoadFault::Guest { problem, .. }) => problem.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was loaded"),
    }
}

#[tokio::test]
async fn a_handmade_plugin_is_called() {
    let text = Handmade::default().refusal().await;
    assert!(text.contains("wasm trap: wasm `unreachable` instruction executed"), "{text}");
}

#[tokio::test]
async fn memory_that_is_too_large_from_the_beginning_is_refused() {
    let text = Handmade { pages: 5_000, ..Handmade::default() }.refusal().await;
    assert!(text.contains("its memory would grow to 320000 KiB, beyond 256 MiB; a larger `limits.memory`"), "{text}");
}

#[tokio::test]
async fn a_description_that_never_comes_is_given_up_at_its_cpu_time() {
    let describe = [&SPIN[..], &[wasm::Instruction::Unreachable]].concat();
    let text = Handmade { describe, ..Handmade::default() }.refusal().await;
    assert!(text.contains("one call takes more than 50 ms of CPU time; a larger `limits.cpu`"), "{text}");
}

#[tokio::test]
async fn an_instance_that_never_begins_is_given_up_at_its_cpu_time() {
    let text = Handmade { start: SPIN.to_vec(), ..Handmade::default() }.refusal().await;
    assert!(text.contains("one call takes more than 50 ms of CPU time; a larger `limits.cpu`"), "{text}");
}

#[tokio::test]
async fn a_table_that_is_too_large_from_the_beginning_is_refused() {
    let text = Handmade { elements: 10_000_000, ..Handmade::default() }.refusal().await;
    assert!(text.contains("a table of 10000000 functions is beyond the 1048576 that there may be"), "{text}");
}

#[tokio::test]
async fn a_table_cannot_take_the_memory_that_the_limit_denies() {
    use wasm::Instruction::{Drop, I32Const, RefNull, TableGrow, Unreachable};
    let grows = [RefNull(wasm::HeapType::FUNC), I32Const(50_000_000), TableGrow(0), Drop, Unreachable];
    let text = Handmade { describe: grows.into(), ..Handmade::default() }.refusal().await;
    assert!(text.contains("a table of 50000001 functions is beyond the 1048576 that there may be"), "{text}");
}

#[tokio::test]
async fn an_answer_that_repeats_one_text_many_times_is_cut_short() {
    // A description with 1,000 routes, each with the same name of 1 MiB: a thousand times what the guest holds.
    const NAME: u32 = 1 << 20;
    let (routes, count) = (64, 1_000u32);
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    // Name and version, each with address and length; stateless; the routes.
    let mut data = words(&[0, 0, 0, 0, 1, routes, count]);
    data.resize(routes as usize, 0);
    // Each of them: its name and no columns.
    (0..count).for_each(|_| data.extend(words(&[NAME, NAME, 0, 0])));
    let describe = vec![wasm::Instruction::I32Const(0)];
    let text = Handmade { describe, data, pages: 64, ..Handmade::default() }.refusal().await;
    assert!(text.contains("one call hands over more than 128 MiB; a larger `limits.output`"), "{text}");
}

#[tokio::test]
async fn an_answer_beyond_the_memory_is_a_trap() {
    let data = [0u32, 0, 0, 0, 1, 65_536, 1_000].iter().flat_map(|word| word.to_le_bytes()).collect();
    let text = Handmade { describe: vec![wasm::Instruction::I32Const(0)], data, ..Handmade::default() }.refusal().await;
    assert!(text.contains("out of bounds"), "{text}");
    let text = Handmade { describe: vec![wasm::Instruction::I32Const(-4)], ..Handmade::default() }.refusal().await;
    assert!(text.contains("out of bounds"), "{text}");
}

#[tokio::test]
async fn a_second_memory_is_no_way_around_the_limit() {
    let module = Handmade::default().module();
    let plugin =
        wit_component::ComponentEncoder::default().module(&module).and_then(|encoder| encoder.encode()).unwrap();
    // Beside the plugin's own, another module whose memory is within the limit by itself.
    let mut memories = wasm::MemorySection::new();
    let (maximum, memory64, shared, page_size_log2) = (None, false, false, None);
    memories.memory(wasm::MemoryType { minimum: 3_200, maximum, memory64, shared, page_size_log2 });
    let mut other = wasm::Module::new();
    other.section(&memories);
    let mut instances = wasm::InstanceSection::new();
    instances.instantiate::<_, &str>(modules_in(&plugin), []);
    let mut appended = wasm::Component::new();
    appended.section(&wasm::ModuleSection(&other)).section(&instances);
    let text = refusal_of(&[plugin, appended.finish()[8..].to_vec()].concat()).await;
    assert!(text.contains("memory count too high at 2"), "{text}");
}

#[tokio::test]
async fn a_module_is_not_instantiated_a_hundred_times() {
    let module = Handmade::default().module();
    let plugin =
        wit_component::ComponentEncoder::default().module(&module).and_then(|encoder| encoder.encode()).unwrap();
    let mut instances = wasm::InstanceSection::new();
    let empty = modules_in(&plugin);
    (0..100).for_each(|_| _ = instances.instantiate::<_, &str>(empty, []));
    let mut appended = wasm::Component::new();
    appended.section(&wasm::ModuleSection(&wasm::Module::new())).section(&instances);
    let text = refusal_of(&[plugin, appended.finish()[8..].to_vec()].concat()).await;
    assert!(text.contains("instance count too high at 17"), "{text}");
}

/// How many modules a component holds.
fn modules_in(component: &[u8]) -> u32 {
    sections(component).filter(|(id, _)| *id == 1).count() as u32
}
