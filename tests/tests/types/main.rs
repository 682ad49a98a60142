//! Every column type, in random nestings with random values and at its edges: what the gateway's own check lets pass, the real
//! server takes and gives back byte for byte, and both print it alike. `TIDEGATE_TYPE_TABLES` sets how many tables are tried.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod kinds;
mod server;
mod values;

use anyhow::{Context, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tidegate::rows::{Column, ColumnType, Decoder, RowWalker, write_json};

use self::kinds::{SCALARS, random_kind};
use self::server::Server;
use self::values::{edges, random_value};

/// Rows of a random table: enough that long texts and empty lists are among them.
const ROWS: u64 = 200;

/// The same tables every time, unless more are asked for.
const TABLES: u64 = 60;

#[test]
fn every_simple_type_comes_back_at_its_edges() -> anyhow::Result<()> {
    let server = Server::new()?;
    for kind in SCALARS {
        let parsed: ColumnType = kind.parse()?;
        let values = edges(&parsed);
        ensure!(values.len() > 1, "{kind} has no edges");
        comes_back(&server, &[column("c", kind)?], values).with_context(|| kind.to_owned())?;
    }
    Ok(())
}

#[test]
fn every_nesting_comes_back() -> anyhow::Result<()> {
    let server = Server::new()?;
    let tables = std::env::var("TIDEGATE_TYPE_TABLES").map_or(Ok(TABLES), |count| count.parse())?;
    for seed in 0..tables {
        let mut random = StdRng::seed_from_u64(seed);
        let kinds: Vec<String> = (0..4).map(|_| random_kind(&mut random, 3)).collect();
        let columns: Vec<Column> = kinds
            .iter()
            .enumerate()
            .map(|(index, kind)| column(&format!("c{index}"), kind))
            .collect::<Result<_, _>>()?;
        let mut rows = Vec::new();
        for _ in 0..ROWS {
            let mut row = Vec::new();
            columns.iter().for_each(|column| random_value(&mut random, &column.kind, &mut row));
            rows.push(row);
        }
        comes_back(&server, &columns, rows).with_context(|| format!("table {seed}: {kinds:?}"))?;
    }
    Ok(())
}

#[test]
fn lists_of_ten_thousand_and_texts_of_a_mebibyte_come_back() -> anyhow::Result<()> {
    let server = Server::new()?;
    let mut list = vec![0x90, 0x4e];
    list.extend((0..10_000u32).flat_map(u32::to_le_bytes));
    comes_back(&server, &[column("c", "Array(UInt32)")?], vec![list, vec![0]])?;
    let mut text = vec![0x80, 0x80, 0x40];
    text.extend(std::iter::repeat_n(b'x', 1 << 20));
    comes_back(&server, &[column("c", "String")?], vec![text, vec![0], vec![2, 0, b'a']])
}

#[test]
fn json_columns_take_what_the_check_lets_pass() -> anyhow::Result<()> {
    let server = Server::new()?;
    let texts = [
        "{}",
        r#"{"a":1,"b":{"c":[1,2,{"d":null}],"e":"x\u0000\ud83d\ude00"},"f":-1.5e300}"#,
        r#"{"a.b":1,"a":{"c":true}}"#,
        r#"{"long":"LONG"}"#,
        r#"{"":1,"é":[[],[{}]],"n":18446744073709551615,"m":-9223372036854775808}"#,
    ];
    let columns = [column("c", "JSON")?];
    let walker = RowWalker::new(&columns);
    let mut rows = Vec::new();
    for text in texts {
        let mut row = Vec::new();
        values::text(text.replace("LONG", &"y".repeat(100_000)).as_bytes(), &mut row);
        walker.check(&row)?;
        rows.push(row);
    }
    let read = server.write_and_read(&columns, &rows, "JSONEachRow")?;
    let read = String::from_utf8(read)?;
    // ClickHouse keeps no members that are null.
    ensure!(read.lines().count() == texts.len() && read.contains(r#""c":[1,2,{}]"#), "{read:.2000}");
    Ok(())
}

#[test]
fn what_the_check_refuses_is_named_by_column_for_every_simple_type() -> anyhow::Result<()> {
    for kind in SCALARS {
        let columns = [column("c", kind)?];
        let walker = RowWalker::new(&columns);
        for wrong in values::beyond(&columns[0].kind) {
            let fault = walker.check(&wrong).err().with_context(|| format!("{kind} takes {wrong:?}"))?;
            ensure!(fault.to_string().contains("column `c`"), "{fault}");
        }
    }
    Ok(())
}

fn column(name: &str, kind: &str) -> anyhow::Result<Column> {
    Ok(Column { name: name.to_owned(), kind: kind.parse()? })
}

/// Rows pass the check, go through the sink into a table of these columns, and come back with the same bytes; and the server
/// prints them as the gateway does.
fn comes_back(server: &Server, columns: &[Column], rows: Vec<Vec<u8>>) -> anyhow::Result<()> {
    let walker = RowWalker::new(columns);
    for row in &rows {
        walker.check(row).with_context(|| format!("row {row:?}"))?;
        let cut = row.len() - 1;
        ensure!(walker.check(&row[..cut]).is_err(), "a row that is cut passes: {row:?}");
    }
    let read = server.write_and_read(columns, &rows, "RowBinary")?;
    if read != rows.concat() {
        let place = read.iter().zip(rows.concat()).position(|(read, wrote)| *read != wrote);
        anyhow::bail!(
            "{} bytes come back, {} were written; they differ from {place:?} on",
            read.len(),
            rows.concat().len()
        );
    }
    // Bytes of a FixedString that are no text are printed as they are.
    let printed = String::from_utf8_lossy(&server.read("JSONEachRow")?).into_owned();
    for (row, line) in rows.iter().zip(printed.lines()) {
        let mut ours = Vec::new();
        write_json(columns, &mut Decoder::new(row), &mut ours)?;
        let ours: serde_json::Value =
            serde_json::from_slice(&ours).with_context(|| String::from_utf8_lossy(&ours).into_owned())?;
        let theirs: serde_json::Value = serde_json::from_str(line)?;
        ensure!(values::alike(&ours, &theirs), "the gateway prints\n{ours}\nand the server\n{theirs}");
    }
    Ok(())
}
