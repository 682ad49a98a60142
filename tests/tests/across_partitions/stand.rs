//! Numbers in many partitions that become two rows each, are rejected, or trap.

use anyhow::ensure;
use tidegate_demo::produce::Writer;
use tidegate_tests::harness::{End, Feed, Gateway, GatewayFile, Message, Numbers, PipelineFile, Tenant, eventually};

/// A tenant with a pipeline that writes across partitions.
pub struct Stand {
    pub tenant: Tenant,
    pub topic: String,
    partitions: i32,
    inserts: Option<u32>,
}

/// What is not as usual.
#[derive(Default)]
pub struct Unusual<'a> {
    /// More lines of the section `[batch]`.
    pub batch: &'a str,
    /// What the table of one route demands of its rows.
    pub check: &'a str,
    /// More lines of the pipeline file.
    pub top: &'a str,
    /// How many inserts a second a table takes.
    pub inserts: Option<u32>,
}

impl Stand {
    pub fn new(test: &str, partitions: i32, unusual: &Unusual<'_>) -> anyhow::Result<Self> {
        let Unusual { batch, check, top, inserts } = unusual;
        let tenant = Tenant::new(test)?;
        let topic = tenant.create_topic("numbers", partitions)?;
        let name = &tenant.name;
        for (table, check) in [("numbers", *check), ("copies", "")] {
            tenant.clickhouse.run(&format!(
                "CREATE TABLE {name}.{table} (number Int64, route LowCardinality(String), version String, _partition Int32, \
                 _offset Int64{check}) ENGINE = MergeTree ORDER BY number SETTINGS non_replicated_deduplication_window = 10000"
            ))?;
        }
        let text = format!(
            "topics = [\"{topic}\"]\ndead_letter = \"{topic}.dead\"\n{top}\n[batch]\nacross_partitions = true\n{batch}\n[routes]\n\
             number = \"dwh:{name}.numbers\"\ncopy = \"dwh:{name}.copies\"\n"
        );
        tenant.install(&PipelineFile { name: "numbers".to_owned(), plugin: "twofold", text })?;
        Ok(Self { tenant, topic, partitions, inserts: *inserts })
    }

    pub fn file(&self) -> GatewayFile {
        let mut file = self.tenant.gateway_file();
        file.inserts_per_second = self.inserts.unwrap_or(file.inserts_per_second);
        file
    }

    pub fn start(&self) -> anyhow::Result<Gateway> {
        Gateway::start(&self.tenant, &self.file())
    }

    /// The numbers from 1 to `last`, one partition after the other.
    pub fn write(&self, last: i64) -> anyhow::Result<()> {
        for partition in 0..self.partitions {
            let numbers = (1..=last).filter(|number| self.partition_of(*number) == i64::from(partition));
            let message = |number: i64| Message {
                value: Some(number.to_string().into_bytes()),
                timestamp: 1_795_000_000_000,
                ..Message::default()
            };
            self.tenant.kafka.send(&self.topic, partition, &numbers.map(message).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn partition_of(&self, number: i64) -> i64 {
        (number - 1) % i64::from(self.partitions)
    }

    /// Writes one number after the other in the same way.
    pub fn writer(&self) -> anyhow::Result<Writer> {
        Writer::new(self.tenant.kafka.brokers(), &self.topic, self.partitions)
    }

    /// They keep coming, so many a second.
    pub fn feed(&self, rate: f64) -> anyhow::Result<Feed> {
        Ok(Feed::start(self.writer()?, Numbers::default(), rate))
    }

    /// Runs a gateway that dies when it comes to a stop point for the time after `passes`.
    pub fn die_at(&self, point: &str, passes: usize) -> anyhow::Result<()> {
        let mut file = self.file();
        let passed = if passes > 0 { format!("{passes}*off->") } else { String::new() };
        file.environment.push(("FAILPOINTS", format!("{point}={passed}return")));
        let End { code, log } = Gateway::run_to_its_end(&self.tenant, &file)?;
        ensure!(code.is_none(), "it ended with {code:?} before it came to {point}: {log:#?}");
        Ok(())
    }

    /// How many ranges of other partitions the plans of the group name.
    pub fn joined(&self) -> anyhow::Result<usize> {
        let plans = self.tenant.group("numbers", &self.topic)?.metadata()?;
        let plans = plans.iter().filter_map(|metadata| metadata.split(' ').find(|word| word.starts_with("plan=")));
        Ok(plans.map(|plan| plan.matches('+').count()).sum())
    }

    /// Waits until all is complete; then each of the numbers from 1 to `last` is in each table once, or in the dead letters once. `refused` says
    /// of which the table `numbers` refuses the row.
    pub fn arrives_once(&self, last: i64, refused: impl Fn(i64) -> bool) -> anyhow::Result<()> {
        self.tenant.wait_for("numbers", &self.topic)?;
        for (table, without) in [("numbers", true), ("copies", false)] {
            let query = format!("SELECT number FROM {}.{table} ORDER BY number", self.tenant.name);
            let rows: Vec<i64> =
                self.tenant.clickhouse.lines(&query)?.iter().map(|line| line.parse()).collect::<Result<_, _>>()?;
            let expected: Vec<i64> =
                (1..=last).filter(|number| !(is_poison(*number) || without && refused(*number))).collect();
            ensure!(rows == expected, "{table}: {}", differences(&rows, &expected));
        }
        let expected: Vec<i64> = (1..=last).filter(|number| is_poison(*number) || refused(*number)).collect();
        // Letters that lie behind an open transaction of a gateway that died are there, and seen when the broker has ended that.
        eventually("the letters are seen", || {
            let mut of = Vec::new();
            for letter in self.tenant.kafka.read(&format!("{}.dead", self.topic))? {
                let Message { value, headers, .. } = letter.message;
                let number: i64 = std::str::from_utf8(&value.unwrap_or_default())?.parse()?;
                let header = |name: &str| {
                    let value = headers.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.clone());
                    String::from_utf8(value.unwrap_or_default())
                };
                let partition: i64 = header("tidegate-partition")?.parse()?;
                ensure!(partition == self.partition_of(number), "{number} is said to be of {partition}");
                let offset: i64 = header("tidegate-offset")?.parse()?;
                ensure!(
                    offset == (number - 1) / i64::from(self.partitions),
                    "{number} is said to be at offset {offset}"
                );
                of.push(number);
            }
            of.sort_unstable();
            ensure!(of == expected, "letters: {}", differences(&of, &expected));
            Ok(())
        })
    }
}

/// What the plugin rejects, or traps on.
pub fn is_poison(number: i64) -> bool {
    matches!(number % 97, 1 | 2)
}

fn differences(found: &[i64], expected: &[i64]) -> String {
    let missing: Vec<_> = expected.iter().filter(|number| found.binary_search(number).is_err()).take(20).collect();
    let doubled: Vec<_> = found.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).take(20).collect();
    let foreign: Vec<_> = found.iter().filter(|number| expected.binary_search(number).is_err()).take(20).collect();
    format!("{} of {}; missing {missing:?}, doubled {doubled:?}, foreign {foreign:?}", found.len(), expected.len())
}
