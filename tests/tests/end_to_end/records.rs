//! Records that are hard on everything they pass: each becomes a row or a dead letter that is the record, byte for byte.

use std::collections::BTreeMap;

use tidegate_tests::harness::{Duplicates, Gateway, Letter, Message, Tenant, check_letters, compare};

const MIB: usize = 1 << 20;

/// What a record should become.
enum Becomes {
    Row,
    Letter(&'static str),
}

#[test]
fn hard_records_become_rows_or_letters_byte_for_byte() -> anyhow::Result<()> {
    let tenant = Tenant::new("records")?;
    let topic = tenant.create_topic("sales", 1)?;
    tenant.create_tables("sales")?;
    tenant.install(&tenant.pipeline("sales", &topic)?)?;
    let (mut messages, mut letters, mut rows) = (Vec::new(), BTreeMap::new(), Vec::new());
    // Twice, so that each record once has headers and once has none, between neighbours that are the other way round.
    let count = i64::try_from(records().len())?;
    for (offset, (value, becomes)) in (0..).zip(records().into_iter().chain(records())) {
        let message = Message {
            key: keys().into_iter().cycle().nth(offset as usize).flatten(),
            value,
            headers: if (offset % 2 == 0) == (offset < count) { headers() } else { Vec::new() },
            timestamp: 1_795_000_000_000 + offset,
        };
        match becomes {
            Becomes::Row => rows.push(format!("0\t{offset}\t7\t3")),
            Becomes::Letter(reason) => {
                letters.insert((0, offset), Letter { message: message.clone(), reason });
            }
        }
        messages.push(message);
    }
    tenant.kafka.send(&topic, 0, &messages)?;
    let gateway = Gateway::start(&tenant, &tenant.gateway_file())?;
    tenant.wait_for("sales", &topic)?;
    gateway.stop()?;
    let found = format!("SELECT _partition, _offset, product_id, quantity FROM {}.sales", tenant.name);
    compare(&rows, tenant.clickhouse.lines(&found)?, Duplicates::Forbidden)?;
    check_letters(&tenant, "sales", &topic, &letters, Duplicates::Forbidden)
}

fn records() -> Vec<(Option<Vec<u8>>, Becomes)> {
    use Becomes::{Letter, Row};
    let text = |text: String| Some(text.into_bytes());
    vec![
        (text(sale("")), Row),
        (None, Letter("the value is null")),
        (Some(Vec::new()), Letter("the value is empty")),
        (text(sale(&format!(",\"note\":\"{}\"", "x".repeat(MIB)))), Row),
        (text("y".repeat(MIB)), Letter("not JSON")),
        (Some(vec![0; MIB]), Letter("not JSON")),
        (Some(b"\xff\xfe\x00{".to_vec()), Letter("not UTF-8 at byte 0")),
        (Some([sale("").as_bytes(), b"\x80"].concat()), Letter("not UTF-8")),
        (text("[".repeat(10_000)), Letter("")),
        (text(sale(&nested(10_000))), Letter("nested deeper")),
        (text(sale(&nested(100))), Row),
        (text(sale("").replace("\"quantity\":3", "\"quantity\":65536")), Letter("65536")),
        (text(sale("").replace("\"quantity\":3", "\"quantity\":-1")), Letter("-1")),
        (text(sale("").replace("\"quantity\":3", "\"quantity\":3.5")), Letter("3.5")),
        (text(sale("").replace("\"quantity\":3", "\"quantity\":0")), Letter("quantity is 0")),
        (text(sale("").replace("\"product_id\":7", "\"product_id\":18446744073709551616")), Letter("")),
        (text(sale("").replace("1.50", "1e400")), Letter("")),
        (text(sale("").replace("1.50", "100000000000000")), Letter("")),
        (text(sale("").replace("1.50", "90000000000000")), Letter("price times quantity does not fit")),
        (text(sale("").replace("1.50", "NaN")), Letter("not JSON")),
        (text(sale("").replace("1.50", "-Infinity")), Letter("not JSON")),
        (text("null".to_owned()), Letter("")),
        (text(format!(" \n{}\r\n ", sale(""))), Row),
    ]
}

/// A member that no plugin reads, of lists in lists.
fn nested(depth: usize) -> String {
    format!(",\"note\":{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn sale(more: &str) -> String {
    format!(
        "{{\"event_id\":\"0192f0c1-7a3b-7c11-9d2e-1f2a3b4c5d6e\",\"event_time\":\"2026-11-20T10:15:00.123Z\",\
         \"product_id\":7,\"quantity\":3,\"price\":1.50,\"channel\":\"web\"{more}}}"
    )
}

/// A null, an empty one, one that is no text.
fn keys() -> [Option<Vec<u8>>; 4] {
    [Some(b"7".to_vec()), None, Some(Vec::new()), Some(b"\x00\xff".to_vec())]
}

/// A name twice, a null, an empty one, one that is no text.
fn headers() -> Vec<(String, Option<Vec<u8>>)> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    vec![
        header("trace", Some(b"1")),
        header("trace", None),
        header("empty", Some(b"")),
        header("tidegate-offset", Some(b"77")),
        header("raw", Some(b"\x00\xff\xfe")),
    ]
}
