//! The demonstration's process: `demo` shows the whole path with an embedded Kafka, `generate` fills a real one.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use tidegate_demo::produce::{Writer, create_topics, produce};
use tidegate_demo::shop::{Options, Products, Sales, Stock};

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
    /// Write sales and stock movements to a Kafka that runs already.
    Generate {
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
        #[arg(long)]
        rate: Option<f64>,
        /// Partitions of topics that do not exist yet.
        #[arg(long, default_value_t = 4)]
        partitions: i32,
        /// The share of malformed records.
        #[arg(long, default_value_t = 0.02)]
        malformed: f64,
        /// The same seed makes the same records.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Generate { brokers, products, sales, stock, rate, partitions, malformed, seed } => {
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
    }
}
