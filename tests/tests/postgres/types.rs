//! Every column type at its edges, into the type that the sink proposes and into the others that it takes, read back as the
//! server prints it. The bytes are made here, from ClickHouse's description of RowBinary.

use anyhow::{Context, ensure};
use ethnum::{I256, U256};
use tidegate_tests::harness::PostgresServer;

use super::direct::{Direct, length, text};

/// A declared type, live types, and values with what the server prints; none for null.
struct Case {
    kind: &'static str,
    /// None for the one that the sink proposes.
    live: Vec<Option<&'static str>>,
    values: Vec<(Vec<u8>, Option<String>)>,
}

#[test]
fn every_type_keeps_its_edges_in_every_column_that_takes_it() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("types", &server)?;
        let mut tables = 0;
        for case in cases() {
            for live in &case.live {
                tables += 1;
                keeps(&direct, &format!("t{tables}"), &case, *live)
                    .with_context(|| format!("{} in {}", case.kind, live.unwrap_or("the proposed type")))?;
            }
        }
    }
    Ok(())
}

fn keeps(direct: &Direct, name: &str, case: &Case, live: Option<&str>) -> anyhow::Result<()> {
    let columns = [("Nr", "UInt32"), ("the \"value\"", case.kind)];
    let table = match live {
        None => direct.create(name, &columns)?,
        Some(live) => {
            let schema = &direct.postgres.schema;
            direct
                .postgres
                .run(&format!("CREATE TABLE {schema}.{name} (\"the \"\"value\"\"\" {live}, \"Nr\" bigint)"))?;
            direct.open(name, &columns)?
        }
    };
    let row = |(number, (bytes, _)): (usize, &(Vec<u8>, _))| [&(number as u32).to_le_bytes()[..], bytes].concat();
    let rows: Vec<_> = case.values.iter().enumerate().map(row).collect();
    for (row, (_, printed)) in rows.iter().zip(&case.values) {
        let refused = table.rule().and_then(|rule| rule.refuses(row));
        ensure!(refused.is_none(), "{printed:?}: {refused:?}");
    }
    direct.write(&*table, &rows)?;
    let schema = &direct.postgres.schema;
    let found =
        direct.postgres.column(&format!("SELECT \"the \"\"value\"\"\" FROM {schema}.{name} ORDER BY \"Nr\""))?;
    ensure!(found.len() == rows.len(), "{} rows, not {}", found.len(), rows.len());
    for (found, (_, expected)) in found.iter().zip(&case.values) {
        ensure!(same(case.kind, live, found, expected), "found {found:?}, not {expected:?}");
    }
    Ok(())
}

/// Servers before PostgreSQL 12 print more digits of a floating-point number than it needs.
fn same(kind: &str, live: Option<&str>, found: &Option<String>, expected: &Option<String>) -> bool {
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    let single = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f32>().ok());
    match (kind, live) {
        ("Float32" | "BFloat16", None) => single(found) == single(expected) && found.is_some() || nan(found, expected),
        ("Float64" | "Float32" | "BFloat16", _) => {
            number(found) == number(expected) && found.is_some() || nan(found, expected)
        }
        _ => found == expected,
    }
}

fn nan(found: &Option<String>, expected: &Option<String>) -> bool {
    found.as_deref() == Some("NaN") && expected.as_deref() == Some("NaN")
}

/// In the type that the sink proposes, and in others.
fn case<T: ToString>(kind: &'static str, others: &[&'static str], values: Vec<(Vec<u8>, T)>) -> Case {
    let live = [None].into_iter().chain(others.iter().copied().map(Some)).collect();
    Case { live, ..only(kind, &[], values) }
}

/// Where the proposed type would print something else.
fn only<T: ToString>(kind: &'static str, live: &[&'static str], values: Vec<(Vec<u8>, T)>) -> Case {
    let values = values.into_iter().map(|(bytes, printed)| (bytes, Some(printed.to_string()))).collect();
    Case { kind, live: live.iter().copied().map(Some).collect(), values }
}

/// Lowest, highest and zero of an integer.
macro_rules! whole {
    ($kind:literal, $type:ty, $others:expr) => {
        case(
            $kind,
            $others,
            [<$type>::MIN, <$type>::MAX, 0 as $type].map(|value| (value.to_le_bytes().to_vec(), value)).to_vec(),
        )
    };
}

