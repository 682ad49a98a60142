//! The example plugins on a shop's records, many of them and some malformed: as WebAssembly they answer byte by byte as
//! they do natively, and both as the generator expects, which never reads what it wrote.

use std::path::Path;
use std::sync::Arc;

use tidegate::pipeline::{RecordRef, Records, Transformed};
use tidegate::plugin::Plugin;
use tidegate::rows::{Decoder, Value};
use tidegate_demo::shop::{ExpectedSale, ExpectedStock, Generated, Malformed, Options, Products, Sales, Stock};
use tidegate_tests::cases::{self, NativePlugin};

use crate::{load, with_products};

/// Some five guest calls.
const RECORDS: i64 = 20_000;

/// What should become of the records: rows by route, refusals, and how many are dropped.
#[derive(Default)]
struct Expected {
    rows: [Vec<(u32, Vec<String>)>; 2],
    malformed: Vec<(usize, Malformed)>,
    dropped: usize,
}

fn options() -> Options {
    let products = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/sales/products.csv");
    Options { malformed: 0.02, products: Products::read(&products).unwrap(), ..Options::default() }
}

fn push<T>(records: &mut Records, offset: i64, generated: &Generated<'_, T>) {
    let Generated { key, value, timestamp, .. } = *generated;
    records.push(RecordRef { offset, timestamp, key: Some(key), value });
}

impl Expected {
    fn row(&mut self, route: usize, record: i64, values: &[Value<'_>], ordinal: Option<u64>) {
        let provenance =
            [Some(Value::Int(0)), Some(Value::Int(record.into())), ordinal.map(|ordinal| Value::UInt(ordinal.into()))];
        let values = values.iter().cloned().chain(provenance.into_iter().flatten());
        self.rows[route].push((record as u32, values.map(|value| value.to_string()).collect()));
    }
}

fn uuid(id: [u8; 16]) -> Value<'static> {
    Value::Uuid(u128::from_be_bytes(id))
}

fn time(ticks: i64) -> Value<'static> {
    Value::Time { ticks, precision: 3 }
}

fn money(unscaled: i64) -> Value<'static> {
    Value::Decimal { unscaled: unscaled.into(), scale: 4 }
}

fn sales() -> (Records, Expected) {
    let (mut records, mut expected) = (Records::default(), Expected::default());
    let mut source = Sales::new(17, options());
    for offset in 0..RECORDS {
        let generated = source.next_record();
        push(&mut records, offset, &generated);
        match generated.expected {
            ExpectedSale::Sale(sale) => {
                let values = [
                    uuid(sale.event_id),
                    time(sale.event_time_ms),
                    Value::UInt(sale.product_id.into()),
                    Value::Text(sale.product),
                    Value::Text(sale.category),
                    Value::UInt(sale.quantity.into()),
                    money(sale.price_e4),
                    money(sale.amount_e4),
                    Value::Text(sale.currency),
                    Value::Text(sale.channel),
                    sale.customer_id.map_or(Value::Null, |id| Value::UInt(id.into())),
                ];
                expected.row(0, offset, &values, None);
            }
            ExpectedSale::Dropped => expected.dropped += 1,
            ExpectedSale::Malformed(fault) => expected.malformed.push((offset as usize, fault)),
        }
    }
    (records, expected)
}

fn stock() -> (Records, Expected) {
    let (mut records, mut expected) = (Records::default(), Expected::default());
    let mut source = Stock::new(17, options());
    for offset in 0..RECORDS {
        let generated = source.next_record();
        push(&mut records, offset, &generated);
        match generated.expected {
            ExpectedStock::Movements(movements) => {
                for (ordinal, movement) in (0..).zip(movements) {
                    let values = [
                        uuid(movement.movement_id),
                        time(movement.event_time_ms),
                        Value::UInt(movement.product_id.into()),
                        Value::Text(movement.warehouse),
                        Value::Text(movement.kind),
                        Value::Int(movement.quantity.into()),
                        movement.unit_cost_e4.map_or(Value::Null, money),
                    ];
                    expected.row(0, offset, &values, Some(ordinal));
                }
            }
            ExpectedStock::Correction(correction) => {
                let values = [
                    time(correction.event_time_ms),
                    Value::UInt(correction.product_id.into()),
                    Value::Text(correction.warehouse),
                    Value::Int(correction.quantity.into()),
                    correction.reason.map_or(Value::Null, Value::Text),
                ];
                expected.row(1, offset, &values, None);
            }
            ExpectedStock::Malformed(fault) => expected.malformed.push((offset as usize, fault)),
        }
    }
    (records, expected)
}

fn compare(plugin: &dyn Plugin, transformed: &Transformed, expected: &Expected) {
    for (index, (route, rows)) in plugin.description().routes.iter().zip(&transformed.routes).enumerate() {
        let mut expected = expected.rows[index].iter();
        assert!(rows.chunks.len() >= 5, "{} guest calls emitted rows", rows.chunks.len());
        for chunk in &rows.chunks {
            let mut decoder = Decoder::new(&chunk.bytes);
            for origin in &chunk.origins {
                let values: Vec<_> =
                    route.columns.iter().map(|column| decoder.value(column).unwrap().to_string()).collect();
                assert_eq!(Some(&(*origin, values)), expected.next(), "route {}", route.name);
            }
            assert!(decoder.is_empty());
        }
        assert_eq!(expected.next(), None, "route {}", route.name);
    }
    let mut rejects = transformed.rejects.iter();
    for (record, fault) in &expected.malformed {
        let value = transformed.batch.records.values.get(*record).map(String::from_utf8_lossy);
        let next = rejects.next().map(|reject| reject.record);
        assert_eq!(next, Some(*record), "{fault:?} has to be refused: {value:?}");
    }
    assert_eq!(rejects.next(), None);
    assert_eq!(transformed.dropped, expected.dropped);
}

fn assert_identical(wasm: &Transformed, native: &Transformed) {
    for (wasm, native) in wasm.routes.iter().zip(&native.routes) {
        assert_eq!(wasm.chunks.len(), native.chunks.len());
        for (wasm, native) in wasm.chunks.iter().zip(&native.chunks) {
            // Not assert_eq: a megabyte of bytes on the screen helps nobody.
            assert!(wasm.bytes == native.bytes, "bytes differ");
            assert_eq!((&wasm.ends, &wasm.origins), (&native.ends, &native.origins));
        }
    }
    assert_eq!(wasm.rejects, native.rejects);
    assert_eq!(wasm.dropped, native.dropped);
}

async fn check(wasm: Arc<dyn Plugin>, native: Arc<dyn Plugin>, generate: fn() -> (Records, Expected)) {
    let (records, expected) = generate();
    assert!(expected.malformed.len() > 300, "only {} malformed records", expected.malformed.len());
    let wasm_made = cases::transform(wasm.clone(), records).await.unwrap();
    compare(&*wasm, &wasm_made, &expected);
    let native_made = cases::transform(native, generate().0).await.unwrap();
    assert_identical(&wasm_made, &native_made);
}

#[tokio::test]
async fn sales_are_what_the_generator_expects_as_webassembly_and_natively() {
    let native = NativePlugin::<::sales::Exported>::new(with_products()).unwrap();
    check(load("sales", with_products()).await, Arc::new(native), sales).await;
}

#[tokio::test]
async fn stock_is_what_the_generator_expects_as_webassembly_and_natively() {
    let native = NativePlugin::<::warehouse::Exported>::new(cases::instance()).unwrap();
    check(load("warehouse", cases::instance()).await, Arc::new(native), stock).await;
}
