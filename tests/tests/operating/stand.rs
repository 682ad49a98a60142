//! A pipeline of sales that delivers exactly once, in ranges of four records, whose rows say where their records stood; and plans that a test
//! has written.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use tidegate_tests::harness::{Gateway, GatewayFile, Message, PipelineFile, Services, Tenant, binary, eventually};

/// A tenant with a topic and a table.
pub struct Stand {
    pub tenant: Tenant,
    pub topic: String,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Records in a range.
pub const RANGE: i64 = 4;

/// A bundle that nobody has.
pub const GONE: &str = "ffffffffffffffffffffffffffffffff";

impl Stand {
    pub fn new(name: &str, partitions: i32) -> anyhow::Result<Self> {
        let tenant = Tenant::new(name)?;
        let topic = tenant.create_topic("sales", partitions)?;
        tenant.create_tables("sales")?;
        let stand = Self { tenant, topic };
        stand.tenant.install(&stand.pipeline()?)?;
        Ok(stand)
    }

    pub fn pipeline(&self) -> anyhow::Result<PipelineFile> {
        let mut file = self.tenant.pipeline("sales", &self.topic)?;
        file.section("[batch]\nrecords = 4\nlinger = \"100 ms\"");
        Ok(file)
    }

    pub fn gateway_file(&self) -> GatewayFile {
        self.tenant.gateway_file()
    }

    pub fn start(&self) -> anyhow::Result<Gateway> {
        Gateway::start(&self.tenant, &self.gateway_file())
    }

    pub fn group(&self) -> String {
        format!("tidegate.{}.sales", self.tenant.name)
    }

    pub fn partition(&self, number: i32) -> String {
        format!("{}/{number}", self.topic)
    }

    pub fn folder(&self) -> PathBuf {
        self.tenant.folder().join("plugins").join(&self.tenant.name)
    }

    /// Writes sales to a partition.
    pub fn write(&self, partition: i32, offsets: std::ops::Range<i64>) -> anyhow::Result<()> {
        self.tenant.kafka.send(&self.topic, partition, &sales(offsets))
    }

    /// What the group's commit of a partition says besides its offset.
    pub fn metadata(&self, partition: usize) -> anyhow::Result<String> {
        let metadata = self.tenant.group("sales", &self.topic)?.metadata()?;
        metadata.get(partition).cloned().context("there is no such partition")
    }

    /// Lets a gateway die when it has planned the first ranges and sent nothing of them.
    pub fn die_planned(&self) -> anyhow::Result<String> {
        self.die_at("planned")?;
        let metadata = self.metadata(0)?;
        ensure!(metadata.contains(" plan="), "nothing is planned: {metadata}");
        Ok(metadata)
    }

    /// Runs a gateway that dies when it comes to a stop point.
    pub fn die_at(&self, point: &str) -> anyhow::Result<()> {
        let mut file = self.gateway_file();
        file.environment.push(("FAILPOINTS", format!("{point}=return")));
        let end = Gateway::run_to_its_end(&self.tenant, &file)?;
        ensure!(end.code.is_none(), "it ended with {:?}", end.code);
        Ok(())
    }

    /// Three ranges of four records, of which nothing was sent, and the first of which names a bundle that is gone.
    pub fn plan_with_a_bundle_that_is_gone(&self) -> anyhow::Result<()> {
        let (gone, _) = self.plans()?;
        self.say(0, 0, &gone)
    }

    /// The same, but all of the second and the third range is in the table.
    pub fn plan_with_a_bundle_that_is_gone_and_rows_behind(&self) -> anyhow::Result<()> {
        let (gone, behind) = self.plans()?;
        self.say(0, RANGE, &behind)?;
        let gateway = self.start()?;
        self.commits_are(&[3 * RANGE])?;
        gateway.stop()?;
        self.say(0, 0, &gone)
    }

