//! Plugins are compiled by a child process of the same program: [`child`] is what runs there. The gateway hands it a file and
//! waits for so long, and takes no more from it than so much; what it says then is machine code, or why there is none.

mod child;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

pub use child::compile_if_asked;

use crate::config::{ByteSize, shown_duration};

/// What a program is started with to be the compiler.
const ARGUMENT: &str = "compile-plugin";

/// What one child may take.
#[derive(Clone, Copy, Debug)]
pub struct CompileLimits {
    /// CPU time.
    pub cpu: Duration,
    /// Address space, the program itself and what its allocator keeps included.
    pub memory: ByteSize,
    /// Machine code that comes out.
    pub artifact: ByteSize,
    /// Until it is given up.
    pub timeout: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            // The examples take 0.2 s.
            cpu: Duration::from_secs(30),
            // The examples take 30 MiB of memory and five times that of addresses.
            memory: ByteSize::mib(2 << 10),
            // Machine code is some three times its module.
            artifact: ByteSize::mib(256),
            // A child has what the guests leave of the cores, which may be a hundredth of one. It is given up when even so
            // it should have used its CPU time long ago.
            timeout: Duration::from_secs(300),
        }
    }
}

/// Children at once, on the whole. One of them for each tenant: who drops a hundred files that take long waits for himself.
const CHILDREN: usize = 2;

/// What a child says when it dies: enough for a panic's message.
const LAST_WORDS: u64 = 4 << 10;

/// Compiles plugins in child processes, a few at once.
pub(super) struct Compiler {
    program: PathBuf,
    limits: CompileLimits,
    children: Arc<Semaphore>,
    tenants: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// What a child says.
enum Answer {
    /// Machine code for [`wasmtime::component::Component::deserialize`].
    Compiled(Vec<u8>),
    /// A module that is none of ours.
    NotPlugin(String),
    /// What is damaged or not supported.
    Invalid(String),
}

/// Why nothing was compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum CompileFault {
    #[error("{0}")]
    NotPlugin(String),
    #[error("{0}")]
    Invalid(String),
    #[error("compiling it takes more than {} of CPU time", shown_duration(*.0))]
    Cpu(Duration),
    #[error("compiling it takes more than {0} of memory")]
    Memory(ByteSize),
    #[error("it compiles to more than {0} of machine code")]
    Artifact(ByteSize),
    #[error("compiling it was given up after {}", shown_duration(*.0))]
    Timeout(Duration),
    #[error("the compiler broke off: {0}")]
    BrokenOff(String),
    #[error("the compiler cannot be started: {0}")]
    NotStarted(String),
    #[error("it is not waited for any more")]
    Abandoned,
}

impl Compiler {
    /// One that starts this program, which calls [`compile_if_asked`].
    pub fn new(program: PathBuf, limits: CompileLimits) -> Self {
        Self { program, limits, children: Arc::new(Semaphore::new(CHILDREN)), tenants: Mutex::default() }
    }

    /// Machine code for a plugin's file. A child that nobody waits for any more is killed.
    pub async fn compile(&self, tenant: &str, file: Bytes) -> Result<Vec<u8>, CompileFault> {
        let turn = self.tenants.lock().entry(tenant.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        // Neither is ever closed.
        let turn = turn.acquire_owned().await.map_err(|_| CompileFault::Abandoned)?;
        let child = self.children.clone().acquire_owned().await.map_err(|_| CompileFault::Abandoned)?;
        let (answer, answered) = oneshot::channel();
        let (events, happened) = channel();
        let (program, limits, told) = (self.program.clone(), self.limits, events.clone());
        std::thread::Builder::new()
            .name("compile".into())
            .spawn(move || {
                // Whoever asked may be gone.
                let _ = answer.send(supervise(&program, limits, &file, (&told, &happened)));
                drop((turn, child));
            })
            .map_err(|problem| CompileFault::NotStarted(problem.to_string()))?;
        let _waiting = Waiting(events);
        answered.await.map_err(|_| CompileFault::Abandoned)?
    }
}

/// What a child's supervisor waits for.
enum Event {
    /// The child has closed its output.
    Answered(std::io::Result<Vec<u8>>),
    /// Nobody wants it any more.
    Abandoned,
}

/// Somebody waits, until this is dropped.
struct Waiting(Sender<Event>);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Abandoned);
    }
}

