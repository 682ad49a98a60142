//! Types as ClickHouse spells them, for people and for statements.

use std::fmt::{self, Write};

use crate::column_type::ColumnType;

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid => f.write_str("UUID"),
            Self::Ipv4 => f.write_str("IPv4"),
            Self::Ipv6 => f.write_str("IPv6"),
            Self::Json => f.write_str("JSON"),
            Self::FixedString { length } => write!(f, "FixedString({length})"),
            Self::Time64 { precision } => write!(f, "Time64({precision})"),
            Self::DateTime { zone: None } => f.write_str("DateTime"),
            Self::DateTime { zone: Some(zone) } => write!(f, "DateTime({})", quoted(zone, '\'')),
            Self::DateTime64 { precision, zone: None } => write!(f, "DateTime64({precision})"),
            Self::DateTime64 { precision, zone: Some(zone) } => {
                write!(f, "DateTime64({precision}, {})", quoted(zone, '\''))
            }
            Self::Decimal { precision, scale } => write!(f, "Decimal({precision}, {scale})"),
            Self::Enum8(names) => write_list(f, "Enum8", names.iter(), write_name),
            Self::Enum16(names) => write_list(f, "Enum16", names.iter(), write_name),
            Self::Nullable(inner) => write!(f, "Nullable({inner})"),
            Self::LowCardinality(inner) => write!(f, "LowCardinality({inner})"),
            Self::Array(inner) => write!(f, "Array({inner})"),
            Self::Map(key, value) => write!(f, "Map({key}, {value})"),
            Self::Tuple(elements) => write_list(f, "Tuple", elements, |f, (name, kind)| match name {
                Some(name) => write!(f, "{} {kind}", identifier(name)),
                None => write!(f, "{kind}"),
            }),
            Self::Nested(columns) => {
                write_list(f, "Nested", columns, |f, (name, kind)| write!(f, "{} {kind}", identifier(name)))
            }
            Self::Variant(kinds) => write_list(f, "Variant", kinds, |f, kind| write!(f, "{kind}")),
            // The names of the rest are their variants'.
            other => write!(f, "{other:?}"),
        }
    }
}

fn write_list<T>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    items: impl IntoIterator<Item = T>,
    write_item: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(name)?;
    f.write_char('(')?;
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write_item(f, item)?;
    }
    f.write_char(')')
}

fn write_name(f: &mut fmt::Formatter<'_>, (number, name): (i16, &str)) -> fmt::Result {
    write!(f, "{} = {number}", quoted(name, '\''))
}

fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::from(quote);
    for next in text.chars() {
        if next == quote || next == '\\' {
            quoted.push('\\');
        }
        quoted.push(next);
    }
    quoted.push(quote);
    quoted
}

fn identifier(name: &str) -> String {
    let plain = name.chars().enumerate().all(|(index, next)| {
        next == '_' || if index == 0 { next.is_ascii_alphabetic() } else { next.is_ascii_alphanumeric() }
    });
    if plain && !name.is_empty() { name.to_owned() } else { quoted(name, '`') }
}
