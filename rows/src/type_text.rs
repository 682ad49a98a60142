//! Types as ClickHouse spells them, read from a plugin's description and from a live table, and written for people.
//! A plugin's author may be hostile: whatever the text, reading it ends soon and within the stack.

mod composed;
mod cursor;
mod print;

use self::cursor::{Parsed, Parser, beginning};
use super::ColumnType;
use super::column_type::Names;
use crate::text::nearest;

/// Why a type's text is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TypeFault {
    /// No such type.
    #[error("there is no type `{name}`{}", hint(.nearest))]
    Unknown {
        /// What stands there.
        name: String,
        /// The type with the most similar name.
        nearest: Option<&'static str>,
    },
    /// The type exists, its arguments are wrong.
    #[error("`{text}` is not a type: {problem}")]
    Malformed {
        /// What stands there.
        text: String,
        /// What is wrong with it and what would be right.
        problem: String,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!("; the nearest is `{name}`")).unwrap_or_default()
}

/// Types without arguments, and those of geometry, which are other types by another name.
const SIMPLE: [(&str, &str); 7] = [
    ("Point", "Tuple(Float64, Float64)"),
    ("Ring", "Array(Point)"),
    ("LineString", "Array(Point)"),
    ("MultiLineString", "Array(LineString)"),
    ("Polygon", "Array(Ring)"),
    ("MultiPolygon", "Array(Polygon)"),
    ("JSON", ""),
];

const NAMES: [&str; 39] = [
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
    "FixedString",
    "UUID",
    "IPv4",
    "IPv6",
    "Date",
    "Date32",
    "Time",
    "Time64",
    "DateTime",
    "DateTime64",
    "Decimal",
    "Enum8",
    "Enum16",
    "Nullable",
    "LowCardinality",
    "Array",
    "Map",
    "Tuple",
    "Nested",
    "Variant",
    "JSON",
    "SimpleAggregateFunction",
];

/// Deeper than any table, shallow enough for the stack of a thread.
const DEEPEST: usize = 32;

/// Room for an Enum of thousands of names.
const LONGEST: usize = 1 << 20;

/// Reads a type.
///
/// # Errors
/// What is wrong and what would be right.
pub(super) fn parse(text: &str) -> Result<ColumnType, TypeFault> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    if text.len() > LONGEST {
        return Err(parser.malformed("it is longer than 1 MiB"));
    }
    let kind = parser.kind()?;
    parser.space();
    match parser.rest() {
        "" => Ok(kind),
        rest => Err(parser.malformed(&format!("`{}` stands behind its end", beginning(rest)))),
    }
}