fn cases() -> Vec<Case> {
    [integers(), numbers(), texts(), times(), composed()].into_iter().flatten().collect()
}

fn integers() -> Vec<Case> {
    let wide = |value: U256| (value.to_le_bytes().to_vec(), value);
    let signed = |value: I256| (value.to_le_bytes().to_vec(), value);
    vec![
        whole!("UInt8", u8, &["integer", "bigint", "numeric", "numeric(3)"]),
        whole!("UInt16", u16, &["bigint", "numeric(5,0)"]),
        whole!("UInt32", u32, &["numeric"]),
        whole!("UInt64", u64, &["numeric"]),
        whole!("UInt128", u128, &["numeric"]),
        whole!("Int8", i8, &["integer", "bigint", "numeric"]),
        whole!("Int16", i16, &["integer", "bigint", "numeric"]),
        whole!("Int32", i32, &["bigint", "numeric"]),
        whole!("Int64", i64, &["numeric"]),
        whole!("Int128", i128, &["numeric"]),
        case("UInt256", &["numeric"], vec![wide(U256::MIN), wide(U256::MAX), wide(U256::from(10_000u32))]),
        case("Int256", &["numeric"], vec![signed(I256::MIN), signed(I256::MAX), signed(I256::new(-1))]),
        case("Bool", &[], vec![(vec![0], "f"), (vec![1], "t")]),
        Case {
            kind: "Nullable(Int32)",
            live: vec![None, Some("bigint"), Some("numeric")],
            values: vec![(vec![1], None), ([&[0][..], &(-7i32).to_le_bytes()].concat(), Some("-7".into()))],
        },
    ]
}

fn numbers() -> Vec<Case> {
    let floats = ["0", "-0", "0.33333334", "3.4028235e+38", "1e-45", "NaN", "Infinity", "-Infinity"];
    let doubles =
        ["0", "-0", "0.30000000000000004", "1.7976931348623157e+308", "5e-324", "NaN", "Infinity", "-Infinity"];
    let float = |text: &str| text.parse::<f32>().unwrap_or_default();
    let half = |text: &'static str| ((float(text).to_bits() >> 16) as u16).to_le_bytes().to_vec();
    let digits = |digits: u32| I256::new(10).pow(digits) - 1;
    vec![
        case("Float32", &[], floats.map(|text| (float(text).to_le_bytes().to_vec(), text)).to_vec()),
        case(
            "Float32",
            &["double precision"],
            ["1.5", "NaN", "Infinity"].map(|text| (float(text).to_le_bytes().to_vec(), text)).to_vec(),
        ),
        case(
            "BFloat16",
            &["double precision"],
            ["1.5", "NaN", "-Infinity", "-0.25"].map(|text| (half(text), text)).to_vec(),
        ),
        case(
            "Float64",
            &[],
            doubles.map(|text| (text.parse::<f64>().unwrap_or_default().to_le_bytes().to_vec(), text)).to_vec(),
        ),
        case(
            "Decimal(9, 3)",
            &["numeric(9,3)"],
            vec![(999_999_999i32.to_le_bytes().to_vec(), "999999.999"), ((-1i32).to_le_bytes().to_vec(), "-0.001")],
        ),
        case(
            "Decimal(18, 4)",
            &["numeric", "numeric(18,4)"],
            vec![
                (0i64.to_le_bytes().to_vec(), "0.0000"),
                (12_500i64.to_le_bytes().to_vec(), "1.2500"),
                ((-999_999_999_999_999_999i64).to_le_bytes().to_vec(), "-99999999999999.9999"),
            ],
        ),
        case("Decimal(18, 18)", &["numeric"], vec![((-5i64).to_le_bytes().to_vec(), "-0.000000000000000005")]),
        case(
            "Decimal(38, 2)",
            &["numeric"],
            vec![((10i128.pow(38) - 1).to_le_bytes().to_vec(), format!("{}.99", "9".repeat(36)))],
        ),
        case(
            "Decimal(76, 75)",
            &["numeric"],
            vec![
                ((-digits(76)).to_le_bytes().to_vec(), format!("-9.{}", "9".repeat(75))),
                (I256::new(1).to_le_bytes().to_vec(), format!("0.{}1", "0".repeat(74))),
            ],
        ),
    ]
}

