//! A gateway that is measured from outside: what /proc says of its process, and what its own pages say.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Http;

/// A process that runs `tidegate`. It ends with this.
pub struct Running {
    child: Child,
    http: Http,
    address: String,
    started: Instant,
}

/// Between two looks: short beside what is measured.
const LOOK: Duration = Duration::from_millis(50);

/// In which Linux tells CPU times, on all machines: see proc(5) and `USER_HZ`.
const TICK: Duration = Duration::from_millis(10);

/// How long the process may take to serve its pages, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    /// Starts the gateway that was built beside the calling binary; its log goes to a file.
    ///
    /// # Errors
    /// Where it ends at once.
    pub fn start(config: &Path, log: &Path) -> anyhow::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("tidegate");
        ensure!(binary.exists(), "there is no {}; `make bench-many` builds it", binary.display());
        let started = Instant::now();
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(config).env("RUST_LOG", "info").stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(File::create(log)?).spawn().context("start the gateway")?;
        let mut gateway = Self { child, http: Http::new()?, address: String::new(), started };
        gateway.address = gateway.find_address(log)?;
        Ok(gateway)
    }

    fn find_address(&mut self, log: &Path) -> anyhow::Result<String> {
        while self.started.elapsed() < PATIENCE {
            for line in BufReader::new(File::open(log)?).lines() {
                let Ok(line) = serde_json::from_str::<serde_json::Value>(&line?) else { continue };
                if let Some(address) = line.get("http").and_then(serde_json::Value::as_str) {
                    return Ok(address.to_owned());
                }
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the gateway ended with {status}; {} says why", log.display());
            }
            std::thread::sleep(LOOK);
        }
        bail!("the gateway does not say where it listens: {}", log.display())
    }

    /// Since the process was started.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until a metric, summed over its samples, is what it is to be.
    ///
    /// # Errors
    /// Where it is not within `patience`.
    pub fn wait_for(&self, metric: &str, wanted: usize, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        loop {
            let sum = self.metric(metric)?;
            if sum == wanted as f64 {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{metric} is {sum} after {patience:?}, not {wanted}");
            std::thread::sleep(LOOK);
        }
    }

    /// A metric, summed over its samples.
    ///
    /// # Errors
    /// Where the page does not answer.
    pub fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let answer = self.http.get(&format!("{}/metrics", self.address))?;
        let samples = answer.text.lines().filter(|line| line.split('{').next() == Some(name));
        Ok(samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// What is resident, in bytes.
    ///
    /// # Errors
    /// Where the process has ended.
    pub fn resident(&self) -> anyhow::Result<u64> {
        Ok(self.status("VmRSS:")? << 10)
    }

    /// How many threads it has.
    ///
    /// # Errors
    /// Where the process has ended.
    pub fn threads(&self) -> anyhow::Result<u64> {
        self.status("Threads:")
    }

    fn status(&self, name: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let figure = line.and_then(|line| line.split_whitespace().next());
        figure.with_context(|| format!("/proc has no {name}"))?.parse().with_context(|| format!("read {name}"))
    }

    /// User and system time that it has used so far.
    ///
    /// # Errors
    /// Where the process has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which stands in brackets, the 12th and 13th: see proc(5).
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>().context("read stat")?;
        Ok(TICK.mul_f64(ticks.into_iter().sum::<u64>() as f64))
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// Where it ends in another way, or not at all.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("send SIGTERM")?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the gateway ended with {status}");
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("the gateway does not end within {PATIENCE:?}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended already is none of this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
