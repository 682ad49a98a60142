//! `jiter`: values by hand, as its documentation does, with texts of their own, since it lends them only until the next value.
//! What is here are the pieces that records are read with.

use std::fmt;

use jiter::{Jiter, JiterError, NumberAny, NumberInt, Peek};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;
use tidegate_plugin::{DateTime64, Decimal, InvalidValue, Uuid};

use super::{Batch, Out, Parser};
use crate::data::Data;

pub(crate) struct ByHand;

impl Parser for ByHand {
    fn read<D: Data>(&mut self, batch: &Batch<'_>, out: &mut Out) {
        for value in batch.values() {
            let mut jiter = Jiter::new(value);
            let read = D::jiter(&mut jiter);
            out.take(read.and_then(|read| jiter.finish().map(|()| read).map_err(Fault::from)));
        }
    }
}

/// Why a record is refused.
#[derive(Debug)]
pub enum Fault {
    /// By jiter.
    Json(JiterError),
    /// By a field's type.
    Value(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(formatter),
            Self::Value(problem) => problem.fmt(formatter),
        }
    }
}

impl From<JiterError> for Fault {
    fn from(error: JiterError) -> Self {
        Self::Json(error)
    }
}

impl From<InvalidValue> for Fault {
    fn from(error: InvalidValue) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<ValueError> for Fault {
    fn from(error: ValueError) -> Self {
        Self::Value(error.to_string())
    }
}

/// Reads an object's members into variables of their names: first those that must be there, then those that need not.
macro_rules! members {
    ($jiter:ident; $($must:ident: $read_must:expr),+ $(; $($may:ident: $read_may:expr),+)?) => {
        $(let mut $must = None;)+
        $($(let mut $may = None;)+)?
        let mut key = $jiter.next_object()?;
        while let Some(name) = key {
            match name {
                $(stringify!($must) => $must = Some($read_must?),)+
                $($(stringify!($may) => $may = $read_may?,)+)?
                _ => $jiter.next_skip()?,
            }
            key = $jiter.next_key()?;
        }
        $(let $must = $must.ok_or_else(|| $crate::parsers::jiter::missing(stringify!($must)))?;)+
    };
}

pub(crate) use members;

#[cold]
pub(crate) fn missing(name: &str) -> Fault {
    Fault::Value(format!("missing field `{name}`"))
}

#[inline]
pub(crate) fn text(jiter: &mut Jiter<'_>) -> Result<String, Fault> {
    Ok(jiter.next_str()?.to_owned())
}

#[inline]
pub(crate) fn number<T: TryFrom<i64>>(jiter: &mut Jiter<'_>) -> Result<T, Fault> {
    let NumberInt::Int(number) = jiter.next_int()?;
    T::try_from(number).map_err(|_| Fault::Value(format!("{number} is out of range")))
}

#[inline]
pub(crate) fn float(jiter: &mut Jiter<'_>) -> Result<f64, Fault> {
    Ok(jiter.next_float()?)
}

#[inline]
pub(crate) fn uuid(jiter: &mut Jiter<'_>) -> Result<Uuid, Fault> {
    Ok(jiter.next_str()?.parse()?)
}

/// Text, or seconds or milliseconds.
#[inline]
pub(crate) fn time(jiter: &mut Jiter<'_>) -> Result<DateTime64<3>, Fault> {
    match jiter.peek()? {
        Peek::String => Ok(jiter.known_str()?.parse()?),
        peek => any(jiter.known_number(peek)?),
    }
}

#[inline]
pub(crate) fn decimal(jiter: &mut Jiter<'_>) -> Result<Decimal<18, 4>, Fault> {
    match jiter.peek()? {
        Peek::String => Ok(jiter.known_str()?.parse()?),
        peek => any(jiter.known_number(peek)?),
    }
}

#[inline]
fn any<T: for<'de> Deserialize<'de>>(number: NumberAny) -> Result<T, Fault> {
    match number {
        NumberAny::Int(NumberInt::Int(number)) => {
            let deserializer: serde::de::value::I64Deserializer<ValueError> = number.into_deserializer();
            Ok(T::deserialize(deserializer)?)
        }
        NumberAny::Float(number) => {
            let deserializer: serde::de::value::F64Deserializer<ValueError> = number.into_deserializer();
            Ok(T::deserialize(deserializer)?)
        }
    }
}

#[inline]
pub(crate) fn optional<'j, T>(
    jiter: &mut Jiter<'j>,
    read: impl FnOnce(&mut Jiter<'j>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    match jiter.peek()? {
        Peek::Null => {
            jiter.known_null()?;
            Ok(None)
        }
        _ => read(jiter).map(Some),
    }
}

#[inline]
pub(crate) fn array<'j, T>(
    jiter: &mut Jiter<'j>,
    mut read: impl FnMut(&mut Jiter<'j>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut elements = Vec::new();
    let mut more = jiter.next_array()?.is_some();
    while more {
        elements.push(read(jiter)?);
        more = jiter.array_step()?.is_some();
    }
    Ok(elements)
}
