//! Types that are made of others.

use super::cursor::{Parsed, Parser};
use crate::column_type::ColumnType;

impl Parser<'_> {
    pub(super) fn nullable(&mut self) -> Parsed<ColumnType> {
        let inner = self.one("`Nullable(String)`")?;
        match inner {
            ColumnType::Nullable(_) | ColumnType::LowCardinality(_) | ColumnType::Array(_) => {
                Err(self.misplaced(&inner, "Nullable"))
            }
            ColumnType::Map(..) | ColumnType::Nested(_) | ColumnType::Variant(_) => {
                Err(self.misplaced(&inner, "Nullable"))
            }
            inner => Ok(ColumnType::Nullable(Box::new(inner))),
        }
    }

    pub(super) fn low_cardinality(&mut self) -> Parsed<ColumnType> {
        let inner = self.one("`LowCardinality(String)`")?;
        let value = match &inner {
            ColumnType::Nullable(value) => value,
            other => other,
        };
        let fits = match value {
            ColumnType::Decimal { .. } | ColumnType::DateTime64 { .. } | ColumnType::Time64 { .. } => false,
            ColumnType::Enum8(_) | ColumnType::Enum16(_) | ColumnType::LowCardinality(_) => false,
            ColumnType::Tuple(_) => false,
            ColumnType::String => true,
            other => other.width().is_some(),
        };
        if fits {
            Ok(ColumnType::LowCardinality(Box::new(inner)))
        } else {
            Err(self.misplaced(&inner, "LowCardinality"))
        }
    }

    pub(super) fn map(&mut self) -> Parsed<ColumnType> {
        let example = "it takes two types: `Map(String, UInt64)`";
        self.open(example)?;
        let key = self.kind()?;
        if !self.takes(',') {
            return Err(self.malformed(example));
        }
        let value = self.kind()?;
        self.close()?;
        let nullable_key = match &key {
            ColumnType::Nullable(_) => true,
            ColumnType::LowCardinality(inner) => matches!(**inner, ColumnType::Nullable(_)),
            _ => false,
        };
        match nullable_key {
            true => Err(self.malformed(&format!("the key of a Map cannot be `{key}`"))),
            false => Ok(ColumnType::Map(Box::new(key), Box::new(value))),
        }
    }

    pub(super) fn tuple(&mut self) -> Parsed<ColumnType> {
        self.open("it takes types: `Tuple(String, UInt8)` or `Tuple(name String, age UInt8)`")?;
        let mut elements: Vec<(Option<String>, ColumnType)> = Vec::new();
        loop {
            let name = self.name()?;
            if name.is_some() && elements.iter().any(|(other, _)| *other == name) {
                return Err(self.malformed(&format!("two elements are called `{}`", name.unwrap_or_default())));
            }
            elements.push((name, self.kind()?));
            if !self.takes(',') {
                break;
            }
        }
        self.close()?;
        Ok(ColumnType::Tuple(elements))
    }

    pub(super) fn nested(&mut self) -> Parsed<ColumnType> {
        let example = "it takes columns: `Nested(name String, age UInt8)`";
        let ColumnType::Tuple(elements) = self.tuple()? else { return Err(self.malformed(example)) };
        let columns: Option<Vec<_>> = elements.into_iter().map(|(name, kind)| Some((name?, kind))).collect();
        columns.map(ColumnType::Nested).ok_or_else(|| self.malformed(example))
    }

    pub(super) fn variant(&mut self) -> Parsed<ColumnType> {
        self.open("it takes types: `Variant(String, UInt64)`")?;
        let mut kinds = Vec::new();
        loop {
            let kind = self.kind()?;
            let nullable =
                matches!(&kind, ColumnType::LowCardinality(inner) if matches!(**inner, ColumnType::Nullable(_)));
            if nullable || matches!(kind, ColumnType::Nullable(_) | ColumnType::Variant(_)) {
                return Err(self.misplaced(&kind, "Variant"));
            }
            kinds.push((kind.to_string(), kind));
            if !self.takes(',') {
                break;
            }
        }
        self.close()?;
        kinds.sort_by(|(one, _), (other, _)| one.cmp(other));
        let doubled = kinds.iter().zip(kinds.iter().skip(1)).find(|((one, _), (other, _))| one == other);
        if let Some(((text, _), _)) = doubled {
            return Err(self.malformed(&format!("`{text}` stands twice in a Variant")));
        }
        // 255 stands for null.
        if kinds.len() > 255 {
            return Err(self.malformed(&format!("a Variant has {} types, and at most 255", kinds.len())));
        }
        Ok(ColumnType::Variant(kinds.into_iter().map(|(_, kind)| kind).collect()))
    }

    /// Its arguments say how the server stores it; the text that is written is the same.
    pub(super) fn json(&mut self) -> Parsed<ColumnType> {
        if self.takes('(') {
            let mut open = 1usize;
            while open > 0 {
                match self.peek() {
                    None => return Err(self.malformed("the closing bracket is missing")),
                    Some('\'' | '`') => {
                        self.until_quote()?;
                        continue;
                    }
                    Some('(') => open += 1,
                    Some(')') => open -= 1,
                    Some(_) => {}
                }
                self.advance();
            }
        }
        Ok(ColumnType::Json)
    }

    /// A column of an aggregating table that takes plain values of its second argument.
    pub(super) fn simple_aggregate(&mut self) -> Parsed<ColumnType> {
        let example = "it takes a function and a type: `SimpleAggregateFunction(sum, UInt64)`";
        self.open(example)?;
        self.word();
        if !self.takes(',') {
            return Err(self.malformed(example));
        }
        let kind = self.kind()?;
        self.close()?;
        Ok(kind)
    }
}
