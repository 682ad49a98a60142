//! Kafka, ClickHouse and PostgreSQL of a run's own, to be killed and started again on their ports and data. They end with this process,
//! however it ends: their supervisor runs a command that reads a pipe of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{PostgresServer, eventually};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The broker.
    Kafka,
    /// The engine behind its HTTP server.
    ClickHouse,
    /// PostgreSQL.
    Postgres,
}

/// All of them.
pub struct Stand {
    supervisor: Child,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Service {
    /// As `services.py` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::ClickHouse => "clickhouse",
            Self::Postgres => "postgres",
        }
    }

    /// How it dies. PostgreSQL calls its own way "immediate": nothing is flushed, and the start after it recovers. SIGKILL would leave
    /// a segment of shared memory behind on the machine.
    fn death(self) -> Signal {
        if self == Self::Postgres { Signal::QUIT } else { Signal::KILL }
    }
}

impl Stand {
    /// Starts all services; their logs go to `folder`.
    ///
    /// # Errors
    /// Where one does not come up.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let environment = folder.join("env");
        let _ = std::fs::remove_file(&environment);
        let mut command = script();
        command.args(["run", "kafka", "clickhouse", "postgres", "--dir"]).arg(folder).args(["--", "cat"]);
        // That services die is no news here.
        let log = std::fs::File::create(folder.join("supervisor.log")).context("make a log for the services")?;
        let mut supervisor = command.stdin(Stdio::piped()).stderr(log).spawn().context("start the services")?;
        let variables = eventually("the services are up", || match supervisor.try_wait()? {
            Some(status) => Ok(Err(anyhow::anyhow!("the services ended with {status}; see {}", folder.display()))),
            None => Ok(Ok(variables(&std::fs::read_to_string(&environment).context("they are not up")?))),
        })??;
        Ok(Self { supervisor, folder: folder.to_owned(), variables })
    }

    /// The broker's host and port.
    ///
    /// # Errors
    /// Where the services did not say.
    pub fn kafka(&self) -> anyhow::Result<&str> {
        self.variable("TIDEGATE_TEST_KAFKA")
    }

    /// ClickHouse's host and port.
    ///
    /// # Errors
    /// As for [`Self::kafka`].
    pub fn clickhouse(&self) -> anyhow::Result<&str> {
        Ok(self.variable("TIDEGATE_TEST_CLICKHOUSE")?.trim_start_matches("http://"))
    }

    /// Name and password of ClickHouse's user.
    ///
    /// # Errors
    /// As for [`Self::kafka`].
    pub fn clickhouse_user(&self) -> anyhow::Result<(String, String)> {
        let variable = |name| self.variable(name).map(str::to_owned);
        Ok((variable("TIDEGATE_TEST_CLICKHOUSE_USER")?, variable("TIDEGATE_TEST_CLICKHOUSE_PASSWORD")?))
    }

    /// PostgreSQL.
    ///
    /// # Errors
    /// As for [`Self::kafka`].
    pub fn postgres(&self) -> anyhow::Result<PostgresServer> {
        PostgresServer::parse(self.variable("TIDEGATE_TEST_POSTGRES")?)
    }

    fn variable(&self, name: &str) -> anyhow::Result<&str> {
        self.variables.get(name).map(String::as_str).with_context(|| format!("the services did not say {name}"))
    }

    /// Kills a service; its data stays.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn kill(&self, service: Service) -> anyhow::Result<()> {
        let file = self.folder.join(format!("{}.pid", service.name()));
        let id: i32 =
            std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?.trim().parse()?;
        let pid = Pid::from_raw(id).context("a process has a number above 0")?;
        kill_process(pid, service.death()).with_context(|| format!("kill {}", service.name()))?;
        let process = PathBuf::from(format!("/proc/{id}"));
        eventually("the service is dead", || {
            ensure!(!process.exists(), "{} lives", service.name());
            Ok(())
        })
    }

    /// Starts a service that was killed, on its port and data, and waits until it answers.
    ///
    /// # Errors
    /// Where it does not.
    pub fn start_again(&self, service: Service) -> anyhow::Result<()> {
        let status = script().args(["restart", service.name(), "--dir"]).arg(&self.folder).status();
        let status = status.with_context(|| format!("start {}", service.name()))?;
        ensure!(status.success(), "{} does not start again; its log is in {}", service.name(), self.folder.display());
        Ok(())
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

fn script() -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("services/services.py"));
    // Beside whatever else this machine runs.
    command.env("TIDEGATE_KAFKA_HEAP", HEAP);
    command
}

/// Of the broker: half of its usual one does for what a run writes.
const HEAP: &str = "512m";

/// How long a service is dead at least, so that its clients notice.
pub const DEAD: Duration = Duration::from_secs(1);

/// Lines of `export NAME=VALUE`.
fn variables(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
