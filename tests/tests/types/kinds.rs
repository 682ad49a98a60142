//! Types at random, in any nesting that ClickHouse allows.

use rand::Rng;

/// One of each simple type, and of those with arguments their ends.
pub const SCALARS: [&str; 40] = [
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "UInt128",
    "UInt256",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Int128",
    "Int256",
    "BFloat16",
    "Float32",
    "Float64",
    "Bool",
    "String",
    "FixedString(1)",
    "FixedString(20)",
    "UUID",
    "IPv4",
    "IPv6",
    "Date",
    "Date32",
    "Time",
    "Time64(6)",
    "DateTime",
    "DateTime('UTC')",
    "DateTime64(0, 'UTC')",
    "DateTime64(3)",
    "DateTime64(9, 'UTC')",
    "Decimal(1, 0)",
    "Decimal(9, 9)",
    "Decimal(18, 4)",
    "Decimal(38, 10)",
    "Decimal(76, 38)",
    "Enum8('' = -128, 'it\\'s' = 0, 'b' = 127)",
    "Enum16('low' = -32768, 'high' = 32767)",
    "Nullable(String)",
    "LowCardinality(Nullable(String))",
];

/// A type nested at most `depth` deep.
pub fn random_kind(random: &mut impl Rng, depth: usize) -> String {
    if depth == 0 || random.random_bool(0.3) {
        return SCALARS[random.random_range(0..SCALARS.len())].to_owned();
    }
    let inner = |random: &mut _| random_kind(random, depth - 1);
    match random.random_range(0..6) {
        0 => format!("Array({})", inner(random)),
        1 => format!("Map({}, {})", random_key(random), inner(random)),
        2 => format!("Tuple({}, {})", inner(random), inner(random)),
        3 => format!("Tuple(a {}, `b c` {})", inner(random), inner(random)),
        4 => format!("Nested(a {}, b {})", inner(random), inner(random)),
        _ => format!("Variant(String, UInt64, Array({}))", SCALARS[random.random_range(0..12)]),
    }
}

fn random_key(random: &mut impl Rng) -> &'static str {
    const KEYS: [&str; 8] = [
        "String",
        "LowCardinality(String)",
        "UInt8",
        "Int64",
        "Date",
        "UUID",
        "FixedString(3)",
        "Enum8('a' = 1, 'b' = 2)",
    ];
    KEYS[random.random_range(0..KEYS.len())]
}
