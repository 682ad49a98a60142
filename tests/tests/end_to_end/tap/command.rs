//! The command `tidegate tap` beside a gateway, and a listener that stands still.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidegate_tests::harness::{Gateway, Tenant, binary, eventually};

/// How the command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// What was shown, where it ended well.
    pub fn samples(self) -> anyhow::Result<Vec<Value>> {
        ensure!(self.code == Some(0), "it ended with {:?}: {}", self.code, self.err);
        let lines: Vec<Value> = self.out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let kinds: Vec<_> = [lines.first(), lines.last()].into_iter().flatten().map(|line| &line["kind"]).collect();
        ensure!(kinds == ["start", "end"], "{kinds:?}");
        Ok(lines.into_iter().filter(|line| line["kind"] == "record" || line["kind"] == "range").collect())
    }
}

/// Taps the tenant's pipeline `sales` until the command ends.
pub(super) fn tap(gateway: &Gateway, tenant: &Tenant, arguments: &[&str]) -> anyhow::Result<Ended> {
    Tapping::start(gateway, tenant, arguments)?.end()
}

pub(super) fn run_tap(gateway: &Gateway, pipeline: &str, arguments: &[&str]) -> anyhow::Result<Ended> {
    Tapping::of(gateway, pipeline, arguments)?.end()
}

/// The command while it runs; it ends with this.
pub(super) struct Tapping {
    child: Child,
    folder: tempfile::TempDir,
}

impl Tapping {
    pub fn start(gateway: &Gateway, tenant: &Tenant, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::of(gateway, &format!("{}/sales", tenant.name), arguments)
    }

    pub fn of(gateway: &Gateway, pipeline: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| std::fs::File::create(folder.path().join(name));
        let mut command = Command::new(binary()?);
        command.args(["tap", pipeline, "--url", gateway.address()]).args(arguments);
        let child = command.stdin(Stdio::null()).stdout(file("out")?).stderr(file("err")?).spawn()?;
        Ok(Self { child, folder })
    }

    /// Waits until the gateway has told it what it taps.
    pub fn listens(&self) -> anyhow::Result<()> {
        eventually("somebody listens", || {
            let out = std::fs::read_to_string(self.folder.path().join("out"))?;
            ensure!(!out.is_empty(), "the tap has said nothing");
            Ok(())
        })
    }

    pub fn end(mut self) -> anyhow::Result<Ended> {
        let status = eventually("the tap ends", || self.child.try_wait()?.context("it goes on"))?;
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name));
        Ok(Ended { code: status.code(), out: read("out")?, err: read("err")? })
    }
}

impl Drop for Tapping {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for a stream and reads no more than the head of the answer.
pub(super) fn ask(gateway: &Gateway, path: &str) -> anyhow::Result<TcpStream> {
    let address = gateway.address().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    ensure!(&head == b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&head));
    Ok(stream)
}

/// Reads until the stream says that samples were skipped.
pub(super) fn read_until_skipped(stream: &mut TcpStream) -> anyhow::Result<()> {
    // Enough counts to be sure: what is skipped is in the first that comes behind what was sent before.
    let mut counts = 0;
    for line in BufReader::new(stream).split(b'\n') {
        // Between the lines stand those of the chunks.
        let line = String::from_utf8_lossy(&line?).into_owned();
        let Some((_, count)) = line.split_once("{\"kind\":\"count\"") else { continue };
        if !count.contains("\"skipped\":0}") {
            return Ok(());
        }
        counts += 1;
        ensure!(counts < 10, "nothing was skipped");
    }
    bail!("the stream ended, and nothing was skipped")
}
