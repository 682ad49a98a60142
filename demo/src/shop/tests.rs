//! What the shop promises of its records, checked by reading them back with a reader that shares no code with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod reader;

use super::{ExpectedSale, ExpectedStock, Malformed, Options, Products, Sales, Stock};
use std::collections::HashMap;

/// Enough for each kind of malformed record to come up a hundred times or so at the share of [`options`].
const RECORDS: usize = 60_000;

const MALFORMED: f64 = 0.03;

fn options() -> Options {
    Options { malformed: MALFORMED, products: products(), ..Options::default() }
}

fn products() -> Products {
    let mut csv = String::from("product_id,name,category\n");
    for id in 1..=200 {
        csv.push_str(&format!("{id},\"Чайник \"\"{id}\"\", 2 л\",kitchen-{}\n", id % 7));
    }
    Products::from_csv(csv.as_bytes()).unwrap()
}

fn sales_bytes(seed: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>, i64)> {
    let mut sales = Sales::new(seed, options());
    let mut records = Vec::new();
    for _ in 0..1_000 {
        let record = sales.next_record();
        records.push((record.key.to_vec(), record.value.map(<[u8]>::to_vec), record.timestamp));
    }
    records
}

fn stock_bytes(seed: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>, i64)> {
    let mut stock = Stock::new(seed, options());
    let mut records = Vec::new();
    for _ in 0..1_000 {
        let record = stock.next_record();
        records.push((record.key.to_vec(), record.value.map(<[u8]>::to_vec), record.timestamp));
    }
    records
}

