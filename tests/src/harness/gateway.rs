//! A gateway as operators run it: the binary, its log, its pages and its signals. It ends with the test.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::files::GatewayFile;
use super::http::{Answer, Http};
use super::services::Services;
use super::tenant::Tenant;
use super::wait::eventually;

/// A process that runs `tidegate`.
pub struct Gateway {
    child: Child,
    http: Rc<Http>,
    address: String,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    /// None where a signal ended it.
    pub code: Option<i32>,
    /// All that it said.
    pub log: Vec<String>,
}

/// The end of the log that a failed test shows.
const SHOWN_LINES: usize = 40;

const UNTIL_CAUGHT_UP: &[&str] = &["--until-caught-up"];

impl Gateway {
    /// Where its standard output goes, in the tenant's folder.
    pub const OUTPUT: &'static str = "output";

    /// Starts a gateway on the tenant's plugin directory and waits until it serves its pages.
    ///
    /// # Errors
    /// Where it ends at once; what it said is in the error.
    pub fn start(tenant: &Tenant, file: &GatewayFile) -> anyhow::Result<Self> {
        Self::spawn(tenant, file, &[])?.started()
    }

    /// Starts a gateway that ends when it has completed what there is, one that cannot before the test says so.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn start_until_caught_up(tenant: &Tenant, file: &GatewayFile) -> anyhow::Result<Self> {
        Self::spawn(tenant, file, UNTIL_CAUGHT_UP)?.started()
    }

    fn started(self) -> anyhow::Result<Self> {
        let mut gateway = self;
        let address = eventually("the gateway starts", || {
            let status = gateway.child.try_wait()?;
            let started = gateway.messages("tidegate starts");
            let http = started.first().and_then(|line| Some(line.get("http")?.as_str()?.to_owned()));
            match (http, status) {
                (Some(http), _) => Ok(Ok(http)),
                (None, Some(status)) => Ok(Err(anyhow::anyhow!("it ended with {status}"))),
                (None, None) => anyhow::bail!("it has not said where it listens"),
            }
        })?;
        gateway.address = address.context("start the gateway")?;
        Ok(gateway)
    }

    /// Where it serves its pages: `http://HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs a gateway that is expected to end by itself.
    ///
    /// # Errors
    /// Where it does not end.
    pub fn run_to_its_end(tenant: &Tenant, file: &GatewayFile) -> anyhow::Result<End> {
        Self::spawn(tenant, file, &[])?.end()
    }

    /// Runs another command of the binary to its end, in the tenant's folder, in which `gateway.toml` lies.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn command(tenant: &Tenant, file: &GatewayFile, arguments: &[&str]) -> anyhow::Result<Output> {
        std::fs::write(tenant.folder().join("gateway.toml"), file.text()).context("write gateway.toml")?;
        let mut command = Command::new(binary()?);
        command.args(arguments).current_dir(tenant.folder()).env("RUST_LOG", "warn");
        command.env(GatewayFile::PASSWORD, &file.password).env(GatewayFile::RIGHT_PASSWORD, Services::password());
        command.output().with_context(|| format!("run tidegate {}", arguments.join(" ")))
    }

    /// Runs a gateway that ends when it has completed what there is.
    ///
    /// # Errors
    /// As for [`Self::run_to_its_end`].
    pub fn run_until_caught_up(tenant: &Tenant, file: &GatewayFile) -> anyhow::Result<End> {
        Self::spawn(tenant, file, UNTIL_CAUGHT_UP)?.end()
    }

    /// The same, and it has to end well.
    ///
    /// # Errors
    /// As for [`Self::run_to_its_end`], and where it ends with another code than 0.
    pub fn catch_up(tenant: &Tenant, file: &GatewayFile) -> anyhow::Result<()> {
        let end = Self::run_until_caught_up(tenant, file)?;
        ensure!(end.code == Some(0), "{end:?}");
        Ok(())
    }

    fn spawn(tenant: &Tenant, file: &GatewayFile, options: &'static [&'static str]) -> anyhow::Result<Self> {
        let path = tenant.folder().join("gateway.toml");
        std::fs::write(&path, file.text()).context("write gateway.toml")?;
        let output = std::fs::File::create(tenant.folder().join(Self::OUTPUT)).context("make a file for the output")?;
        let mut child = spawn(move |command| {
            command.args(["run", "--config"]).arg(&path).args(options);
            command.env("RUST_LOG", "info").env(GatewayFile::PASSWORD, &file.password);
            command.env(GatewayFile::RIGHT_PASSWORD, Services::password());
            command.envs(file.environment.iter().map(|(name, value)| (name, value)));
            command.stdin(Stdio::null()).stderr(Stdio::piped());
            command.stdout(output.try_clone().map_or_else(|_| Stdio::null(), Stdio::from));
        })?;
        let log = Arc::<Mutex<Vec<String>>>::default();
        let stderr = child.stderr.take().context("the gateway has no standard error")?;
        let reader = std::thread::spawn({
            let log = log.clone();
            move || keep(stderr, &log)
        });
        Ok(Self { child, http: tenant.http.clone(), address: String::new(), log, reader: Some(reader) })
    }

    /// The lines of the log so far.
    pub fn log(&self) -> Vec<Value> {
        lock(&self.log).iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The lines of the log so far that have this message.
    pub fn messages(&self, message: &str) -> Vec<Value> {
        let is = |line: &Value| line.get("message").and_then(Value::as_str) == Some(message);
        self.log().into_iter().filter(is).collect()
    }

    /// The page that says how its pipelines are.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn ready(&self) -> anyhow::Result<Answer> {
        self.http.get(&format!("{}/readyz", self.address))
    }

    /// Waits until the page that says how its pipelines are has all of these parts, and returns it.
    ///
    /// # Errors
    /// Where it never has.
    pub fn says(&self, parts: &[&str]) -> anyhow::Result<Answer> {
        eventually("the gateway says so", || {
            let answer = self.ready()?;
            for part in parts {
                ensure!(answer.text.contains(part), "`{part}` is not in:\n{}", answer.text);
            }
            Ok(answer)
        })
    }

    /// Waits until all pipelines run without a problem; that one is parked is none.
    ///
    /// # Errors
    /// Where they never do.
    pub fn is_well(&self) -> anyhow::Result<()> {
        eventually("all pipelines run without a problem", || {
            let answer = self.ready()?;
            let is_note = |line: &&str| line.starts_with("  parked: ") || line.starts_with("  version: ");
            let mut lines = answer.text.lines().filter(|line| !is_note(line));
            let well = lines.all(|line| line.ends_with(": running"));
            ensure!(answer.status == 200 && well, "{} {}", answer.status, answer.text);
            Ok(())
        })
    }

    /// Waits until so many pipelines are parked.
    ///
    /// # Errors
    /// Where they never are.
    pub fn has_parked(&self, pipelines: usize) -> anyhow::Result<()> {
        eventually("idle pipelines are parked", || {
            let parked = self.metric("tidegate_parked", &[])?;
            ensure!(parked == pipelines as f64, "{parked} are parked, not {pipelines}: {}", self.ready()?.text);
            Ok(())
        })
    }

    /// The sum of a metric over all of its samples whose labels have all of these parts, such as `pipeline="sales"`.
    ///
    /// # Errors
    /// Where the page does not answer.
    pub fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let samples = self.samples(name, labels)?;
        Ok(samples.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// The samples themselves.
    ///
    /// # Errors
    /// As for [`Self::metric`].
    pub fn samples(&self, name: &str, labels: &[&str]) -> anyhow::Result<Vec<String>> {
        let answer = self.http.get(&format!("{}/metrics", self.address))?;
        let named = answer.text.lines().filter(|line| line.split('{').next() == Some(name));
        Ok(named.filter(|line| labels.iter().all(|label| line.contains(label))).map(str::to_owned).collect())
    }

    /// The most memory that the process ever had, in bytes.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("there is no VmHWM")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("read VmHWM")?;
        Ok(kilobytes << 10)
    }

    /// Sends SIGTERM.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn terminate(&self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("send SIGTERM")
    }

    /// Lets the process stand still, until it is told to go on.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn freeze(&self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::STOP).context("send SIGSTOP")
    }

    /// Lets the process go on.
    ///
    /// # Errors
    /// As for [`Self::freeze`].
    pub fn thaw(&self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::CONT).context("send SIGCONT")
    }

    /// Waits until the process has ended.
    ///
    /// # Errors
    /// Where it does not.
    pub fn end(mut self) -> anyhow::Result<End> {
        let status: ExitStatus = eventually("the gateway ends", || self.child.try_wait()?.context("it runs"))?;
        self.join_reader();
        let log = std::mem::take(&mut *lock(&self.log));
        show(&log);
        Ok(End { code: status.code(), log })
    }

    /// Sends SIGTERM and waits for an orderly end.
    ///
    /// # Errors
    /// Where it ends in another way.
    pub fn stop(self) -> anyhow::Result<()> {
        self.terminate()?;
        let end = self.end()?;
        ensure!(end.code == Some(0), "the gateway ended with {:?}", end.code);
        Ok(())
    }

    /// Kills the process as a crash would.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("kill the gateway")?;
        self.end().map(|_| ())
    }

    fn join_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // One that ended already is none of this; after `end` there is nothing left to show.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_reader();
        show(&lock(&self.log));
    }
}

