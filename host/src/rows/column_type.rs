//! A column's type, read from and written as ClickHouse spells it.

use std::fmt;
use std::str::FromStr;

use crate::config::nearest;

/// The types that rows may have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are ClickHouse's own.
pub enum ColumnType {
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Bool,
    String,
    Uuid,
    DateTime { zone: Option<String> },
    DateTime64 { precision: u8, zone: Option<String> },
    Decimal { precision: u8, scale: u8 },
    Nullable(Box<ColumnType>),
    LowCardinality(Box<ColumnType>),
}

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

const NAMES: [&str; 18] = [
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Float32",
    "Float64",
    "Bool",
    "String",
    "UUID",
    "DateTime",
    "DateTime64",
    "Decimal",
    "Nullable",
    "LowCardinality",
];

impl ColumnType {
    /// The bytes of a value of this type in RowBinary, where all values have the same.
    pub fn width(&self) -> Option<usize> {
        match self {
            Self::UInt8 | Self::Int8 | Self::Bool => Some(1),
            Self::UInt16 | Self::Int16 => Some(2),
            Self::UInt32 | Self::Int32 | Self::Float32 | Self::DateTime { .. } => Some(4),
            Self::UInt64 | Self::Int64 | Self::Float64 | Self::DateTime64 { .. } => Some(8),
            Self::Uuid => Some(16),
            Self::Decimal { precision, .. } => Some(decimal_width(*precision)),
            Self::LowCardinality(inner) => inner.width(),
            Self::String | Self::Nullable(_) => None,
        }
    }

    /// Whether a value has the same bytes and the same meaning in a column of type `live`. Time zones are a way of
    /// printing and `LowCardinality` a way of storing: neither shows in RowBinary.
    pub fn same_bytes(&self, live: &ColumnType) -> bool {
        match (self.stored(), live.stored()) {
            (Self::DateTime { .. }, Self::DateTime { .. }) => true,
            (Self::DateTime64 { precision: ours, .. }, Self::DateTime64 { precision: theirs, .. }) => ours == theirs,
            (Self::Nullable(ours), Self::Nullable(theirs)) => ours.same_bytes(theirs),
            (ours, theirs) => ours == theirs,
        }
    }

    fn stored(&self) -> &ColumnType {
        match self {
            Self::LowCardinality(inner) => inner,
            other => other,
        }
    }
}

/// Decimals are stored as the smallest of 32, 64 and 128 bits that holds their digits.
pub(super) fn decimal_width(precision: u8) -> usize {
    match precision {
        0..=9 => 4,
        10..=18 => 8,
        _ => 16,
    }
}

impl FromStr for ColumnType {
    type Err = TypeFault;

    fn from_str(text: &str) -> Result<Self, TypeFault> {
        let text = text.trim();
        let malformed = |problem: &str| TypeFault::Malformed { text: text.to_owned(), problem: problem.to_owned() };
        let (name, arguments) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| malformed("the closing bracket is missing"))?;
                (name.trim_end(), Some(inner.trim()))
            }
        };
        match (name, arguments) {
            ("DateTime", zone) => Ok(Self::DateTime { zone: zone.map(|zone| quoted(zone, text)).transpose()? }),
            ("DateTime64", Some(arguments)) => date_time64(arguments, text),
            ("Decimal", Some(arguments)) => decimal(arguments, text),
            ("Nullable", Some(inner)) => nullable(inner.parse()?, text),
            ("LowCardinality", Some(inner)) => low_cardinality(inner.parse()?, text),
            ("DateTime64", None) => Err(malformed("it takes a precision: `DateTime64(3)`")),
            ("Decimal", None) => Err(malformed("it takes a precision and a scale: `Decimal(18, 4)`")),
            ("Nullable" | "LowCardinality", None) => Err(malformed("it takes a type: `Nullable(String)`")),
            (name, arguments) => {
                let simple = simple(name)
                    .ok_or_else(|| TypeFault::Unknown { name: name.to_owned(), nearest: nearest(name, &NAMES) })?;
                match arguments {
                    None => Ok(simple),
                    Some(_) => Err(malformed("this type takes no arguments")),
                }
            }
        }
    }
}

fn simple(name: &str) -> Option<ColumnType> {
    Some(match name {
        "UInt8" => ColumnType::UInt8,
        "UInt16" => ColumnType::UInt16,
        "UInt32" => ColumnType::UInt32,
        "UInt64" => ColumnType::UInt64,
        "Int8" => ColumnType::Int8,
        "Int16" => ColumnType::Int16,
        "Int32" => ColumnType::Int32,
        "Int64" => ColumnType::Int64,
        "Float32" => ColumnType::Float32,
        "Float64" => ColumnType::Float64,
        "Bool" => ColumnType::Bool,
        "String" => ColumnType::String,
        "UUID" => ColumnType::Uuid,
        _ => return None,
    })
}

fn date_time64(arguments: &str, text: &str) -> Result<ColumnType, TypeFault> {
    let (precision, zone) = match arguments.split_once(',') {
        None => (arguments, None),
        Some((precision, zone)) => (precision.trim(), Some(quoted(zone.trim(), text)?)),
    };
    match precision.parse() {
        Ok(precision @ 0..=9) => Ok(ColumnType::DateTime64 { precision, zone }),
        _ => Err(TypeFault::Malformed {
            text: text.to_owned(),
            problem: format!("the precision is `{precision}`, not a number from 0 to 9"),
        }),
    }
}

