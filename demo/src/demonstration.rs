//! A demonstration from its start to its summary: an embedded Kafka, a shop that writes to it, and a gateway with the file
//! sink, all in this process. `main` and the demonstration's test call it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tidegate::config::GatewaySettings;
use tidegate::plugin::EngineSettings;
use tidegate::{Gateway, GatewayFault};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::dead_letters::{DeadLetters, Seen};
use crate::embedded_kafka::EmbeddedKafka;
use crate::live_view::{Act, Figures, Scene};
use crate::output::Output;
use crate::produce::Writer;
use crate::shop::{Options, Sales, Stock};
use crate::summary::{PipelineSummary, Summary};
use crate::text::printable;
use crate::traffic::{Lane, Made, MadeByTopic, Trade, Traffic};
use crate::watch::{PARTITIONS, Watch};

/// Of ten records so many are sales; the others are stock movements.
const SALES_OF_TEN: u64 = 7;

/// How often figures are looked at.
const TICK: Duration = Duration::from_millis(250);

/// How soon it is noticed that the gateway has read everything.
const CATCH_UP_TICK: Duration = Duration::from_millis(20);

/// How long the gateway may take to read what was written when the end is asked for. It is a second behind at most; what
/// a stopped partition leaves unread must not hold the summary.
const CATCH_UP: Duration = Duration::from_secs(5);

/// How long a table's last row is shown.
const SAMPLE_TIME: u64 = 4;

/// What to demonstrate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where plugins and pipeline files lie.
    pub plugins: PathBuf,
    /// Records a second, of all topics.
    pub rate: f64,
    /// The share of malformed records.
    pub malformed: f64,
    /// How many records to write; no end without.
    pub records: Option<u64>,
    /// The same seed makes the same records.
    pub seed: u64,
    /// How plugins are run.
    pub engine: EngineSettings,
    /// When the program started.
    pub started: Instant,
}

/// A demonstration that runs.
pub struct Demonstration {
    observer: Observer,
    parts: Parts,
    /// Last, for it must outlive its clients.
    kafka: EmbeddedKafka,
}

/// What runs, and must be brought to its end.
struct Parts {
    traffic: Traffic,
    gateway: JoinHandle<Result<(), GatewayFault>>,
    letters: DeadLetters,
    /// Ends the gateway.
    stop: CancellationToken,
}

/// What looks at it.
struct Observer {
    scene: Scene,
    output: Output,
    watch: Watch,
    made: Box<dyn Fn() -> MadeByTopic + Send>,
    seen: Box<dyn Fn() -> Seen + Send>,
    started: Instant,
    act: Act,
    first_rows: Option<Duration>,
}

impl Demonstration {
    /// Starts all parts.
    ///
    /// # Errors
    /// Where a part cannot start: no plugins, no port, no disk.
    pub async fn start(settings: Settings, output: Output) -> anyhow::Result<Self> {
        let kafka = EmbeddedKafka::start()?;
        let brokers = kafka.brokers();
        output.write_settings(brokers, &settings.plugins)?;
        let gateway = GatewaySettings::read(&output.settings()).map_err(|faults| anyhow!("{faults}"))?;
        let gateway = Gateway::prepare(gateway, settings.engine.clone()).await?;
        let watch = Watch::new(gateway.statuses().all(), &settings.plugins).context("read the pipeline files")?;
        let mut topics = watch.topics();
        topics.extend(["sales".to_owned(), "stock".to_owned()]);
        for topic in &topics {
            kafka.create_topic(topic, PARTITIONS)?;
        }
        let dead_letter_topics: Vec<_> = watch.dead_letter_topics().difference(&topics).cloned().collect();
        for topic in &dead_letter_topics {
            kafka.create_topic(topic, 1)?;
        }
        let scene = Scene {
            brokers: brokers.to_owned(),
            rate: settings.rate as u64,
            plugins: settings.plugins.display().to_string(),
            rows: output.rows().display().to_string(),
            http: gateway.address().map(|address| format!("http://{address}")).unwrap_or_default(),
            log: output.log().display().to_string(),
        };
        let stop = CancellationToken::new();
        let gateway = tokio::spawn(gateway.run(stop.clone()));
        let traffic = Traffic::start(lanes(&settings, brokers, &watch)?)?;
        let letters = DeadLetters::start(brokers, &dead_letter_topics, &output.dead_letters())?;
        let observer = Observer {
            scene,
            output,
            watch,
            made: Box::new(traffic.made()),
            seen: Box::new(letters.seen()),
            started: settings.started,
            act: Act::Running,
            first_rows: None,
        };
        Ok(Self { observer, parts: Parts { traffic, gateway, letters, stop }, kafka })
    }

