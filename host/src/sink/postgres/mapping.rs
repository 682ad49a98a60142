//! Which column types of PostgreSQL take which column types of a plugin, and how values get there. The one place that says
//! so: `compare` asks it for what fits, for the type of a CREATE TABLE, and for what an operator is told.
//!
//! A pair stands here only where nothing is lost: what a live type cannot hold at all is not in it, what it cannot hold of
//! a single value (a NUL in a text, a text beyond `varchar(n)`) is for `check`.

use super::field::{Cast, Field, Whole};
use crate::rows::{ColumnType, decimal_width};

/// Types of PostgreSQL that take values. Their numbers are the same on every server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PgType {
    Boolean,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    Numeric,
    Text,
    Varchar,
    Bytea,
    Uuid,
    Inet,
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    Json,
    Jsonb,
}

/// What a live column must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    kind: PgType,
    room: Room,
    /// Whether it is an array of these.
    array: bool,
}

/// What its modifier must leave room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// The type has none, or must have none.
    Any,
    /// Digits before and behind the point.
    Digits { whole: i32, scale: i32 },
    /// Digits of a second.
    Fraction(i32),
    /// Texts that are too long are found one by one.
    Characters,
}

/// The type of a live column, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveType {
    /// Of the element, where it is an array.
    pub oid: u32,
    /// Whether it is an array.
    pub array: bool,
    /// Length, or digits, as the catalog packs them; -1 for none.
    pub modifier: i32,
    /// As the server prints it.
    pub text: String,
}

/// How values of `kind` get into a column of type `live`, if they do.
pub fn fit(kind: &ColumnType, live: &LiveType) -> Option<Field> {
    let (inner, nullable) = bare(kind);
    let (_, cast) = candidates(inner).into_iter().find(|(target, _)| target.takes(live))?;
    let limit = match live.oid == PgType::Varchar.oid() && live.modifier >= 0 {
        true => usize::try_from(live.modifier - HEADER).ok(),
        false => None,
    };
    Some(Field { nullable, limit, cast }.for_elements())
}

/// The types that take values of `kind`, the one for a new table first.
pub fn fitting(kind: &ColumnType) -> Vec<String> {
    candidates(bare(kind).0).iter().map(|(target, _)| target.to_string()).collect()
}

/// Whether a value may be null: a `Variant` is null where it has no value.
pub fn may_be_null(kind: &ColumnType) -> bool {
    let (inner, nullable) = bare(kind);
    nullable || matches!(inner, ColumnType::Variant(_))
}

/// The type without what is only a way of storing, and whether it was Nullable.
fn bare(kind: &ColumnType) -> (&ColumnType, bool) {
    match kind {
        ColumnType::LowCardinality(inner) => bare(inner),
        ColumnType::Nullable(inner) => (bare(inner).0, true),
        other => (other, false),
    }
}

type Candidate = (Target, Cast);

/// All types that take values of `kind` without loss, the best first.
fn candidates(kind: &ColumnType) -> Vec<Candidate> {
    match kind {
        ColumnType::Bool => vec![plain(PgType::Boolean, Cast::Bool)],
        ColumnType::UInt8 => whole(Whole::U8, 9, 3),
        ColumnType::UInt16 => whole(Whole::U16, 17, 5),
        ColumnType::UInt32 => whole(Whole::U32, 33, 10),
        ColumnType::UInt64 => whole(Whole::U64, 65, 20),
        ColumnType::UInt128 => whole(Whole::U128, 129, 39),
        ColumnType::UInt256 => whole(Whole::U256, 257, 78),
        ColumnType::Int8 => whole(Whole::I8, 8, 3),
        ColumnType::Int16 => whole(Whole::I16, 16, 5),
        ColumnType::Int32 => whole(Whole::I32, 32, 10),
        ColumnType::Int64 => whole(Whole::I64, 64, 19),
        ColumnType::Int128 => whole(Whole::I128, 128, 39),
        ColumnType::Int256 => whole(Whole::I256, 256, 77),
        ColumnType::Decimal { precision, scale } => vec![decimal(*precision, *scale)],
        ColumnType::BFloat16 => {
            vec![plain(PgType::Real, Cast::HalfToReal), plain(PgType::Double, Cast::HalfToDouble)]
        }
        ColumnType::Float32 => {
            vec![plain(PgType::Real, Cast::Real), plain(PgType::Double, Cast::RealToDouble)]
        }
        ColumnType::Float64 => vec![plain(PgType::Double, Cast::Double)],
        ColumnType::String => [texts(Cast::Text), vec![plain(PgType::Bytea, Cast::Bytes)]].concat(),
        ColumnType::FixedString { length } => {
            [vec![plain(PgType::Bytea, Cast::FixedBytes(*length))], texts(Cast::FixedText(*length))].concat()
        }
        ColumnType::Uuid => or_printed(plain(PgType::Uuid, Cast::Uuid), kind),
        ColumnType::Ipv4 => or_printed(plain(PgType::Inet, Cast::Ipv4), kind),
        ColumnType::Ipv6 => or_printed(plain(PgType::Inet, Cast::Ipv6), kind),
        ColumnType::Date => vec![plain(PgType::Date, Cast::Date)],
        ColumnType::Date32 => vec![plain(PgType::Date, Cast::Date32)],
        ColumnType::DateTime { .. } => times(0, Cast::DateTime),
        ColumnType::DateTime64 { precision, .. } => match micros_a_tick(*precision) {
            Some(micros) => times(i32::from(*precision), Cast::DateTime64 { micros }),
            None => texts(Cast::Printed(kind.clone())),
        },
        ColumnType::Time => or_printed(plain(PgType::Interval, Cast::Time), kind),
        ColumnType::Time64 { precision } => match micros_a_tick(*precision) {
            Some(micros) => or_printed(plain(PgType::Interval, Cast::Time64 { micros }), kind),
            None => texts(Cast::Printed(kind.clone())),
        },
        ColumnType::Enum8(_) | ColumnType::Enum16(_) => texts(Cast::Printed(kind.clone())),
        ColumnType::Array(element) => array(element, kind),
        ColumnType::Map(..) | ColumnType::Tuple(_) | ColumnType::Nested(_) => json(kind),
        ColumnType::Variant(_) | ColumnType::Json => json(kind),
        // `bare` takes these off.
        ColumnType::Nullable(_) | ColumnType::LowCardinality(_) => Vec::new(),
    }
}

