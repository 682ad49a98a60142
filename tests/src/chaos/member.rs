//! A gateway of a run: a process with its own folder, which is killed, frozen and started again, and whose log outlives it.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::pipelines::TENANT;
use super::proxy::{FaultProxy, Protocol};
use super::stand::Stand;
use crate::harness::{eventually, with_build};

/// A gateway, and the proxies between it and the databases.
pub struct Member {
    /// Its folder, with `gateway.toml`, `plugins`, `state` and `log`.
    folder: PathBuf,
    child: Option<Child>,
    /// Before ClickHouse.
    pub clickhouse: FaultProxy,
    /// Before PostgreSQL.
    pub postgres: FaultProxy,
}

/// After so long without a word of it, the group does without a member.
pub const SESSION: Duration = Duration::from_secs(3);

/// How long a gateway that is to come to a stop point may take to get there.
pub const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// The signal of a process that aborts.
const ABORTED: i32 = 6;

/// How long a write may take before it is tried again.
pub const DEADLINE: Duration = Duration::from_secs(3);

impl Member {
    /// A gateway that does not run yet.
    ///
    /// # Errors
    /// Where its files cannot be written.
    pub fn new(folder: PathBuf, session: Duration, stand: &Stand) -> anyhow::Result<Self> {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("plugins").join(TENANT)).context("make the plugin directory")?;
        let server = stand.postgres()?;
        let clickhouse = FaultProxy::start(stand.clickhouse()?, Protocol::Http)?;
        let postgres = FaultProxy::start(&server.address, Protocol::Postgres)?;
        let sink = server.at(&postgres.address()).sink("pg", &folder)?;
        let (user, password) = stand.clickhouse_user()?;
        std::fs::write(folder.join("dwh.password"), password).context("write dwh.password")?;
        let (session, deadline) = (session.as_millis(), DEADLINE.as_millis());
        let text = format!(
            "plugins = \"plugins\"\nworkers = 2\ndrain = \"20 s\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n[kafka]\n\
             \"bootstrap.servers\" = \"{}\"\n\"session.timeout.ms\" = {session}\n\"heartbeat.interval.ms\" = 300\n\
             \"topic.metadata.refresh.interval.ms\" = 2000\n\n[sinks.dwh]\ntype = \"clickhouse\"\nurl = \"http://{}\"\n\
             user = \"{user}\"\npassword = {{ file = \"dwh.password\" }}\ntimeout = \"{deadline} ms\"\n\
             inserts_per_second = 50\noutage = \"1 min\"\n\n\
             {}timeout = \"{deadline} ms\"\n",
            stand.kafka()?,
            clickhouse.address(),
            sink.trim_end_matches('\n').to_owned() + "\n",
        );
        std::fs::write(folder.join("gateway.toml"), text).context("write gateway.toml")?;
        Ok(Self { folder, child: None, clickhouse, postgres })
    }

    /// Starts the process. `points` says what happens at its stop points.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self, points: &str) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.folder.join("log")).context("open its log")?;
        // The kernel ends it with this process, where `setpriv` of util-linux is there to arrange that.
        let mut command = if which("setpriv") {
            let mut guarded = Command::new("setpriv");
            guarded.args(["--pdeathsig", "KILL", "--"]).arg(binary()?);
            guarded
        } else {
            Command::new(binary()?)
        };
        command.args(["run", "--config"]).arg(self.folder.join("gateway.toml"));
        command.env("RUST_LOG", "info").env("FAILPOINTS", points);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().context("start a gateway")?);
        Ok(())
    }

    /// Kills the process as a crash would.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("no gateway runs")?;
        child.kill().context("kill a gateway")?;
        child.wait().context("wait for a gateway's end")?;
        Ok(())
    }

    /// Waits so long for its end by itself; none where it goes on.
    ///
    /// # Errors
    /// Where it does not run.
    fn wait_for_end(&mut self, patience: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        let child = self.child.as_mut().context("no gateway runs")?;
        loop {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Starts a process that is to die at a stop point. False where it does not get there in time; it is killed then.
    ///
    /// # Errors
    /// Where it ends in another way.
    pub fn dies(&mut self, points: &str) -> anyhow::Result<bool> {
        self.start(points)?;
        match self.wait_for_end(STOP_PATIENCE)? {
            Some(status) if status.signal() == Some(ABORTED) => Ok(true),
            Some(status) => bail!("it ended with {status} where it was to die by {points}; see its log"),
            None => self.kill().map(|()| false),
        }
    }

    /// Fails where it has ended by itself.
    ///
    /// # Errors
    /// Says how.
    pub fn is_alive(&mut self) -> anyhow::Result<()> {
        match self.child.as_mut().map(Child::try_wait).transpose()? {
            Some(Some(status)) => bail!("{} ended by itself with {status}; see its log", self.folder.display()),
            _ => Ok(()),
        }
    }

    /// Whether the process stands still.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn stands_still(&self) -> anyhow::Result<bool> {
        let child = self.child.as_ref().context("no gateway runs")?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).context("read its state")?;
        // The state is behind the name, which stands in brackets and may hold anything.
        Ok(stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')))
    }

    /// Lets the process stand still, until it is told to go on.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets the process go on.
    ///
    /// # Errors
    /// As for [`Self::freeze`].
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends the process in order.
    ///
    /// # Errors
    /// Where it ends in another way.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let child = self.child.as_mut().context("no gateway runs")?;
        let status = eventually("the gateway ends", || child.try_wait()?.context("it runs"))?;
        self.child = None;
        ensure!(status.success(), "{} ended with {status}", self.folder.display());
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let child = self.child.as_ref().context("no gateway runs")?;
        kill_process(Pid::from_child(child), signal).with_context(|| format!("send {signal:?}"))
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = (child.kill(), child.wait());
        }
    }
}

/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);

/// Puts a file of the tenant's into a gateway's plugin directory, whole, as a careful operator does.
///
/// # Errors
/// Where it cannot be written.
pub fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let plugins = folder.join("plugins").join(TENANT);
    let new = plugins.join(format!(".{name}.new"));
    std::fs::write(&new, bytes).with_context(|| format!("write {}", new.display()))?;
    std::fs::rename(&new, plugins.join(name)).with_context(|| format!("rename to {name}"))
}

/// The plugin, with a section that says which build it is.
///
/// # Errors
/// Where it was not built.
pub fn plugin(build: &str) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-guests/twofold.wasm");
    let bytes = std::fs::read(&path);
    with_build(bytes.with_context(|| format!("read {}; `make test-guests` makes it", path.display()))?, build)
}

/// The binary that was built beside this one, or beside the tests.
fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the program's own file")?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("tidegate"));
    let mut found = beside.filter(|file| file.exists());
    found.next().context("there is no `tidegate` beside this program; `make chaos` builds it")
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}
