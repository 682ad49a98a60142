//! What a file does to the compiler, it does to a process of its own, within limits: others are compiled meanwhile and after.

use std::time::Duration;

use tidegate::config::ByteSize;
use tidegate::plugin::{CompileFault, CompileLimits, Engine, EngineSettings, LoadFault, PluginFile};
use tidegate_tests::cases;
use tidegate_tests::harness::binary;
use wasm_encoder as wasm;
use wasm_encoder::Instruction;

/// What compiling a file fails with; then the same engine has to load another.
async fn fault_of(bytes: Vec<u8>, compile: CompileLimits) -> CompileFault {
    let engine = engine(compile);
    let file = PluginFile { path: "hostile.wasm".into(), bytes: bytes.into() };
    let Err(fault) = engine.load(&file, cases::instance()).await else { panic!("it was loaded") };
    let counter = PluginFile::read(&cases::built("counter").unwrap()).unwrap();
    let usual = self::engine(CompileLimits::default());
    usual.load(&counter, cases::instance()).await.unwrap();
    match fault {
        LoadFault::Compile { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

fn engine(compile: CompileLimits) -> Engine {
    let compiler = binary().unwrap();
    Engine::new(EngineSettings { compiler, compile, ..EngineSettings::default() }).unwrap()
}

fn counter() -> Vec<u8> {
    std::fs::read(cases::built("counter").unwrap()).unwrap()
}

/// A component with a module that has so many loops within each other, through all of which so many variables are carried: a few
/// bytes each, and their product to compile.
fn vast(loops: usize, variables: u32) -> Vec<u8> {
    let mut types = wasm::TypeSection::new();
    types.ty().function([wasm::ValType::I32], []);
    let mut functions = wasm::FunctionSection::new();
    functions.function(0);
    let mut function = wasm::Function::new([(variables, wasm::ValType::I32)]);
    for depth in 0..loops {
        function.instruction(&Instruction::Loop(wasm::BlockType::Empty));
        let changed = 1 + u32::try_from(depth).unwrap() % variables;
        for instruction in [Instruction::LocalGet(0), Instruction::LocalGet(changed), Instruction::I32Add] {
            function.instruction(&instruction);
        }
        function.instruction(&Instruction::LocalSet(changed));
    }
    for variable in 1..=variables {
        for instruction in [Instruction::LocalGet(0), Instruction::LocalGet(variable), Instruction::I32Xor] {
            function.instruction(&instruction);
        }
        function.instruction(&Instruction::LocalSet(0));
    }
    for _ in 0..loops {
        for instruction in [Instruction::LocalGet(0), Instruction::BrIf(0), Instruction::End] {
            function.instruction(&instruction);
        }
    }
    function.instruction(&Instruction::End);
    let mut code = wasm::CodeSection::new();
    code.function(&function);
    let mut module = wasm::Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = wasm::Component::new();
    component.section(&wasm::ModuleSection(&module));
    component.finish()
}

#[tokio::test]
async fn a_small_module_that_takes_for_ever_to_compile_is_given_up_at_its_cpu_time() {
    let bytes = vast(1_000, 5_000);
    assert!(bytes.len() < 100_000, "{} bytes are no small module", bytes.len());
    let cpu = Duration::from_secs(1);
    let fault = fault_of(bytes, CompileLimits { cpu, ..CompileLimits::default() }).await;
    assert_eq!(fault, CompileFault::Cpu(cpu));
    assert_eq!(fault.to_string(), "compiling it takes more than 1 s of CPU time");
}

#[tokio::test]
async fn a_small_module_that_takes_the_machines_memory_to_compile_is_given_up_at_its_own() {
    // The program itself takes 80.
    let memory = ByteSize::mib(128);
    let fault = fault_of(vast(1_000, 5_000), CompileLimits { memory, ..CompileLimits::default() }).await;
    assert_eq!(fault, CompileFault::Memory(memory), "{fault}");
}

#[tokio::test]
async fn more_machine_code_than_there_may_be_is_not_taken() {
    let artifact = ByteSize(64 << 10);
    let fault = fault_of(counter(), CompileLimits { artifact, ..CompileLimits::default() }).await;
    assert_eq!(fault, CompileFault::Artifact(artifact));
}

#[tokio::test]
async fn a_compiler_that_does_not_end_is_killed() {
    let timeout = Duration::from_millis(300);
    let fault = fault_of(vast(1_000, 5_000), CompileLimits { timeout, ..CompileLimits::default() }).await;
    assert_eq!(fault, CompileFault::Timeout(timeout));
}

#[tokio::test]
async fn a_compiler_that_nobody_waits_for_any_more_leaves_its_place_to_the_next() {
    let engine = engine(CompileLimits::default());
    let file = PluginFile { path: "hostile.wasm".into(), bytes: vast(1_000, 5_000).into() };
    let load = engine.load(&file, cases::instance());
    tokio::time::timeout(Duration::from_millis(200), load).await.err().unwrap();
    // One child a tenant, and both are the same tenant's.
    let counter = PluginFile::read(&cases::built("counter").unwrap()).unwrap();
    let load = engine.load(&counter, cases::instance());
    tokio::time::timeout(Duration::from_secs(20), load).await.unwrap().unwrap();
}

#[tokio::test]
async fn another_tenants_plugins_are_compiled_beside_one_that_takes_long() {
    let engine = engine(CompileLimits::default());
    let slow = PluginFile { path: "hostile.wasm".into(), bytes: vast(1_000, 5_000).into() };
    let more_slow = engine.load(&slow, cases::instance());
    let counter = PluginFile::read(&cases::built("counter").unwrap()).unwrap();
    let mut neighbour = cases::instance();
    neighbour.pipeline = "neighbour/counter".to_owned();
    tokio::select! {
        biased;
        loaded = async { tokio::join!(engine.load(&slow, cases::instance()), more_slow) } => {
            panic!("the slow ones were faster: {:?}", loaded.0.err());
        }
        loaded = engine.load(&counter, neighbour) => assert!(loaded.is_ok()),
    }
}

#[tokio::test]
async fn a_program_that_is_no_compiler_is_told() {
    let settings = EngineSettings { compiler: "/bin/echo".into(), ..EngineSettings::default() };
    let file = PluginFile { path: "counter.wasm".into(), bytes: counter().into() };
    let Err(fault) = Engine::new(settings).unwrap().load(&file, cases::instance()).await else {
        panic!("it was loaded")
    };
    let text = "plugin `counter.wasm` cannot be compiled: the compiler broke off: what it answered is no answer";
    assert!(fault.to_string().starts_with(text), "{fault}");
}

#[tokio::test]
async fn a_hundred_thousand_functions_are_compiled_or_refused_and_harm_nobody() {
    let mut types = wasm::TypeSection::new();
    types.ty().function([], []);
    let (mut functions, mut code) = (wasm::FunctionSection::new(), wasm::CodeSection::new());
    for _ in 0..100_000 {
        functions.function(0);
        code.function(wasm::Function::new([]).instruction(&Instruction::End));
    }
    let mut module = wasm::Module::new();
    module.section(&types).section(&functions).section(&code);
    let mut component = wasm::Component::new();
    component.section(&wasm::ModuleSection(&module));
    let engine = engine(CompileLimits::default());
    let file = PluginFile { path: "many.wasm".into(), bytes: component.finish().into() };
    let Err(fault) = engine.load(&file, cases::instance()).await else { panic!("it was loaded") };
    // It compiles, and is no plugin.
    assert!(fault.to_string().contains("it exports nothing and must export"), "{fault}");
    let counter = PluginFile::read(&cases::built("counter").unwrap()).unwrap();
    engine.load(&counter, cases::instance()).await.unwrap();
}
