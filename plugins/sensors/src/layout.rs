//! Which field of a line is which column.

use tidegate_plugin::Reject;

use crate::csv::Line;

/// A column of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Device,
    Metric,
    Time,
    Value,
    Note,
}

/// The columns of a line, in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout(Vec<Column>);

const ALL: [Column; 5] = [Column::Device, Column::Metric, Column::Time, Column::Value, Column::Note];

impl Column {
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Metric => "metric",
            Self::Time => "time",
            Self::Value => "value",
            Self::Note => "note",
        }
    }

    fn named(text: &str) -> Option<Self> {
        let is = |name: &str| text.trim().eq_ignore_ascii_case(name);
        ALL.into_iter().find(|column| is(column.name())).or_else(|| is("unit").then_some(Self::Metric))
    }
}

impl Default for Layout {
    /// The order where no header says another.
    fn default() -> Self {
        Self(ALL.to_vec())
    }
}

impl Layout {
    /// The layout below a header row; `None` where the line is none. It is one where all of its fields are names of
    /// columns.
    pub fn of_header(line: &Line<'_>) -> Result<Option<Self>, Reject> {
        let Some(columns) = line.fields.iter().map(|field| Column::named(field)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        for column in ALL {
            let (name, number) = (column.name(), line.number);
            match columns.iter().filter(|named| **named == column).count() {
                0 if column != Column::Note => {
                    return Err(Reject::new(format!("line {number}: the header has no column {name}")));
                }
                0 | 1 => {}
                _ => return Err(Reject::new(format!("line {number}: the header has the column {name} twice"))),
            }
        }
        Ok(Some(Self(columns)))
    }

    /// Where a column stands.
    pub fn position(&self, column: Column) -> Option<usize> {
        self.0.iter().position(|each| *each == column)
    }

    /// Refuses a line that has more fields than there are columns.
    pub fn check(&self, line: &Line<'_>) -> Result<(), Reject> {
        let (fields, columns) = (line.fields.len(), self.0.len());
        match line.fields.get(columns) {
            Some(surplus) => Err(Reject::new(format!(
                "line {} has {fields} fields and there are {columns} columns, the first too many is {surplus:?}",
                line.number
            ))),
            None => Ok(()),
        }
    }
}