    /// Runs until `end`, or until all records that were asked for are written; then drains. `show` is called with every
    /// look at the figures.
    ///
    /// # Errors
    /// Where a part fails or the files cannot be read.
    pub async fn run(
        self,
        end: impl Future<Output = ()>,
        show: &mut (dyn FnMut(&Scene, &Figures) + Send),
    ) -> anyhow::Result<Summary> {
        let Self { mut observer, parts, kafka } = self;
        let mut ticks = tokio::time::interval(TICK);
        tokio::pin!(end);
        while !parts.traffic.is_finished() && !parts.gateway.is_finished() {
            tokio::select! {
                () = &mut end => break,
                _ = ticks.tick() => observer.look(show),
            }
        }
        observer.act = Act::Draining;
        let elapsed = observer.started.elapsed();
        let reads = observer.reads();
        let drained = parts.drain(reads);
        tokio::pin!(drained);
        loop {
            tokio::select! {
                result = &mut drained => break result?,
                _ = ticks.tick() => observer.look(show),
            }
        }
        observer.look(show);
        // All of its clients have ended.
        drop(kafka);
        observer.summary(elapsed)
    }
}

/// What each topic is written with.
fn lanes(settings: &Settings, brokers: &str, watch: &Watch) -> anyhow::Result<Vec<(String, Lane)>> {
    let options = Options { malformed: settings.malformed, ..Options::default() };
    let sales: Box<dyn Trade> = Box::new(Sales::new(settings.seed, options.clone()));
    let stock: Box<dyn Trade> = Box::new(Stock::new(settings.seed, options));
    let lane = |topic: &str, trade, of_ten: u64| -> anyhow::Result<_> {
        let writer = Writer::new(brokers, topic, PARTITIONS)?;
        let rate = settings.rate * of_ten as f64 / 10.0;
        let most = settings.records.map(|records| records * of_ten / 10);
        Ok((topic.to_owned(), Lane { trade, writer, rate, most, read: Box::new(watch.read_of(topic)) }))
    };
    Ok(vec![lane("sales", sales, SALES_OF_TEN)?, lane("stock", stock, 10 - SALES_OF_TEN)?])
}

/// By topic: how many of its records were read.
type Reads = Vec<(String, Box<dyn Fn() -> Option<u64> + Send>)>;

impl Parts {
    /// Ends all parts in the order of a record's path, so that every record comes to its end.
    async fn drain(self, reads: Reads) -> anyhow::Result<()> {
        let Self { traffic, gateway, letters, stop } = self;
        let made = traffic.made();
        let written = spawn_blocking(|| traffic.finish()).await.context("stop writing records")?;
        let deadline = Instant::now() + CATCH_UP;
        while has_unread(&made(), &reads) && !gateway.is_finished() && Instant::now() < deadline {
            tokio::time::sleep(CATCH_UP_TICK).await;
        }
        stop.cancel();
        gateway.await.context("run the gateway")??;
        spawn_blocking(|| letters.finish()).await.context("stop reading dead letters")??;
        written
    }
}

fn has_unread(made: &MadeByTopic, reads: &Reads) -> bool {
    reads.iter().any(|(topic, read)| {
        let made = made.get(topic).map_or(0, |made| made.records);
        read().is_some_and(|read| read < made)
    })
}

impl Observer {
    fn reads(&self) -> Reads {
        let topics = (self.made)().into_keys();
        topics.map(|topic| (topic.clone(), Box::new(self.watch.read_of(&topic)) as Box<_>)).collect()
    }

    fn look(&mut self, show: &mut (dyn FnMut(&Scene, &Figures) + Send)) {
        let (now, elapsed) = (Instant::now(), self.started.elapsed());
        let pipelines = self.watch.figures(now);
        let tables: Vec<_> = pipelines.iter().flat_map(|pipeline| &pipeline.routes).collect();
        if tables.iter().any(|route| route.rows > 0) {
            self.first_rows.get_or_insert(elapsed);
        }
        let turn = usize::try_from(elapsed.as_secs() / SAMPLE_TIME).unwrap_or_default() % tables.len().max(1);
        let last_row = tables.get(turn).and_then(|route| {
            let row = self.output.last_row(&route.table)?;
            Some((route.table.clone(), printable(row.as_bytes())))
        });
        let last_letter = (self.seen)().last;
        let (act, first_rows) = (self.act, self.first_rows);
        show(&self.scene, &Figures { elapsed, act, first_rows, pipelines, last_row, last_letter });
    }

    fn summary(mut self, elapsed: Duration) -> anyhow::Result<Summary> {
        let (made, seen) = ((self.made)(), (self.seen)());
        let mut pipelines = Vec::new();
        let topics = self.watch.topics_by_pipeline();
        for (figures, (topics, letters)) in self.watch.figures(Instant::now()).into_iter().zip(topics) {
            let mut total = Made::default();
            for made in topics.iter().filter_map(|topic| made.get(topic)) {
                total.add(made);
            }
            let mut files = Vec::new();
            for route in &figures.routes {
                let path = self.output.table(&route.table).display().to_string();
                files.push((path, self.output.count(&route.table)?));
            }
            let letters = letters.map(|topic| seen.letters.get(&topic).copied().unwrap_or_default());
            pipelines.push(PipelineSummary { figures, made: total, files, letters });
        }
        Ok(Summary {
            elapsed,
            first_rows: self.first_rows,
            pipelines,
            dead_letters: self.output.dead_letters().display().to_string(),
            settings: self.output.settings().display().to_string(),
            log: self.output.log().display().to_string(),
        })
    }
}