fn decimal(arguments: &str, text: &str) -> Result<ColumnType, TypeFault> {
    let fault = |problem: String| TypeFault::Malformed { text: text.to_owned(), problem };
    let (precision, scale) = arguments
        .split_once(',')
        .ok_or_else(|| fault("it takes a precision and a scale: `Decimal(18, 4)`".to_owned()))?;
    let precision = match precision.trim().parse() {
        Ok(precision @ 1..=38) => precision,
        _ => return Err(fault(format!("the precision is `{}`, not a number from 1 to 38", precision.trim()))),
    };
    match scale.trim().parse() {
        Ok(scale) if scale <= precision => Ok(ColumnType::Decimal { precision, scale }),
        _ => Err(fault(format!("the scale is `{}`, not a number from 0 to the precision", scale.trim()))),
    }
}

fn nullable(inner: ColumnType, text: &str) -> Result<ColumnType, TypeFault> {
    match inner {
        ColumnType::Nullable(_) | ColumnType::LowCardinality(_) => Err(TypeFault::Malformed {
            text: text.to_owned(),
            problem: format!("`{inner}` cannot stand inside Nullable"),
        }),
        inner => Ok(ColumnType::Nullable(Box::new(inner))),
    }
}

fn low_cardinality(inner: ColumnType, text: &str) -> Result<ColumnType, TypeFault> {
    let value = match &inner {
        ColumnType::Nullable(value) => value,
        other => other,
    };
    match value {
        ColumnType::LowCardinality(_) | ColumnType::Decimal { .. } | ColumnType::DateTime64 { .. } => {
            Err(TypeFault::Malformed {
                text: text.to_owned(),
                problem: format!("`{inner}` cannot stand inside LowCardinality"),
            })
        }
        _ => Ok(ColumnType::LowCardinality(Box::new(inner))),
    }
}

fn quoted(zone: &str, text: &str) -> Result<String, TypeFault> {
    zone.strip_prefix('\'').and_then(|zone| zone.strip_suffix('\'')).map(str::to_owned).ok_or_else(|| {
        TypeFault::Malformed {
            text: text.to_owned(),
            problem: format!("the time zone is {zone}, not a name in single quotes such as 'UTC'"),
        }
    })
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid => f.write_str("UUID"),
            Self::DateTime { zone: None } => f.write_str("DateTime"),
            Self::DateTime { zone: Some(zone) } => write!(f, "DateTime('{zone}')"),
            Self::DateTime64 { precision, zone: None } => write!(f, "DateTime64({precision})"),
            Self::DateTime64 { precision, zone: Some(zone) } => write!(f, "DateTime64({precision}, '{zone}')"),
            Self::Decimal { precision, scale } => write!(f, "Decimal({precision}, {scale})"),
            Self::Nullable(inner) => write!(f, "Nullable({inner})"),
            Self::LowCardinality(inner) => write!(f, "LowCardinality({inner})"),
            // The names of the rest are their variants'.
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_back_as_it_prints() {
        for text in [
            "UInt8",
            "UInt16",
            "UInt32",
            "UInt64",
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "Float32",
            "Float64",
            "Bool",
            "String",
            "UUID",
            "DateTime",
            "DateTime('UTC')",
            "DateTime64(3)",
            "DateTime64(9, 'Europe/Moscow')",
            "Decimal(18, 4)",
            "Nullable(UInt64)",
            "LowCardinality(String)",
            "LowCardinality(Nullable(String))",
        ] {
            assert_eq!(text.parse::<ColumnType>().map(|kind| kind.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_type_that_does_not_exist_is_refused_with_the_nearest() {
        assert_eq!(
            "DateTimes".parse::<ColumnType>().map_err(|fault| fault.to_string()),
            Err("there is no type `DateTimes`; the nearest is `DateTime`".to_owned())
        );
    }

    #[test]
    fn wrong_arguments_are_refused_with_what_would_be_right() {
        for (text, part) in [
            ("DateTime64(12)", "from 0 to 9"),
            ("DateTime64", "takes a precision"),
            ("DateTime64(3, UTC)", "single quotes"),
            ("Decimal(40, 2)", "from 1 to 38"),
            ("Decimal(9, 10)", "to the precision"),
            ("Decimal(9)", "a precision and a scale"),
            ("Nullable(Nullable(String))", "inside Nullable"),
            ("Nullable(LowCardinality(String))", "inside Nullable"),
            ("LowCardinality(Decimal(9, 2))", "inside LowCardinality"),
            ("String(3)", "no arguments"),
            ("Nullable(String", "closing bracket"),
            ("", "no type ``"),
        ] {
            let fault = text.parse::<ColumnType>().expect_err(text).to_string();
            assert!(fault.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn zones_and_low_cardinality_do_not_change_the_bytes_but_precision_does() {
        let same = |ours: &str, live: &str| {
            ours.parse::<ColumnType>().unwrap().same_bytes(&live.parse::<ColumnType>().unwrap())
        };
        assert!(same("String", "LowCardinality(String)"));
        assert!(same("LowCardinality(Nullable(String))", "Nullable(String)"));
        assert!(same("DateTime64(3)", "DateTime64(3, 'UTC')"));
        assert!(!same("DateTime64(3)", "DateTime64(6)"));
        assert!(!same("String", "Nullable(String)"));
        assert!(!same("Decimal(18, 4)", "Decimal(18, 2)"));
    }
}
