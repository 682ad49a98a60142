//! A ClickHouse server of 2018, which has no code of this project in it: what the sink says on the wire is understood.

use std::sync::Arc;

use anyhow::{Context, ensure};
use tidegate::config::{GatewaySettings, Guarantee};
use tidegate::pipeline::{Chunk, Range, RouteRows, Token, mint_lineage};
use tidegate::rows::Column;
use tidegate::sink::{self, Write};
use tidegate_tests::harness::{ClickHouse, Http, Services};

const COLUMNS: [(&str, &str); 6] = [
    ("id", "UInt32"),
    ("text", "String"),
    ("at", "DateTime"),
    ("event", "UUID"),
    ("price", "Decimal(18, 4)"),
    ("maybe", "Nullable(Int64)"),
];

const ROWS: u32 = 10_000;

#[test]
fn an_old_server_takes_plain_rowbinary() -> anyhow::Result<()> {
    let url = Services::clickhouse_2018()?;
    let server = ClickHouse::new(Http::new()?.into(), &url, None);
    let database = format!("old_{:08x}", rand::random::<u32>());
    server.run(&format!("CREATE DATABASE {database}"))?;
    let columns: Vec<_> = COLUMNS.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let table = format!("{database}.events");
    server.run(&format!("CREATE TABLE {table} ({}) ENGINE = MergeTree ORDER BY id", columns.join(", ")))?;

    write(&url, &table)?;

    let answer = server.run(&format!(
        "SELECT count(), sum(id), min(toUInt32(at)), sum(toInt64(price * 10000)), countIf(maybe IS NULL), sum(maybe) \
         FROM {table} FORMAT TabSeparated"
    ))?;
    let (count, ids) = (u64::from(ROWS), u64::from(ROWS) * u64::from(ROWS - 1) / 2);
    let nulls = count.div_ceil(3);
    let present: i64 = (0..i64::from(ROWS)).filter(|id| id % 3 != 0).map(|id| -id).sum();
    ensure!(answer.trim() == format!("{count}\t{ids}\t1500000000\t{ids}\t{nulls}\t{present}"), "{answer}");
    let answer = server.run(&format!("SELECT * FROM {table} WHERE id IN (299, 300) ORDER BY id FORMAT JSONEachRow"))?;
    for part in [
        r#""text":"row 299 ' \\ ü""#,
        r#""event":"00112233-4455-6677-8899-aabbcc00012b""#,
        r#""maybe":null"#,
        r#""price":0.0299"#,
    ] {
        ensure!(answer.contains(part), "`{part}` is not in:\n{answer}");
    }
    server.run(&format!("DROP DATABASE {database}"))?;
    Ok(())
}

/// Writes rows as a pipeline would, through the sink of a gateway's file.
fn write(url: &str, table: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("gateway.toml");
    let text = format!(
        "[kafka]\n\"bootstrap.servers\" = \"127.0.0.1:1\"\n\n[sinks.old]\ntype = \"clickhouse\"\nurl = \"{url}\"\n\
         format = \"RowBinary\"\n"
    );
    std::fs::write(&file, text)?;
    let settings = GatewaySettings::read(&file)?;
    let sink = sink::new(settings.sinks.get("old").context("there is no sink")?);
    let column = |(name, kind): &(&str, &str)| anyhow::Ok(Column { name: (*name).to_owned(), kind: kind.parse()? });
    let columns: Vec<_> = COLUMNS.iter().map(column).collect::<Result<_, _>>()?;
    let range = Range { topic: Arc::from("events"), partition: 0, first: 0, next: i64::from(ROWS) };
    let (rows, token) = (rows(), Token::new(mint_lineage(), &range, 0));
    Http::new()?.wait(async {
        let table = sink.open(table, &columns, Guarantee::AtLeastOnce).await?;
        table.write(Write { tenant: "acme", token: &token, range: &range, rows: &rows }).await
    })?;
    Ok(())
}

/// Rows in two chunks, as from two calls of a guest.
fn rows() -> RouteRows {
    let chunk = |ids: std::ops::Range<u32>| {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for id in ids.clone() {
            row(id, &mut bytes);
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Chunk { bytes: bytes.into(), ends, origins: ids.collect() }
    };
    RouteRows::of(vec![chunk(0..ROWS / 2), chunk(ROWS / 2..ROWS)])
}

/// A row in RowBinary, from ClickHouse's description of the format. A UUID is two numbers of 64 bits, the high one first.
fn row(id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_le_bytes());
    let text = format!("row {id} ' \\ ü");
    // One byte of length is enough below 128.
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&(1_500_000_000 + id).to_le_bytes());
    out.extend_from_slice(&0x0011_2233_4455_6677_u64.to_le_bytes());
    out.extend_from_slice(&(0x8899_aabb_cc00_0000_u64 + u64::from(id)).to_le_bytes());
    out.extend_from_slice(&i64::from(id).to_le_bytes());
    out.push(u8::from(id.is_multiple_of(3)));
    if !id.is_multiple_of(3) {
        out.extend_from_slice(&(-i64::from(id)).to_le_bytes());
    }
}