    /// What a commit of offset 0 says of three ranges of which the first names a bundle that is gone, and one of the second's offset of the
    /// other two.
    fn plans(&self) -> anyhow::Result<(String, String)> {
        let metadata = self.die_planned()?;
        let word = |wanted: &str| metadata.split(' ').find(|word| word.starts_with(wanted)).context("it lacks a word");
        let (lineage, began) = (word("lineage=")?, word("began=")?);
        let bundle = word("bundles=")?.trim_start_matches("bundles=");
        let at = chrono::Utc::now().timestamp();
        let words = format!("tidegate/1 {} {began} {lineage}", word("partitions=")?);
        let gone = format!("{words} bundles={GONE},{bundle} plan=0.4.0.{at};0.4.1.{at};0.4.1.{at}");
        Ok((gone, format!("{words} bundles={bundle} plan=0.4.0.{at};0.4.0.{at}")))
    }

    /// Sets a commit of the group, once it has no member.
    pub fn say(&self, partition: i32, offset: i64, metadata: &str) -> anyhow::Result<()> {
        eventually("the group takes a commit of no member", || {
            self.tenant.kafka.commit_saying(&self.group(), (&self.topic, partition), offset, metadata)
        })
    }

    /// Where the records stood that became rows, in order.
    pub fn rows(&self, partition: i32) -> anyhow::Result<Vec<i64>> {
        let table = &self.tenant.name;
        let question = format!("SELECT _offset FROM {table}.sales WHERE _partition = {partition} ORDER BY _offset");
        let rows = self.tenant.clickhouse.lines(&question)?;
        rows.iter().map(|row| row.parse().context("read an offset")).collect()
    }

    /// Waits until these are the rows of a partition.
    pub fn rows_are(&self, partition: i32, expected: &[i64]) -> anyhow::Result<()> {
        eventually("the rows are there", || {
            let rows = self.rows(partition)?;
            ensure!(rows == expected, "rows are {rows:?}, not {expected:?}");
            Ok(())
        })
    }

    /// Waits until the group's offsets are these.
    pub fn commits_are(&self, expected: &[i64]) -> anyhow::Result<()> {
        self.tenant.group("sales", &self.topic)?.commits_are(expected)
    }

    /// Runs `tidegate plan` with these arguments.
    pub fn plan(&self, arguments: &[&str]) -> anyhow::Result<Ended> {
        let output = Gateway::command(&self.tenant, &self.gateway_file(), &[&["plan"], arguments].concat())?;
        Ended::of(output)
    }

    /// Decides about the first partition, for good.
    pub fn decide(&self, decision: &str, more: &[&str]) -> anyhow::Result<Ended> {
        let (group, partition) = (self.group(), self.partition(0));
        self.plan(&[&[decision, "--group", &group, &partition, "--yes"], more].concat())
    }

    /// Runs a line in a shell, as somebody does who has pasted it.
    pub fn paste(&self, line: &str) -> anyhow::Result<Ended> {
        let folder = binary()?.parent().context("the binary has no folder")?.to_owned();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH")?);
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir("/").env("PATH", path).env("RUST_LOG", "warn");
        command.env(GatewayFile::PASSWORD, Services::password());
        command.env(GatewayFile::RIGHT_PASSWORD, Services::password());
        Ended::of(command.output().with_context(|| format!("run {line}"))?)
    }
}

impl Ended {
    fn of(output: std::process::Output) -> anyhow::Result<Self> {
        let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        println!("{out}{err}");
        Ok(Self { code: output.status.code(), out, err })
    }

    /// Fails if the code is another, or one of these parts was not said.
    pub fn says(&self, code: i32, parts: &[&str]) -> anyhow::Result<()> {
        let text = format!("{}{}", self.out, self.err);
        for part in parts {
            ensure!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        ensure!(self.code == Some(code), "it ended with {:?}:\n{text}", self.code);
        Ok(())
    }
}

/// Sales of one product, numbered.
pub fn sales(numbers: std::ops::Range<i64>) -> Vec<Message> {
    numbers.map(|number| Message::sale(number, 1_700_000_000_000)).collect()
}