fn plain(kind: PgType, cast: Cast) -> Candidate {
    (Target { kind, room: Room::Any, array: false }, cast)
}

/// An integer of so many bits, the sign's included, and so many digits.
fn whole(from: Whole, bits: u32, digits: i32) -> Vec<Candidate> {
    let numeric = Target { kind: PgType::Numeric, room: Room::Digits { whole: digits, scale: 0 }, array: false };
    let integers = [(PgType::SmallInt, 16, 2), (PgType::Integer, 32, 4), (PgType::BigInt, 64, 8)];
    let wide_enough = integers.into_iter().filter(|(_, room, _)| bits <= *room);
    let integers = wide_enough.map(|(kind, _, width)| plain(kind, Cast::Whole { from, width }));
    integers.chain([(numeric, Cast::Numeric { from, scale: 0 })]).collect()
}

fn decimal(precision: u8, scale: u8) -> Candidate {
    let from = match decimal_width(precision) {
        4 => Whole::I32,
        8 => Whole::I64,
        16 => Whole::I128,
        _ => Whole::I256,
    };
    let room = Room::Digits { whole: i32::from(precision) - i32::from(scale), scale: i32::from(scale) };
    (Target { kind: PgType::Numeric, room, array: false }, Cast::Numeric { from, scale })
}

fn texts(cast: Cast) -> Vec<Candidate> {
    let varchar = Target { kind: PgType::Varchar, room: Room::Characters, array: false };
    vec![plain(PgType::Text, cast.clone()), (varchar, cast)]
}

/// A type of its own, or the value as it prints.
fn or_printed(own: Candidate, kind: &ColumnType) -> Vec<Candidate> {
    [vec![own], texts(Cast::Printed(kind.clone()))].concat()
}

fn times(fraction: i32, cast: Cast) -> Vec<Candidate> {
    let target = |kind| Target { kind, room: Room::Fraction(fraction), array: false };
    vec![(target(PgType::TimestampTz), cast.clone()), (target(PgType::Timestamp), cast)]
}

/// Times of PostgreSQL have microseconds: finer ones do not fit.
fn micros_a_tick(precision: u8) -> Option<i64> {
    6u32.checked_sub(u32::from(precision)).map(|digits| 10i64.pow(digits))
}

fn json(kind: &ColumnType) -> Vec<Candidate> {
    let kept = Cast::Json(kind.clone());
    vec![plain(PgType::Jsonb, Cast::Jsonb(kind.clone())), plain(PgType::Json, kept.clone()), plain(PgType::Text, kept)]
}

/// An array of what its elements fit. Arrays of arrays must be rectangular in PostgreSQL, so all that is composed is JSON.
fn array(element: &ColumnType, kind: &ColumnType) -> Vec<Candidate> {
    let (inner, nullable) = bare(element);
    let is_composed =
        matches!(inner, ColumnType::Array(_) | ColumnType::Map(..) | ColumnType::Tuple(_) | ColumnType::Nested(_))
            || matches!(inner, ColumnType::Variant(_) | ColumnType::Json);
    let elements = if is_composed { Vec::new() } else { candidates(inner) };
    let array = |(target, cast): Candidate| {
        let oid = target.kind.oid();
        let element = Box::new(Field { nullable, limit: None, cast });
        (Target { array: true, ..target }, Cast::Array { element, oid })
    };
    elements.into_iter().map(array).chain(json(kind)).collect()
}