/// Prints the end of a log. Shown for tests that fail, kept back for those that pass.
fn show(log: &[String]) {
    let skipped = log.len().saturating_sub(SHOWN_LINES);
    for line in log.iter().skip(skipped) {
        println!("gateway: {line}");
    }
}

fn keep(stderr: ChildStderr, log: &Mutex<Vec<String>>) {
    for line in BufReader::new(stderr).lines() {
        // What a process that was killed said last need not be UTF-8 to the end.
        let Ok(line) = line else { return };
        lock(log).push(line);
    }
}

fn lock(log: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The binary that was built beside the tests.
///
/// # Errors
/// Where it was not, with the command that does.
pub fn binary() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("find the test's own file")?;
    let folder = test.ancestors().nth(2).context("the test's own file has no folder")?;
    let binary = folder.join("tidegate");
    ensure!(binary.exists(), "there is no {}; `make test` builds it", binary.display());
    Ok(binary)
}

/// Spawns the binary so that the kernel ends it with the test, where `setpriv` of util-linux is there to arrange that.
fn spawn(arrange: impl Fn(&mut Command)) -> anyhow::Result<Child> {
    let binary = binary()?;
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig", "KILL", "--"]).arg(&binary);
    arrange(&mut guarded);
    match guarded.spawn() {
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            let mut plain = Command::new(&binary);
            arrange(&mut plain);
            plain.spawn().with_context(|| format!("start {}", binary.display()))
        }
        spawned => spawned.with_context(|| format!("start {}", binary.display())),
    }
}