fn texts() -> Vec<Case> {
    let strings = ["", "a", "it's \"quoted\" \\ \t\n", "жук 漢字 🦀"];
    let uuid = [0x7711_3b7a_c1f0_9201_u64, 0xdead_beef_0123_4567_u64].map(u64::to_le_bytes).concat();
    let mut ipv6 = [0; 16];
    ipv6[0] = 0x20;
    ipv6[1] = 0x01;
    ipv6[15] = 1;
    vec![
        case("String", &["varchar", "varchar(20)"], strings.map(|string| (text(string), string)).to_vec()),
        case("String", &["varchar(1000)"], vec![(text("ä".repeat(1_000)), "ä".repeat(1_000))]),
        only("String", &["bytea"], vec![(text("a\0b"), "\\x610062"), (text(""), "\\x")]),
        only("FixedString(4)", &["text", "varchar(4)"], vec![(b"ab\0\0".to_vec(), "ab"), (b"abcd".to_vec(), "abcd")]),
        only("UUID", &["varchar(36)"], vec![(vec![0; 16], "00000000-0000-0000-0000-000000000000")]),
        case("LowCardinality(String)", &[], strings.map(|string| (text(string), string)).to_vec()),
        case("FixedString(4)", &[], vec![(b"ab\0\0".to_vec(), "\\x61620000"), (vec![0xff, 0, 1, 2], "\\xff000102")]),
        case(
            "UUID",
            &[],
            vec![
                (uuid.clone(), "77113b7a-c1f0-9201-dead-beef01234567"),
                (vec![0; 16], "00000000-0000-0000-0000-000000000000"),
            ],
        ),
        case("UUID", &["text", "varchar(36)"], vec![(uuid, "77113b7a-c1f0-9201-dead-beef01234567")]),
        case(
            "IPv4",
            &["text"],
            vec![(0u32.to_le_bytes().to_vec(), "0.0.0.0"), (0x7f00_0001u32.to_le_bytes().to_vec(), "127.0.0.1")],
        ),
        case(
            "IPv6",
            &["text"],
            vec![
                (vec![0; 16], "::"),
                (ipv6.to_vec(), "2001::1"),
                (vec![0xff; 16], "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ],
        ),
        case("Enum8('a' = -128, 'it\\'s' = 127)", &["varchar(4)"], vec![(vec![0x80], "a"), (vec![0x7f], "it's")]),
        case(
            "Enum16('low' = -32768, 'high' = 32767)",
            &[],
            vec![(i16::MIN.to_le_bytes().to_vec(), "low"), (i16::MAX.to_le_bytes().to_vec(), "high")],
        ),
    ]
}

fn times() -> Vec<Case> {
    let day = |day: i32| day.to_le_bytes().to_vec();
    let ticks = |ticks: i64| ticks.to_le_bytes().to_vec();
    let (first, last) = (-2_208_988_800i64, 10_413_791_999i64);
    vec![
        case(
            "Date",
            &[],
            vec![(0u16.to_le_bytes().to_vec(), "1970-01-01"), (u16::MAX.to_le_bytes().to_vec(), "2149-06-06")],
        ),
        case(
            "Date32",
            &[],
            vec![(day(-25_567), "1900-01-01"), (day(120_529), "2299-12-31"), (day(10_957), "2000-01-01")],
        ),
        case(
            "DateTime",
            &["timestamptz(0)"],
            vec![
                (0u32.to_le_bytes().to_vec(), "1970-01-01 00:00:00+00"),
                (u32::MAX.to_le_bytes().to_vec(), "2106-02-07 06:28:15+00"),
            ],
        ),
        only("DateTime", &["timestamp"], vec![(u32::MAX.to_le_bytes().to_vec(), "2106-02-07 06:28:15")]),
        only("DateTime64(3)", &["timestamp", "timestamp(3)"], vec![(ticks(-1), "1969-12-31 23:59:59.999")]),
        case("DateTime('Asia/Tokyo')", &[], vec![(0u32.to_le_bytes().to_vec(), "1970-01-01 00:00:00+00")]),
        case(
            "DateTime64(0)",
            &[],
            vec![(ticks(first), "1900-01-01 00:00:00+00"), (ticks(last), "2299-12-31 23:59:59+00")],
        ),
        case(
            "DateTime64(3)",
            &["timestamptz(3)"],
            vec![
                (ticks(first * 1_000), "1900-01-01 00:00:00+00"),
                (ticks(last * 1_000 + 999), "2299-12-31 23:59:59.999+00"),
                (ticks(-1), "1969-12-31 23:59:59.999+00"),
            ],
        ),
        case("DateTime64(6, 'UTC')", &[], vec![(ticks(last * 1_000_000 + 999_999), "2299-12-31 23:59:59.999999+00")]),
        case(
            "DateTime64(9)",
            &["varchar"],
            vec![(ticks(i64::MAX), "2262-04-11 23:47:16.854775807"), (ticks(-1), "1969-12-31 23:59:59.999999999")],
        ),
        case(
            "Time",
            &["text"],
            vec![
                ((-3_599_999i32).to_le_bytes().to_vec(), "-999:59:59"),
                (3_599_999i32.to_le_bytes().to_vec(), "999:59:59"),
                (0i32.to_le_bytes().to_vec(), "00:00:00"),
            ],
        ),
        case(
            "Time64(6)",
            &["text"],
            vec![(ticks(-3_599_999_999_999), "-999:59:59.999999"), (ticks(1), "00:00:00.000001")],
        ),
        case("Time64(9)", &[], vec![(ticks(3_599_999_999_999_999), "999:59:59.999999999")]),
    ]
}

fn composed() -> Vec<Case> {
    let numbers = |numbers: &[u64]| {
        [length(numbers.len()), numbers.iter().flat_map(|number| number.to_le_bytes()).collect()].concat()
    };
    let map = [length(2), text("a"), vec![1], text("b\""), vec![255]].concat();
    let nullable = [length(3), vec![1, 0], text("x y"), vec![0], text("")].concat();
    let nested = [length(1), vec![7], text("n")].concat();
    vec![
        case(
            "Array(UInt64)",
            &["numeric[]"],
            vec![(numbers(&[]), "{}"), (numbers(&[u64::MAX, 0]), "{18446744073709551615,0}")],
        ),
        only(
            "Array(UInt64)",
            &["jsonb"],
            vec![(numbers(&[]), "[]"), (numbers(&[u64::MAX, 0]), "[18446744073709551615, 0]")],
        ),
        case("Array(Nullable(String))", &["varchar(3)[]"], vec![(nullable, "{NULL,\"x y\",\"\"}")]),
        case("Array(UUID)", &[], vec![([length(1), vec![0; 16]].concat(), "{00000000-0000-0000-0000-000000000000}")]),
        case("Array(Date)", &[], vec![([length(1), vec![0, 0]].concat(), "{1970-01-01}")]),
        case("Array(Bool)", &[], vec![([length(2), vec![0, 1]].concat(), "{f,t}")]),
        case(
            "Array(Decimal(9, 2))",
            &["numeric(9,2)[]"],
            vec![([length(1), 125i32.to_le_bytes().to_vec()].concat(), "{1.25}")],
        ),
        case(
            "Array(Array(UInt8))",
            &[],
            vec![([length(2), length(0), length(2), vec![1, 2]].concat(), "[[], [1, 2]]")],
        ),
        case("Map(String, UInt8)", &[], vec![(map.clone(), r#"{"a": 1, "b\"": 255}"#), (length(0), "{}")]),
        only("Map(LowCardinality(String), UInt8)", &["json", "text"], vec![(map, r#"{"a":1,"b\"":255}"#)]),
        case("Tuple(a UInt8, b String)", &[], vec![([vec![1], text("x")].concat(), r#"{"a": 1, "b": "x"}"#)]),
        case("Tuple(UInt8, Nullable(String))", &[], vec![(vec![1, 1], "[1, null]")]),
        case("Nested(id UInt8, name String)", &[], vec![(nested, r#"[{"id": 7, "name": "n"}]"#)]),
        Case {
            kind: "Variant(String, UInt8)",
            live: vec![None, Some("json")],
            values: vec![
                (vec![255], None),
                ([vec![0], text("s")].concat(), Some("\"s\"".into())),
                (vec![1, 9], Some("9".into())),
            ],
        },
        case("JSON", &[], vec![(text("{\"b\": [1, 2.50], \"a\": null}"), r#"{"a": null, "b": [1, 2.50]}"#)]),
        only("JSON", &["json", "text"], vec![(text("{\"b\":\"x\\u0000\"}"), "{\"b\":\"x\\u0000\"}")]),
    ]
}

#[test]
fn large_values_and_many_rows_arrive_whole() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("large", &server)?;
        let columns = [("id", "UInt32"), ("text", "String"), ("numbers", "Array(UInt32)")];
        let table = direct.create("t", &columns)?;
        let mebibyte = "0123456789abcdef".repeat(1 << 16);
        let numbers: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        let large = [vec![0; 4], text(&mebibyte), length(10_000), numbers].concat();
        let small = |id: u32| [id.to_le_bytes().to_vec(), text(format!("row {id}")), length(0)].concat();
        let rows: Vec<_> = std::iter::once(large).chain((1..50_000).map(small)).collect();
        direct.write(&*table, &rows)?;
        let schema = &direct.postgres.schema;
        let whole = direct.postgres.lines(&format!(
            "SELECT length(text), md5(text) = md5(repeat('0123456789abcdef', 65536)), array_length(numbers, 1), numbers[10000] \
             FROM {schema}.t WHERE id = 0"
        ))?;
        ensure!(whole == ["1048576\tt\t10000\t9999"], "{whole:?}");
        let rest = direct.postgres.lines(&format!(
            "SELECT count(*), sum(id), count(DISTINCT text), bool_and(text = 'row ' || id) FROM {schema}.t WHERE id > 0"
        ))?;
        ensure!(rest == ["49999\t1249975000\t49999\tt"], "{rest:?}");
    }
    Ok(())
}

#[test]
fn what_a_column_cannot_hold_of_a_value_is_refused_for_its_row_alone() -> anyhow::Result<()> {
    for server in PostgresServer::all()? {
        let direct = Direct::new("refused", &server)?;
        for (live, kind, bytes, part) in [
            ("text", "String", text("a\0b"), "column `v`: its byte 1 is NUL"),
            (
                "varchar(3)",
                "Nullable(String)",
                [vec![0], text("жжжж")].concat(),
                "it has 4 characters, and the column has room for 3",
            ),
            ("text[]", "Array(String)", [length(2), text("a"), text("\0")].concat(), "is NUL"),
            ("text", "FixedString(2)", vec![0xff, 0], "not UTF-8 from its byte 0 on"),
            ("text", "FixedString(3)", vec![b'a', 0, b'b'], "its byte 1 is NUL"),
            ("varchar(2)", "Enum8('abc' = 1)", vec![1], "3 characters"),
            ("jsonb", "JSON", text("{\"a\":\"\\u0000\"}"), "u0000"),
            ("jsonb", "JSON", text("{\"a\":\"\\ud800\"}"), "surrogate"),
            ("jsonb", "JSON", text("{\"a\":1e-20000}"), "digits"),
            ("jsonb", "Map(String, String)", [length(1), text("k"), text("\0")].concat(), "u0000"),
        ] {
            direct.postgres.run(&format!("CREATE TABLE {0}.t (id bigint, v {live})", direct.postgres.schema))?;
            let table = direct.open("t", &[("id", "UInt32"), ("v", kind)])?;
            let row = [vec![0; 4], bytes].concat();
            let refused = direct.refused(&*table, &row)?;
            ensure!(refused.contains(part) && refused.contains("column `v`"), "{live}, {kind}: {refused}");
            // The server agrees: what is refused here would have cost the whole range.
            let answer = direct.write(&*table, std::slice::from_ref(&row));
            ensure!(answer.is_err(), "{live}, {kind}: the server takes it");
            direct.postgres.run(&format!("DROP TABLE {}.t", direct.postgres.schema))?;
        }
        let table = direct.create("fine", &[("id", "UInt32"), ("v", "Float64")])?;
        ensure!(table.rule().is_none(), "numbers are looked at for nothing");
    }
    Ok(())
}
