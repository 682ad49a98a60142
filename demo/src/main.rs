//! The demonstration's process: `demo` shows the whole path with an embedded Kafka, `generate` fills a real one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use tidegate::plugin::{EngineSettings, compile_if_asked};
use tidegate::signal;
use tidegate_demo::demonstration::{Demonstration, Settings};
use tidegate_demo::examples::Example;
use tidegate_demo::lines::{self, FirstLine};
use tidegate_demo::output::Output;
use tidegate_demo::produce::{Writer, create_topics, produce};
use tidegate_demo::screen::Screen;
use tidegate_demo::shop::{Options, Products, Sales, Stock};
use tidegate_demo::summary::Summary;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A shop's records for trying Tidegate.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole path, from an embedded Kafka through the plugins into files.
    Demo {
        /// The folder of plugins and pipeline files; `make plugins` makes it.
        #[arg(long, default_value = "target/plugins")]
        plugins: PathBuf,
        /// Where rows, dead letters and the log go; those of an earlier run are removed.
        #[arg(long, default_value = "target/demo")]
        output: PathBuf,
        /// Records a second.
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
        /// End after so many seconds; at Ctrl-C without.
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Write sales and stock movements, the records of an example, or the lines of a file, to a Kafka that runs already.
    Generate(Generate),
}

#[derive(Args)]
struct Generate {
    /// Addresses of brokers.
    #[arg(long, default_value = "127.0.0.1:9092")]
    brokers: String,
    /// The products that are sold.
    #[arg(long, default_value = "plugins/sales/products.csv")]
    products: PathBuf,
    /// How many sales to write to the topic `sales`.
    #[arg(long, default_value_t = 70_000)]
    sales: u64,
    /// How many movements to write to the topic `stock`.
    #[arg(long, default_value_t = 30_000)]
    stock: u64,
    /// Records a second, of both together; as fast as Kafka takes them without.
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// Partitions of topics that do not exist yet.
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// The share of malformed records.
    #[arg(long, default_value_t = 0.02, value_parser = share)]
    malformed: f64,
    /// The same seed makes the same records.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the records of this example instead, to the topic that its pipeline file names; several with commas between.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "file")]
    example: Vec<Example>,
    /// How many records of each example to write.
    #[arg(long, default_value_t = 20_000, requires = "example")]
    records: u64,
    /// Write the lines of this file instead, each as a record.
    #[arg(long, requires = "topic")]
    file: Option<PathBuf>,
    /// The topic for the lines of the file.
    #[arg(long, requires = "file")]
    topic: Option<String>,
    /// Leave out the first line of the file.
    #[arg(long, requires = "file")]
    skip_header: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0, such as 100".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 1, such as 0.02".to_owned())
}

/// Enough that dead letters come every second.
const MALFORMED: f64 = 0.02;

fn main() -> ExitCode {
    if let Some(code) = compile_if_asked() {
        return code;
    }
    let started = Instant::now();
    let ended = match Arguments::parse().command {
        Command::Demo { plugins, output, rate, seconds } => {
            let settings = Settings {
                plugins,
                rate: f64::from(rate),
                malformed: MALFORMED,
                records: None,
                seed: 1,
                engine: EngineSettings::default(),
                started,
            };
            demonstrate(settings, output, seconds.map(Duration::from_secs))
        }
        Command::Generate(Generate {
            file: Some(file), topic: Some(topic), skip_header, brokers, partitions, ..
        }) => {
            let first = if skip_header { FirstLine::Skipped } else { FirstLine::Written };
            let target = Target { brokers: &brokers, topic: &topic, partitions };
            write_lines(&file, first, target).map(|()| ExitCode::SUCCESS)
        }
        Command::Generate(arguments) if !arguments.example.is_empty() => {
            write_examples(&arguments).map(|()| ExitCode::SUCCESS)
        }
        Command::Generate(arguments) => generate(arguments).map(|()| ExitCode::SUCCESS),
    };
    ended.unwrap_or_else(|fault| {
        eprintln!("{fault:#}");
        ExitCode::FAILURE
    })
}

/// Shows the demonstration and sums it up. Fails where the figures do not add up.
fn demonstrate(settings: Settings, output: PathBuf, time: Option<Duration>) -> anyhow::Result<ExitCode> {
    let (output, log) = Output::fresh(output)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(false);
    logging.with_writer(Mutex::new(log)).init();
    let mut screen = Screen::of_standard_output();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("io").enable_all().build()?;
    let summary: anyhow::Result<Summary> = runtime.block_on(async {
        let stop = signal::stop_token()?;
        let demonstration = Demonstration::start(settings, output).await?;
        let end = async {
            match time {
                None => stop.cancelled().await,
                Some(time) => drop(tokio::time::timeout(time, stop.cancelled()).await),
            }
        };
        let mut show = |scene: &_, figures: &_| {
            // Nobody reads it any more.
            if screen.show(scene, figures).is_err() {
                stop.cancel();
            }
        };
        demonstration.run(end, &mut show).await
    });
    let summary = summary?;
    // Where nobody reads it any more there is nobody to tell.
    let _ = screen.finish(&summary.lines());
    Ok(if summary.adds_up() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn generate(arguments: Generate) -> anyhow::Result<()> {
    let Generate { brokers, products, sales, stock, rate, partitions, malformed, seed, .. } = arguments;
    let options = Options { malformed, products: Products::read(products)?, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let topics = [("sales", partitions), ("sales.dead", 1), ("stock", partitions), ("stock.dead", 1)];
    runtime.block_on(create_topics(&brokers, &topics))?;
    let total = (sales + stock).max(1) as f64;
    let rate_of = |count: u64| rate.map(|rate| rate * count as f64 / total);
    let mut sales_writer = Writer::new(&brokers, "sales", partitions)?;
    let mut stock_writer = Writer::new(&brokers, "stock", partitions)?;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut source = Stock::new(seed, options.clone());
            produce(&mut stock_writer, &mut source, stock, rate_of(stock))
        });
        let mut source = Sales::new(seed, options.clone());
        produce(&mut sales_writer, &mut source, sales, rate_of(sales))?;
        other.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the writer of stock movements panicked")))
    })?;
    println!("wrote {sales} sales and {stock} stock movements to {brokers}");
    Ok(())
}

fn write_examples(arguments: &Generate) -> anyhow::Result<()> {
    let Generate { brokers, rate, partitions, malformed, seed, records, .. } = arguments;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for example in &arguments.example {
        let topic = example.topic();
        runtime.block_on(create_topics(brokers, &[(topic, *partitions), (&format!("{topic}.dead"), 1)]))?;
        let mut source = example.source(*seed, *malformed);
        produce(&mut Writer::new(brokers, topic, *partitions)?, &mut *source, *records, *rate)?;
        println!("wrote {records} records to the topic {topic} of {brokers}");
    }
    Ok(())
}

/// Where the lines of a file go.
struct Target<'a> {
    brokers: &'a str,
    topic: &'a str,
    partitions: i32,
}

fn write_lines(file: &Path, first: FirstLine, target: Target<'_>) -> anyhow::Result<()> {
    let Target { brokers, topic, partitions } = target;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(create_topics(brokers, &[(topic, partitions), (&format!("{topic}.dead"), 1)]))?;
    let written = lines::write(&mut Writer::new(brokers, topic, partitions)?, file, first)?;
    println!("wrote {written} lines of {} to the topic {topic} of {brokers}", file.display());
    Ok(())
}
