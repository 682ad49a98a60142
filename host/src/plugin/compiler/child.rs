//! The compiler's process: a plugin's file on standard input, what came of it on standard output. It sets its own limits before
//! it looks at the first byte: whatever a file does to a parser or to the compiler, it does it here, to a process that has
//! nothing and that nobody waits for for long.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};

use super::{ARGUMENT, Answer};
use crate::plugin::configuration::{self, Role};
use crate::plugin::encode;

/// Compiles, if the process was started for that. Every program that loads plugins calls this before anything else and ends
/// with the code.
pub fn compile_if_asked() -> Option<ExitCode> {
    let asked = std::env::args_os().nth(1).is_some_and(|argument| argument == ARGUMENT);
    asked.then(|| match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    })
}

fn serve() -> std::io::Result<()> {
    let mut limits = std::env::args().skip(2).map(|limit| limit.parse());
    match (limits.next(), limits.next()) {
        (Some(Ok(cpu_seconds)), Some(Ok(memory))) => limit_itself(cpu_seconds, memory)?,
        _ => return Err(std::io::Error::other("expected seconds of CPU time and bytes of memory")),
    }
    let mut file = Vec::new();
    std::io::stdin().lock().read_to_end(&mut file)?;
    let answer = compile(&file);
    let mut output = std::io::stdout().lock();
    output.write_all(&[answer.tag()])?;
    output.write_all(answer.content())?;
    output.flush()
}

fn limit_itself(cpu_seconds: u64, memory: u64) -> std::io::Result<()> {
    let at_most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, at_most(memory))?;
    // At the first the system says which limit it was; at the second it only kills.
    setrlimit(Resource::Cpu, Rlimit { current: Some(cpu_seconds), maximum: Some(cpu_seconds + 1) })?;
    // Neither files nor a memory image in one.
    setrlimit(Resource::Fsize, at_most(0))?;
    setrlimit(Resource::Core, at_most(0))?;
    // The thread that started it waits for it: where that is gone, the gateway is.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The lowest there is.
    nice(19)?;
    Ok(())
}

fn compile(file: &[u8]) -> Answer {
    let engine = match configuration::engine(Role::Compiles) {
        Ok(engine) => engine,
        Err(fault) => return Answer::Invalid(fault.to_string()),
    };
    // The second half of the preamble tells a core module from a component.
    let component = match file.get(4..8) {
        Some([1, 0, 0, 0]) => match wrapped(&engine, file) {
            Ok(component) => component,
            Err(answer) => return answer,
        },
        _ => file.to_vec(),
    };
    match engine.precompile_component(&component) {
        Ok(artifact) => Answer::Compiled(artifact),
        Err(fault) => Answer::Invalid(format!("{fault:#}")),
    }
}

fn wrapped(engine: &wasmtime::Engine, module: &[u8]) -> Result<Vec<u8>, Answer> {
    // Only of what is valid: the encoder panics at a module that was cut off.
    wasmtime::Module::validate(engine, module).map_err(|fault| Answer::Invalid(format!("{fault:#}")))?;
    encode::encode(module).map_err(|fault| {
        let problem = format!("{fault:#}");
        if encode::exports_transformer(module) { Answer::Invalid(problem) } else { Answer::NotPlugin(problem) }
    })
}
