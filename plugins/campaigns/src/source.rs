//! Which source a record is of, by its header `source`. One that does not say it exactly once is refused: two shapes of JSON
//! have members in common, so that a guess could be wrong and nobody would notice.

use std::str;

use tidegate_plugin::{Enum, Record, Reject};

/// The header's name; Kafka's names are case-sensitive.
const HEADER: &str = "source";

const RIGHT: &str = "it should be \"clicks\", \"impressions\" or \"orders\"";

#[derive(Clone, Copy, Enum)]
pub(crate) enum Source {
    #[column(name = "clicks")]
    Clicks = 1,
    #[column(name = "impressions")]
    Impressions = 2,
    #[column(name = "orders")]
    Orders = 3,
}

impl Source {
    /// The source of a record.
    ///
    /// # Errors
    /// Where the header is missing, stands there more than once, is null, or is no source.
    pub(crate) fn of(record: &Record<'_>) -> Result<Self, Reject> {
        let mut values = record.headers().filter(|(name, _)| *name == HEADER).map(|(_, value)| value);
        let value = values.next().ok_or_else(|| refused(&format!("is missing; {RIGHT}")))?;
        let more = values.count();
        if more > 0 {
            return Err(refused(&format!("stands there {} times; it should stand there once", more + 1)));
        }
        match value.map(str::from_utf8) {
            None => Err(refused(&format!("is null; {RIGHT}"))),
            Some(Err(_)) => Err(refused(&format!("is not UTF-8; {RIGHT}"))),
            Some(Ok("clicks")) => Ok(Self::Clicks),
            Some(Ok("impressions")) => Ok(Self::Impressions),
            Some(Ok("orders")) => Ok(Self::Orders),
            Some(Ok(unknown)) => Err(refused(&format!("is \"{unknown}\"; {RIGHT}"))),
        }
    }
}

fn refused(problem: &str) -> Reject {
    Reject::new(format!("the header `{HEADER}` {problem}"))
}