/// What the modifiers of `numeric` and `varchar` count besides.
const HEADER: i32 = 4;

impl Target {
    fn takes(&self, live: &LiveType) -> bool {
        if self.kind.oid() != live.oid || self.array != live.array {
            return false;
        }
        if live.modifier < 0 {
            return true;
        }
        match self.room {
            Room::Any => false,
            Room::Characters => true,
            Room::Fraction(digits) => digits <= live.modifier,
            Room::Digits { whole, scale } => {
                let packed = live.modifier - HEADER;
                // The lower half is the scale, of 11 bits with a sign.
                let (precision, live_scale) = (packed >> 16, ((packed & 0x7ff) ^ 0x400) - 0x400);
                scale <= live_scale && whole <= precision - live_scale
            }
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.name())?;
        if let Room::Digits { whole, scale } = self.room {
            write!(f, "({}, {scale})", whole + scale)?;
        }
        f.write_str(if self.array { "[]" } else { "" })
    }
}

impl PgType {
    /// Its number in `pg_type`.
    fn oid(self) -> u32 {
        self.facts().0
    }

    fn name(self) -> &'static str {
        self.facts().1
    }

    fn facts(self) -> (u32, &'static str) {
        match self {
            Self::Boolean => (16, "boolean"),
            Self::SmallInt => (21, "smallint"),
            Self::Integer => (23, "integer"),
            Self::BigInt => (20, "bigint"),
            Self::Real => (700, "real"),
            Self::Double => (701, "double precision"),
            Self::Numeric => (1700, "numeric"),
            Self::Text => (25, "text"),
            Self::Varchar => (1043, "varchar"),
            Self::Bytea => (17, "bytea"),
            Self::Uuid => (2950, "uuid"),
            Self::Inet => (869, "inet"),
            Self::Date => (1082, "date"),
            Self::Timestamp => (1114, "timestamp"),
            Self::TimestampTz => (1184, "timestamptz"),
            Self::Interval => (1186, "interval"),
            Self::Json => (114, "json"),
            Self::Jsonb => (3802, "jsonb"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(kind: &str, oid: u32, modifier: i32) -> bool {
        let live = LiveType { oid, array: false, modifier, text: String::new() };
        fit(&kind.parse().unwrap(), &live).is_some()
    }

    fn numeric(precision: i32, scale: i32) -> i32 {
        (precision << 16 | (scale & 0x7ff)) + HEADER
    }

    #[test]
    fn a_column_takes_what_it_can_hold_and_nothing_that_would_be_cut() {
        assert!(fits("UInt8", 21, -1) && fits("UInt16", 23, -1) && fits("UInt32", 20, -1));
        assert!(!fits("UInt16", 21, -1) && !fits("UInt32", 23, -1) && !fits("UInt64", 20, -1));
        assert!(
            fits("UInt64", 1700, -1) && fits("UInt64", 1700, numeric(20, 0)) && !fits("UInt64", 1700, numeric(19, 0))
        );
        assert!(fits("Decimal(18, 4)", 1700, numeric(18, 4)) && fits("Decimal(18, 4)", 1700, numeric(20, 6)));
        assert!(!fits("Decimal(18, 4)", 1700, numeric(18, 5)) && !fits("Decimal(18, 4)", 1700, numeric(18, 3)));
        assert!(!fits("UInt8", 1700, numeric(3, -1)));
        assert!(fits("DateTime64(3)", 1184, 3) && fits("DateTime64(3)", 1114, -1) && !fits("DateTime64(3)", 1184, 2));
        assert!(fits("DateTime64(6)", 1184, -1) && !fits("DateTime64(7)", 1184, -1) && fits("DateTime64(7)", 25, -1));
        assert!(fits("String", 1043, 14) && !fits("String", 1042, 14), "char(10) pads");
        assert!(!fits("Time", 1186, 0x7fff_0003), "interval(3) may be cut");
        assert!(fits("LowCardinality(Nullable(String))", 25, -1));
    }

    #[test]
    fn every_type_has_a_type_for_a_new_table() {
        for (kind, first) in [
            ("UInt8", "smallint"),
            ("UInt64", "numeric(20, 0)"),
            ("Int256", "numeric(77, 0)"),
            ("Decimal(76, 38)", "numeric(76, 38)"),
            ("Nullable(DateTime64(3, 'UTC'))", "timestamptz"),
            ("DateTime64(9)", "text"),
            ("Array(Nullable(UInt64))", "numeric(20, 0)[]"),
            ("Array(Array(UInt8))", "jsonb"),
            ("Map(String, UInt8)", "jsonb"),
            ("Enum8('a' = 1)", "text"),
            ("FixedString(3)", "bytea"),
            ("Variant(String, UInt8)", "jsonb"),
        ] {
            assert_eq!(fitting(&kind.parse().unwrap()).first().map(String::as_str), Some(first), "{kind}");
        }
    }
}
