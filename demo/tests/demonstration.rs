//! The demonstration as `make demo` runs it, with a fixed number of records: what lies in the files is compared with what
//! the shop expects of its records, not with what the gateway counted. Needs `make plugins`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate::plugin::EngineSettings;
use tidegate_demo::demonstration::{Demonstration, Settings};
use tidegate_demo::output::Output;
use tidegate_demo::shop::{ExpectedSale, ExpectedStock, Options, Products, Sales, Stock};

const RECORDS: u64 = 6_000;
const MALFORMED: f64 = 0.05;
const SEED: u64 = 3;

/// Far more than it takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// How often an outcome comes up. Keys hold the whole of a row, with its id.
type Outcomes = BTreeMap<String, u64>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_lies_where_the_shop_expects_it() {
    let folder = tempfile::tempdir().unwrap();
    let (output, _log) = Output::fresh(folder.path().to_owned()).unwrap();
    let settings = Settings {
        plugins: plugins(),
        rate: 4_000.0,
        malformed: MALFORMED,
        records: Some(RECORDS),
        seed: SEED,
        // The demonstration's own program can be asked to compile; this one, of tests, cannot.
        engine: EngineSettings { compiler: env!("CARGO_BIN_EXE_tidegate-demo").into(), ..EngineSettings::default() },
        started: Instant::now(),
    };
    let demonstration = Demonstration::start(settings, output.clone()).await.unwrap();
    let mut looks = 0;
    let mut show = |_: &_, _: &_| looks += 1;
    let run = demonstration.run(std::future::pending(), &mut show);
    let summary = tokio::time::timeout(DEADLINE, run).await.unwrap().unwrap();

    assert!(summary.adds_up(), "{summary:#?}");
    assert!(summary.first_rows.is_some());
    assert!(looks > 0);
    let (sales, stock) = (&summary.pipelines[0].figures, &summary.pipelines[1].figures);
    assert_eq!((sales.name.as_str(), stock.name.as_str()), ("default/sales", "default/warehouse"));
    let (rows, dropped, malformed) = expected_sales();
    assert_same(&rows, &found(&output, "shop.sales", sale));
    assert_eq!((sales.dropped, letters(&output, "sales")), (dropped, malformed));
    let (movements, corrections, malformed) = expected_stock();
    assert_same(&movements, &found(&output, "shop.stock_movements", movement));
    assert_same(&corrections, &found(&output, "shop.stock_corrections", correction));
    assert_eq!((stock.dropped, letters(&output, "stock")), (0, malformed));
}

#[test]
fn two_demonstrations_do_not_share_a_folder_and_nothing_foreign_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("rows.txt");
    std::fs::write(&foreign, "mine").unwrap();
    let first = Output::fresh(folder.path().to_owned()).unwrap();
    let second = Output::fresh(folder.path().to_owned()).map(|_| ()).map_err(|fault| fault.to_string());
    assert!(second.unwrap_err().starts_with("another demonstration writes to "));
    drop(first);
    assert!(Output::fresh(folder.path().to_owned()).is_ok());
    assert_eq!(std::fs::read_to_string(foreign).unwrap(), "mine");
}

fn plugins() -> PathBuf {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    for file in ["sales.wasm", "sales.toml", "warehouse.wasm", "warehouse.toml", "products.csv"] {
        assert!(plugins.join(file).exists(), "there is no target/plugins/{file}: run `make plugins` first");
    }
    plugins
}

fn options() -> Options {
    let products = Products::read(plugins().join("products.csv")).unwrap();
    Options { malformed: MALFORMED, products, ..Options::default() }
}

fn expected_sales() -> (Outcomes, u64, u64) {
    let (mut rows, mut dropped, mut malformed) = (Outcomes::new(), 0, 0);
    let mut sales = Sales::new(SEED, options());
    for _ in 0..RECORDS * 7 / 10 {
        match sales.next_record().expected {
            ExpectedSale::Sale(sale) => {
                let (id, amount) = (uuid(&sale.event_id), sale.amount_e4 as f64 / 10_000.0);
                *rows.entry(format!("{id} {} {} {amount:.4}", sale.product, sale.quantity)).or_default() += 1;
            }
            ExpectedSale::Dropped => dropped += 1,
            ExpectedSale::Malformed(_) => malformed += 1,
        }
    }
    (rows, dropped, malformed)
}

fn sale(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    let amount = row["amount"].as_f64().unwrap();
    format!("{} {} {} {amount:.4}", text("event_id"), text("product"), row["quantity"])
}

fn expected_stock() -> (Outcomes, Outcomes, u64) {
    let (mut movements, mut corrections, mut malformed) = (Outcomes::new(), Outcomes::new(), 0);
    let mut stock = Stock::new(SEED, options());
    for _ in 0..RECORDS * 3 / 10 {
        match stock.next_record().expected {
            ExpectedStock::Movements(rows) => {
                for row in rows {
                    let key = format!("{} {} {}", uuid(&row.movement_id), row.warehouse, row.quantity);
                    *movements.entry(key).or_default() += 1;
                }
            }
            ExpectedStock::Correction(row) => {
                let key = format!("{} {} {} {:?}", row.product_id, row.warehouse, row.quantity, row.reason);
                *corrections.entry(key).or_default() += 1;
            }
            ExpectedStock::Malformed(_) => malformed += 1,
        }
    }
    (movements, corrections, malformed)
}

fn movement(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    format!("{} {} {}", text("movement_id"), text("warehouse"), row["quantity"])
}

fn correction(row: &Value) -> String {
    let (warehouse, reason) = (row["warehouse"].as_str().unwrap(), row["reason"].as_str());
    format!("{} {warehouse} {} {reason:?}", row["product_id"], row["quantity"])
}

fn found(output: &Output, table: &str, key: fn(&Value) -> String) -> Outcomes {
    let mut found = Outcomes::new();
    for file in std::fs::read_dir(output.table(table)).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            *found.entry(key(&serde_json::from_str(line).unwrap())).or_default() += 1;
        }
    }
    found
}

/// Letters whose record came from a topic, each of which must say why it is one.
fn letters(output: &Output, topic: &str) -> u64 {
    let text = std::fs::read_to_string(output.dead_letters()).unwrap();
    let letters = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_topic: Vec<_> = letters.filter(|letter| letter["topic"] == topic).collect();
    assert!(of_topic.iter().all(|letter| letter["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    u64::try_from(of_topic.len()).unwrap()
}

fn assert_same(expected: &Outcomes, found: &Outcomes) {
    let missing: Vec<_> = expected.iter().filter(|(key, count)| found.get(*key) != Some(count)).take(5).collect();
    let surplus: Vec<_> = found.iter().filter(|(key, count)| expected.get(*key) != Some(count)).take(5).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}, surplus: {surplus:#?}");
    assert!(!expected.is_empty());
}

fn uuid(id: &[u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