impl<'t> Parser<'t> {
    fn kind(&mut self) -> Parsed<ColumnType> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.malformed(&format!("it is nested deeper than {DEEPEST} types")));
        }
        let name = self.word();
        let kind = match name {
            "FixedString" => self.fixed_string(),
            "Time64" => self.time64(),
            "DateTime" => Ok(ColumnType::DateTime { zone: self.zone_alone()? }),
            "DateTime64" => self.date_time64(),
            "Decimal" => self.decimal(),
            "Decimal32" => self.sized_decimal(9),
            "Decimal64" => self.sized_decimal(18),
            "Decimal128" => self.sized_decimal(38),
            "Decimal256" => self.sized_decimal(76),
            "Enum8" | "Enum16" | "Enum" => self.names(name),
            "Nullable" => self.nullable(),
            "LowCardinality" => self.low_cardinality(),
            "Array" => Ok(ColumnType::Array(Box::new(self.one("`Array(String)`")?))),
            "Map" => self.map(),
            "Tuple" => self.tuple(),
            "Nested" => self.nested(),
            "Variant" => self.variant(),
            "JSON" => self.json(),
            "SimpleAggregateFunction" => self.simple_aggregate(),
            name => self.simple(name),
        };
        self.depth -= 1;
        kind
    }

    fn simple(&mut self, name: &'t str) -> Parsed<ColumnType> {
        let kind = match name {
            "UInt8" => ColumnType::UInt8,
            "UInt16" => ColumnType::UInt16,
            "UInt32" => ColumnType::UInt32,
            "UInt64" => ColumnType::UInt64,
            "UInt128" => ColumnType::UInt128,
            "UInt256" => ColumnType::UInt256,
            "Int8" => ColumnType::Int8,
            "Int16" => ColumnType::Int16,
            "Int32" => ColumnType::Int32,
            "Int64" => ColumnType::Int64,
            "Int128" => ColumnType::Int128,
            "Int256" => ColumnType::Int256,
            "BFloat16" => ColumnType::BFloat16,
            "Float32" => ColumnType::Float32,
            "Float64" => ColumnType::Float64,
            "Bool" => ColumnType::Bool,
            "String" => ColumnType::String,
            "UUID" => ColumnType::Uuid,
            "IPv4" => ColumnType::Ipv4,
            "IPv6" => ColumnType::Ipv6,
            "Date" => ColumnType::Date,
            "Date32" => ColumnType::Date32,
            "Time" => ColumnType::Time,
            name => match SIMPLE.iter().find(|(alias, _)| *alias == name) {
                Some((_, meant)) => parse(meant)?,
                None => {
                    let name = beginning(if name.is_empty() { self.rest() } else { name });
                    return Err(TypeFault::Unknown { nearest: nearest(&name, &NAMES), name });
                }
            },
        };
        match self.peek() {
            Some('(') => Err(self.malformed(&format!("`{name}` takes no arguments"))),
            _ => Ok(kind),
        }
    }

    fn fixed_string(&mut self) -> Parsed<ColumnType> {
        let example = "it takes a length in bytes: `FixedString(16)`";
        self.open(example)?;
        let digits = self.number();
        self.close()?;
        // ClickHouse's own limit.
        match digits.parse() {
            Ok(length @ 1..=0xff_ffff) => Ok(ColumnType::FixedString { length }),
            _ => Err(self.malformed(&format!("the length is `{digits}`, not a number from 1 to 16777215"))),
        }
    }

    fn time64(&mut self) -> Parsed<ColumnType> {
        self.open("it takes a precision: `Time64(3)`")?;
        let precision = self.precision()?;
        self.close()?;
        Ok(ColumnType::Time64 { precision })
    }

    fn date_time64(&mut self) -> Parsed<ColumnType> {
        self.open("it takes a precision: `DateTime64(3)`")?;
        let precision = self.precision()?;
        let zone = if self.takes(',') { Some(self.quoted("the time zone", "'UTC'")?) } else { None };
        self.close()?;
        Ok(ColumnType::DateTime64 { precision, zone })
    }

    fn zone_alone(&mut self) -> Parsed<Option<String>> {
        if !self.takes('(') {
            return Ok(None);
        }
        let zone = self.quoted("the time zone", "'UTC'")?;
        self.close()?;
        Ok(Some(zone))
    }

    fn precision(&mut self) -> Parsed<u8> {
        let digits = self.number();
        match digits.parse() {
            Ok(precision @ 0..=9) => Ok(precision),
            _ => Err(self.malformed(&format!("the precision is `{digits}`, not a number from 0 to 9"))),
        }
    }

    fn decimal(&mut self) -> Parsed<ColumnType> {
        let example = "it takes a precision and a scale: `Decimal(18, 4)`";
        self.open(example)?;
        let digits = self.number();
        let precision = match digits.parse() {
            Ok(precision @ 1..=76) => precision,
            _ => return Err(self.malformed(&format!("the precision is `{digits}`, not a number from 1 to 76"))),
        };
        if !self.takes(',') {
            return Err(self.malformed(example));
        }
        let scale = self.scale(precision)?;
        self.close()?;
        Ok(ColumnType::Decimal { precision, scale })
    }

    fn sized_decimal(&mut self, precision: u8) -> Parsed<ColumnType> {
        self.open("it takes a scale: `Decimal64(4)`")?;
        let scale = self.scale(precision)?;
        self.close()?;
        Ok(ColumnType::Decimal { precision, scale })
    }

    fn scale(&mut self, precision: u8) -> Parsed<u8> {
        let digits = self.number();
        match digits.parse() {
            Ok(scale) if scale <= precision => Ok(scale),
            _ => Err(self.malformed(&format!("the scale is `{digits}`, not a number from 0 to the precision"))),
        }
    }

    fn names(&mut self, kind: &str) -> Parsed<ColumnType> {
        self.open("it takes names with numbers: `Enum8('red' = 1, 'blue' = 2)`")?;
        let mut names: Vec<(i16, String)> = Vec::new();
        loop {
            let name = self.quoted("a name of the Enum", "'red' = 1")?;
            if !self.takes('=') {
                return Err(self.malformed(&format!("the name '{name}' has no number: `'{name}' = 1`")));
            }
            let digits = self.number();
            let number: Option<i16> = digits.parse().ok();
            let number = number.filter(|number| kind != "Enum8" || i8::try_from(*number).is_ok());
            let Some(number) = number else {
                let range = if kind == "Enum8" { "-128 to 127" } else { "-32768 to 32767" };
                return Err(self.malformed(&format!("the number of '{name}' is `{digits}`, not one from {range}")));
            };
            names.push((number, name));
            if !self.takes(',') {
                break;
            }
        }
        self.close()?;
        let names = Names::new(names);
        self.refuse_doubles(&names)?;
        let narrow = names.iter().all(|(number, _)| i8::try_from(number).is_ok());
        Ok(if kind == "Enum8" || (kind == "Enum" && narrow) {
            ColumnType::Enum8(names)
        } else {
            ColumnType::Enum16(names)
        })
    }

    fn refuse_doubles(&self, names: &Names) -> Parsed<()> {
        let (mut seen, mut last) = (std::collections::BTreeSet::new(), None);
        for (number, name) in names.iter() {
            if last.replace(number) == Some(number) {
                return Err(self.malformed(&format!("two names have the number {number}")));
            }
            if !seen.insert(name) {
                return Err(self.malformed(&format!("the name '{name}' stands twice")));
            }
        }
        Ok(())
    }

    fn misplaced(&self, inner: &ColumnType, outer: &str) -> TypeFault {
        self.malformed(&format!("`{}` cannot stand inside {outer}", beginning(&inner.to_string())))
    }

    fn one(&mut self, example: &str) -> Parsed<ColumnType> {
        self.open(&format!("it takes a type: {example}"))?;
        let kind = self.kind()?;
        self.close()?;
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_as_it_prints() {
        let simple = NAMES.iter().filter(|name| parse(name).is_ok()).map(|name| (*name).to_owned());
        let others = [
            "FixedString(16)",
            "Time64(3)",
            "DateTime('UTC')",
            "DateTime64(3)",
            "DateTime64(9, 'Europe/Moscow')",
            "Decimal(18, 4)",
            "Decimal(76, 76)",
            "Enum8('a\\'b' = -128, '' = 0, 'c, d)' = 127)",
            "Enum16('a' = 1000)",
            "Nullable(UInt64)",
            "Nullable(Tuple(UInt8, String))",
            "LowCardinality(String)",
            "LowCardinality(Nullable(String))",
            "Array(Array(Nullable(String)))",
            "Map(LowCardinality(String), Array(Tuple(a UInt8, `b c` Map(UInt8, Enum8('x' = 1)))))",
            "Nested(a UInt8, `1` Nested(b String))",
            "Variant(Array(UInt8), String, UInt64)",
        ];
        let all: Vec<String> = simple.chain(others.map(str::to_owned)).collect();
        assert!(all.len() > 35);
        for text in all {
            assert_eq!(parse(&text).map(|kind| kind.to_string()), Ok(text.clone()), "{text}");
        }
    }

    #[test]
    fn what_a_server_spells_otherwise_is_understood() {
        for (text, meant) in [
            (" Array( UInt8 ) ", "Array(UInt8)"),
            ("Decimal64(4)", "Decimal(18, 4)"),
            ("Decimal256(0)", "Decimal(76, 0)"),
            ("Enum('a' = 1)", "Enum8('a' = 1)"),
            ("Enum('b' = 2, 'a' = 200)", "Enum16('b' = 2, 'a' = 200)"),
            ("Variant(UInt64, String)", "Variant(String, UInt64)"),
            ("JSON(max_dynamic_paths = 8, a.b UInt32, SKIP REGEXP 'x)')", "JSON"),
            ("Array(JSON(`a)` UInt8))", "Array(JSON)"),
            ("SimpleAggregateFunction(sum, UInt64)", "UInt64"),
            ("Polygon", "Array(Array(Tuple(Float64, Float64)))"),
            ("Tuple(DateTime64(3, 'UTC'), s String)", "Tuple(DateTime64(3, 'UTC'), s String)"),
        ] {
            assert_eq!(parse(text).map(|kind| kind.to_string()), Ok(meant.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_type_that_does_not_exist_is_refused_with_the_nearest() {
        assert_eq!(
            parse("DateTimes").map_err(|fault| fault.to_string()),
            Err("there is no type `DateTimes`; the nearest is `DateTime`".to_owned())
        );
        assert!(parse("Array(Strin)").unwrap_err().to_string().contains("nearest is `String`"));
    }

    #[test]
    fn wrong_arguments_are_refused_with_what_would_be_right() {
        for (text, part) in [
            ("DateTime64(12)", "from 0 to 9"),
            ("DateTime64", "takes a precision"),
            ("DateTime64(3, UTC)", "single quotes"),
            ("Decimal(77, 2)", "from 1 to 76"),
            ("Decimal(9, 10)", "to the precision"),
            ("Decimal(9)", "a precision and a scale"),
            ("FixedString(0)", "from 1 to"),
            ("Enum8('a' = 128)", "from -128 to 127"),
            ("Enum8('a' = 1, 'b' = 1)", "two names have the number 1"),
            ("Enum8('a' = 1, 'a' = 2)", "'a' stands twice"),
            ("Enum8('a')", "has no number"),
            ("Enum8('a", "closing quote"),
            ("Nullable(Nullable(String))", "inside Nullable"),
            ("Nullable(LowCardinality(String))", "inside Nullable"),
            ("Nullable(Array(String))", "inside Nullable"),
            ("LowCardinality(Decimal(9, 2))", "inside LowCardinality"),
            ("LowCardinality(Array(String))", "inside LowCardinality"),
            ("Map(Nullable(String), String)", "key of a Map"),
            ("Map(String)", "two types"),
            ("Tuple()", "no type"),
            ("Tuple(a UInt8, a UInt8)", "two elements are called `a`"),
            ("Nested(UInt8)", "takes columns"),
            ("Variant(String, String)", "stands twice"),
            ("Variant(LowCardinality(Nullable(String)), UInt8)", "inside Variant"),
            ("String(3)", "no arguments"),
            ("Nullable(String", "closing bracket"),
            ("UInt8 UInt8", "stands behind its end"),
            ("", "no type ``"),
        ] {
            let fault = parse(text).expect_err(text).to_string();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn a_type_that_is_nested_too_deep_or_too_long_is_refused_and_not_followed() {
        let deep = "Array(".repeat(100_000);
        assert!(parse(&deep).unwrap_err().to_string().contains("deeper than 32"));
        let long = format!("Enum8('{}' = 1)", "x".repeat(2 << 20));
        let fault = parse(&long).unwrap_err().to_string();
        assert!(fault.contains("longer than 1 MiB") && fault.len() < 500, "{fault}");
    }
}