fn assert_share(count: usize, of: usize, share: f64, what: &str) {
    let actual = count as f64 / of as f64;
    assert!((actual - share).abs() < 0.1 * share, "{what}: {actual} instead of {share}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(sales_bytes(7), sales_bytes(7));
    assert_eq!(stock_bytes(7), stock_bytes(7));
    assert_ne!(sales_bytes(7), sales_bytes(8));
    assert_ne!(stock_bytes(7), stock_bytes(8));
}

#[test]
fn every_sale_reads_back_as_expected_or_not_at_all() {
    let products = products();
    let mut sales = Sales::new(1, options());
    for _ in 0..RECORDS {
        let record = sales.next_record();
        let read = record.value.and_then(|value| reader::sale(value, &products));
        let text = String::from_utf8_lossy(record.value.unwrap_or(b"(null)"));
        match record.expected {
            ExpectedSale::Malformed(fault) => assert_eq!(read, None, "{fault:?}: {text}"),
            expected => {
                if let ExpectedSale::Sale(sale) = &expected {
                    assert_eq!(record.key, sale.product_id.to_string().as_bytes());
                }
                assert_eq!(read, Some(expected), "{text}");
            }
        }
    }
}

#[test]
fn event_times_read_back_around_leap_days_and_turns_of_the_year() {
    // 2000-03-01, 2024-03-01, 2027-01-01, 2028-02-29 and 2100-03-01, all at midnight UTC.
    for start in [951_868_800, 1_709_251_200, 1_798_761_600, 1_835_395_200, 4_107_542_400] {
        let start = start * 1_000;
        let products = Products::default();
        let mut sales = Sales::new(6, Options { start, ..Options::default() });
        for _ in 0..1_000 {
            let record = sales.next_record();
            let read = record.value.and_then(|value| reader::sale(value, &products));
            assert_eq!(read, Some(record.expected));
        }
    }
}

#[test]
fn every_stock_movement_reads_back_as_expected_or_not_at_all() {
    let mut stock = Stock::new(1, options());
    for _ in 0..RECORDS {
        let record = stock.next_record();
        let mut rows = Vec::new();
        let read = record.value.and_then(|value| reader::stock(value, &mut rows));
        let text = String::from_utf8_lossy(record.value.unwrap_or(b"(null)"));
        match record.expected {
            ExpectedStock::Malformed(fault) => assert_eq!(read, None, "{fault:?}: {text}"),
            expected => assert_eq!(read, Some(expected), "{text}"),
        }
    }
}

#[test]
fn sales_come_in_the_shares_asked_for() {
    let mut sales = Sales::new(2, options());
    let (mut dropped, mut unknown, mut rows) = (0, 0, 0);
    let mut faults: HashMap<Malformed, usize> = HashMap::new();
    for _ in 0..RECORDS {
        match sales.next_record().expected {
            ExpectedSale::Malformed(fault) => *faults.entry(fault).or_default() += 1,
            ExpectedSale::Dropped => dropped += 1,
            ExpectedSale::Sale(sale) => {
                rows += 1;
                unknown += usize::from(sale.product == "unknown" && sale.category == "unknown");
            }
        }
    }
    assert_share(faults.values().sum(), RECORDS, MALFORMED, "malformed");
    assert_share(dropped, rows + dropped, 0.1, "dropped");
    assert_share(unknown, rows, 20.0 / 220.0, "unknown products");
    assert_each_fault_comes_up(&faults, &Malformed::SALES);
}

#[test]
fn stock_movements_come_in_the_shares_asked_for() {
    let mut stock = Stock::new(2, options());
    let (mut one_row, mut two_rows, mut corrections, mut reasons) = (0, 0, 0, 0);
    let mut faults: HashMap<Malformed, usize> = HashMap::new();
    for _ in 0..RECORDS {
        match stock.next_record().expected {
            ExpectedStock::Malformed(fault) => *faults.entry(fault).or_default() += 1,
            ExpectedStock::Movements([_]) => one_row += 1,
            ExpectedStock::Movements([from, to]) => {
                two_rows += 1;
                assert_ne!(from.warehouse, to.warehouse);
                assert_eq!(from.quantity, -to.quantity);
            }
            ExpectedStock::Movements(rows) => panic!("{rows:?}"),
            ExpectedStock::Correction(correction) => {
                corrections += 1;
                reasons += usize::from(correction.reason.is_some());
                assert_ne!(correction.quantity, 0);
            }
        }
    }
    let well_formed = one_row + two_rows + corrections;
    assert_share(RECORDS - well_formed, RECORDS, MALFORMED, "malformed");
    assert_share(one_row, well_formed, 0.7, "receipts and shipments");
    assert_share(two_rows, well_formed, 0.2, "transfers");
    assert_share(corrections, well_formed, 0.1, "corrections");
    assert_share(reasons, corrections, 0.6, "corrections with a reason");
    assert_each_fault_comes_up(&faults, &Malformed::STOCK);
}

fn assert_each_fault_comes_up(faults: &HashMap<Malformed, usize>, kinds: &[Malformed]) {
    assert_eq!(faults.len(), kinds.len());
    let even = faults.values().sum::<usize>() / kinds.len();
    for kind in kinds {
        let count = faults.get(kind).copied().unwrap_or(0);
        assert!((even * 2 / 3..=even * 3 / 2).contains(&count), "{kind:?}: {count}, about {even} would be even");
    }
}

#[test]
fn nothing_is_malformed_unless_asked_for() {
    let mut sales = Sales::new(3, Options::default());
    let mut stock = Stock::new(3, Options::default());
    for _ in 0..RECORDS {
        assert!(!matches!(sales.next_record().expected, ExpectedSale::Malformed(_)));
        assert!(!matches!(stock.next_record().expected, ExpectedStock::Malformed(_)));
    }
}

#[test]
fn everything_is_malformed_if_asked_for() {
    let options = Options { malformed: 1.0, ..Options::default() };
    let products = Products::default();
    let mut sales = Sales::new(3, options.clone());
    let mut stock = Stock::new(3, options);
    for _ in 0..RECORDS {
        let sale = sales.next_record();
        let value = sale.value.unwrap_or_default();
        assert!(matches!(sale.expected, ExpectedSale::Malformed(_)));
        assert_eq!(reader::sale(value, &products), None);
        // A reader may look at the channel first and drop what is of the channel test.
        assert!(!value.windows(6).any(|window| window == b"\"test\""));

        let movement = stock.next_record();
        assert!(matches!(movement.expected, ExpectedStock::Malformed(_)));
        let value = movement.value.unwrap_or_default();
        assert_eq!(reader::stock(value, &mut Vec::new()), None);
    }
}

#[test]
fn a_sale_is_about_170_bytes() {
    let mut sales = Sales::new(4, Options::default());
    let mut bytes = 0;
    for _ in 0..RECORDS {
        bytes += sales.next_record().value.map_or(0, <[u8]>::len);
    }
    assert!((160..=185).contains(&(bytes / RECORDS)), "{}", bytes / RECORDS);
}

#[test]
fn the_clock_never_goes_back_and_event_times_lag_it_by_five_minutes_at_most() {
    let start = Options::default().start;
    let mut sales = Sales::new(5, Options::default());
    let (mut clock, mut greatest_lag) = (start, 0);
    for _ in 0..RECORDS {
        let record = sales.next_record();
        assert!(record.timestamp >= clock);
        clock = record.timestamp;
        if let ExpectedSale::Sale(sale) = record.expected {
            let lag = clock - sale.event_time_ms;
            // A notation without a fraction takes off up to a second more.
            assert!((0..=301_000).contains(&lag), "{lag}");
            greatest_lag = greatest_lag.max(lag);
        }
    }
    assert_share((clock - start) as usize, RECORDS, 1.0, "milliseconds a record");
    assert!(greatest_lag > 295_000, "{greatest_lag}");
}