/// One child from its start to its end.
fn supervise(
    program: &Path,
    limits: CompileLimits,
    file: &[u8],
    (events, happened): (&Sender<Event>, &Receiver<Event>),
) -> Result<Vec<u8>, CompileFault> {
    let not_started = |problem: std::io::Error| CompileFault::NotStarted(format!("{}: {problem}", program.display()));
    let mut child = Command::new(program)
        .args([ARGUMENT, &limits.cpu.as_secs().to_string(), &limits.memory.0.to_string()])
        // It needs neither what the environment holds, secrets among it, nor a place.
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_started)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (event, last_words) = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that died before it has read all says so by its end.
            stdin.map(|mut stdin| stdin.write_all(file))
        });
        let last_words = scope.spawn(move || stderr.map(|stderr| read(stderr, LAST_WORDS)));
        let answered = events.clone();
        scope.spawn(move || {
            // The tag, and one byte that is too much.
            let answer = stdout.map(|stdout| read(stdout, limits.artifact.0 as u64 + 2));
            let _ = answered.send(Event::Answered(answer.unwrap_or_else(|| Ok(Vec::new()))));
        });
        let event = happened.recv_timeout(limits.timeout);
        if !matches!(event, Ok(Event::Answered(_))) {
            // Its pipes close, and the threads end.
            let _ = child.kill();
        }
        let last_words = last_words.join().ok().flatten().and_then(Result::ok).unwrap_or_default();
        (event, String::from_utf8_lossy(&last_words).trim().to_owned())
    });
    let answer = match event {
        Ok(Event::Answered(answer)) => answer,
        Ok(Event::Abandoned) | Err(RecvTimeoutError::Disconnected) => {
            end(&mut child)?;
            return Err(CompileFault::Abandoned);
        }
        Err(RecvTimeoutError::Timeout) => {
            end(&mut child)?;
            return Err(CompileFault::Timeout(limits.timeout));
        }
    };
    let answer = answer.map_err(|problem| CompileFault::BrokenOff(problem.to_string()))?;
    if answer.len() > limits.artifact.0 + 1 {
        let _ = child.kill();
        end(&mut child)?;
        return Err(CompileFault::Artifact(limits.artifact));
    }
    let status = end(&mut child)?;
    if status.success() { code(Answer::read(answer)) } else { Err(broken_off(status, last_words, limits)) }
}

fn read(stream: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(most).read_to_end(&mut bytes).map(|_| bytes)
}

fn end(child: &mut Child) -> Result<ExitStatus, CompileFault> {
    child.wait().map_err(|problem| CompileFault::BrokenOff(problem.to_string()))
}

/// Which of its limits a child met, by how it ended.
fn broken_off(status: ExitStatus, last_words: String, limits: CompileLimits) -> CompileFault {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    // What Rust's standard library says before it aborts, and what wasmtime says where mapping fails.
    let out_of_memory = ["memory allocation of ", "Cannot allocate memory"];
    match status.signal() {
        Some(SIGXCPU) => CompileFault::Cpu(limits.cpu),
        Some(SIGKILL) => CompileFault::BrokenOff("it was killed; the machine may be out of memory".to_owned()),
        _ if out_of_memory.iter().any(|words| last_words.contains(words)) => CompileFault::Memory(limits.memory),
        _ if last_words.is_empty() => CompileFault::BrokenOff(status.to_string()),
        _ => CompileFault::BrokenOff(format!("{status}: {last_words}")),
    }
}

impl Answer {
    fn tag(&self) -> u8 {
        match self {
            Self::Compiled(_) => b'C',
            Self::NotPlugin(_) => b'P',
            Self::Invalid(_) => b'I',
        }
    }

    fn content(&self) -> &[u8] {
        match self {
            Self::Compiled(artifact) => artifact,
            Self::NotPlugin(problem) | Self::Invalid(problem) => problem.as_bytes(),
        }
    }

    fn read(mut answer: Vec<u8>) -> Option<Self> {
        let tag = *answer.first()?;
        answer.drain(..1);
        let problem = |answer: &[u8]| String::from_utf8_lossy(answer).into_owned();
        match tag {
            b'C' => Some(Self::Compiled(answer)),
            b'P' => Some(Self::NotPlugin(problem(&answer))),
            b'I' => Some(Self::Invalid(problem(&answer))),
            _ => None,
        }
    }
}

/// What a child's answer means to whoever asked for code.
fn code(answer: Option<Answer>) -> Result<Vec<u8>, CompileFault> {
    match answer {
        Some(Answer::Compiled(artifact)) => Ok(artifact),
        Some(Answer::NotPlugin(problem)) => Err(CompileFault::NotPlugin(problem)),
        Some(Answer::Invalid(problem)) => Err(CompileFault::Invalid(problem)),
        None => {
            Err(CompileFault::BrokenOff("what it answered is no answer; was the right program started?".to_owned()))
        }
    }
}
