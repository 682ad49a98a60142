//! A line as a measurement. Knows what a field may look like, not whether its value makes sense for the device.

use std::borrow::Cow;
use std::fmt::Display;

use tidegate_plugin::{DateTime64, Reject};

use crate::Reading;
use crate::csv::Line;
use crate::layout::{Column, Layout};
use crate::summary::Series;

/// What a line says.
pub struct Measurement<'a> {
    device: Cow<'a, str>,
    pub metric: Cow<'a, str>,
    time: DateTime64<3>,
    pub value: f64,
    note: Cow<'a, str>,
}

impl<'a> Measurement<'a> {
    pub fn read(line: Line<'a>, layout: &Layout) -> Result<Self, Reject> {
        layout.check(&line)?;
        let mut fields = Fields { line, layout };
        Ok(Self {
            time: fields.parse(Column::Time, |text| text.parse())?,
            value: fields.parse(Column::Value, number)?,
            device: fields.text(Column::Device)?,
            metric: fields.text(Column::Metric)?,
            note: fields.take(Column::Note).unwrap_or_default(),
        })
    }

    pub fn series(&self) -> Series {
        Series { device: self.device.to_string(), metric: self.metric.to_string() }
    }

    pub fn reading(&self) -> Reading<'_> {
        Reading {
            device: &self.device,
            metric: &self.metric,
            time: self.time,
            value: self.value,
            note: Some(&*self.note).filter(|note| !note.is_empty()),
        }
    }
}

/// A number with a point or a comma before its fraction, and no other comma.
fn number(text: &str) -> Result<f64, String> {
    let value = match text.contains(',') {
        true => text.replace(',', ".").parse::<f64>(),
        false => text.parse(),
    };
    match value {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(format!("{text:?} is not a finite number")),
        Err(_) => Err(format!("{text:?} is not a number, such as \"3.14\" or \"3,14\"")),
    }
}

/// The fields of a line, each taken once.
struct Fields<'a, 'l> {
    line: Line<'a>,
    layout: &'l Layout,
}

impl<'a> Fields<'a, '_> {
    fn take(&mut self, column: Column) -> Option<Cow<'a, str>> {
        let field = self.line.fields.get_mut(self.layout.position(column)?)?;
        Some(std::mem::take(field))
    }

    /// A field that must say something.
    fn text(&mut self, column: Column) -> Result<Cow<'a, str>, Reject> {
        let field = self.take(column).ok_or_else(|| self.fault(column, "the line ends before it"))?;
        let field = match field {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        if field.is_empty() {
            return Err(self.fault(column, "it is empty"));
        }
        Ok(field)
    }

    fn parse<T, E: Display>(&mut self, column: Column, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Reject> {
        let field = self.text(column)?;
        parse(&field).map_err(|fault| self.fault(column, fault))
    }

    fn fault(&self, column: Column, fault: impl Display) -> Reject {
        Reject::new(format!("line {}, column {}: {fault}", self.line.number, column.name()))
    }
}
