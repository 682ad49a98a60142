//! One pipeline of sales, whose rows say where their records stood.

use anyhow::ensure;
use tidegate_tests::harness::{Message, PipelineFile, Tenant, eventually};

/// A tenant with a topic and a table.
pub struct Stand {
    pub tenant: Tenant,
    pub topic: String,
}

/// The timestamps of records: a second each from here on, long before any test.
pub const EPOCH: i64 = 1_700_000_000_000;

impl Stand {
    pub fn new(name: &str, partitions: i32) -> anyhow::Result<Self> {
        let tenant = Tenant::new(name)?;
        let topic = tenant.create_topic("sales", partitions)?;
        tenant.create_counting_tables("sales")?;
        Ok(Self { tenant, topic })
    }

    /// A pipeline file with more lines at its top and more sections at its end.
    pub fn file(&self, name: &str, top: &str, sections: &str) -> anyhow::Result<PipelineFile> {
        let mut file = self.tenant.pipeline("sales", &self.topic)?;
        file.name = name.to_owned();
        file.text.insert_str(0, &format!("{top}\ndelivery = \"at-least-once\"\n"));
        file.section(sections);
        Ok(file)
    }

    /// Installs the pipeline `sales`, whose ranges are soon closed.
    pub fn install(&self, top: &str, sections: &str) -> anyhow::Result<()> {
        let soon = "[batch]\nlinger = \"100 ms\"\n";
        self.tenant.install(&self.file("sales", top, &format!("{soon}{sections}"))?)
    }

    /// Writes sales to a partition, one a second by their timestamps.
    pub fn write(&self, partition: i32, offsets: std::ops::Range<i64>) -> anyhow::Result<()> {
        self.tenant.kafka.send(&self.topic, partition, &sales(offsets))
    }

    /// Where the records stood that became rows, as `PARTITION/OFFSET`, in order.
    pub fn rows(&self) -> anyhow::Result<Vec<String>> {
        let columns = "concat(toString(_partition), '/', toString(_offset))";
        let table = &self.tenant.name;
        self.tenant.clickhouse.lines(&format!("SELECT {columns} FROM {table}.sales ORDER BY _partition, _offset"))
    }

    /// Waits until these are the rows, each once.
    pub fn rows_are(&self, expected: &[(i32, std::ops::Range<i64>)]) -> anyhow::Result<()> {
        let expected: Vec<_> = expected
            .iter()
            .flat_map(|(partition, offsets)| offsets.clone().map(move |offset| format!("{partition}/{offset}")))
            .collect();
        eventually("the rows are there", || {
            let rows = self.rows()?;
            ensure!(rows == expected, "rows are {rows:?}, not {expected:?}");
            Ok(())
        })
    }

    /// Waits until the group's offsets are these.
    pub fn commits_are(&self, expected: &[i64]) -> anyhow::Result<()> {
        self.tenant.group("sales", &self.topic)?.commits_are(expected)
    }
}

/// Sales whose timestamps are as many seconds behind [`EPOCH`] as these numbers say.
pub fn sales(seconds: std::ops::Range<i64>) -> Vec<Message> {
    seconds.map(|second| Message::sale(second, EPOCH + 1_000 * second)).collect()
}
