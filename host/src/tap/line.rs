//! The lines of the stream, as the gateway writes them and the command reads them: one JSON object each, with its `kind`.
//!
//! A line never holds a character that commands a terminal: it stands as `\u` and its number.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::escape::commands_terminal;
use super::members::Members;

/// A line of the stream.
#[derive(Debug)]
pub enum Line {
    /// The first one.
    Start(Start),
    /// A sampled record.
    Record(Box<RecordLine>),
    /// What belongs to a range as a whole.
    Range(RangeLine),
    /// How much has passed by so far.
    Count(Count),
    /// The last one.
    End(End),
}

/// What is tapped.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    /// `TENANT/PIPELINE`
    pub pipeline: String,
    /// Where the rows of each route go.
    pub routes: Vec<RouteLine>,
    /// What is wrong just now: it may be why nothing comes.
    pub problems: Vec<ProblemLine>,
}

/// A route and its table.
#[derive(Debug, Serialize, Deserialize)]
pub struct RouteLine {
    /// The plugin's name for it.
    pub route: String,
    /// `SINK:TABLE`
    pub table: String,
}

/// Something that is wrong.
#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemLine {
    /// A sink, Kafka, the dead letters.
    pub subject: String,
    /// What.
    pub problem: String,
}

/// A record and what became of it: rows, a reject, both, or neither where it was dropped.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordLine {
    /// Where from.
    pub topic: String,
    /// Where from.
    pub partition: i32,
    /// Where from.
    pub offset: i64,
    /// Milliseconds since 1970, null where there is none.
    pub timestamp: Option<i64>,
    /// Null for null.
    pub key: Option<BytesLine>,
    /// In their order.
    pub headers: Vec<HeaderLine>,
    /// How many more there are than are shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_headers: usize,
    /// Null for null.
    pub value: Option<BytesLine>,
    /// `rows`, `rejected` or `dropped`. A record that was rejected may have rows too.
    pub became: String,
    /// In the order of the routes.
    pub rows: Vec<RowLine>,
    /// How many more there are than are shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_rows: usize,
    /// Where it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<RejectLine>,
}

/// A header of a record.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeaderLine {
    /// With replacement characters where it is not UTF-8.
    pub name: String,
    /// Null for null.
    pub value: Option<BytesLine>,
}

/// Bytes: `text`, or `hex` where they are no text.
#[derive(Debug, Serialize, Deserialize)]
pub struct BytesLine {
    /// How many there are.
    pub bytes: usize,
    /// UTF-8 without a NUL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Two digits a byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Whether only their beginning is shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut: bool,
}

/// A row.
#[derive(Debug, Serialize, Deserialize)]
pub struct RowLine {
    /// The plugin's name for its kind.
    pub route: String,
    /// `SINK:TABLE`
    pub table: String,
    /// Names and values.
    pub columns: Columns,
    /// Columns of which only the beginning of the value's JSON is shown, as a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
}

/// Columns in their order, each with its value as JSON.
pub type Columns = Members<String, Box<RawValue>>;

/// Why a record was rejected.
#[derive(Debug, Serialize, Deserialize)]
pub struct RejectLine {
    /// `transform` or `encode`.
    pub stage: String,
    /// As the dead letter says it.
    pub reason: String,
}

/// What belongs to no record.
#[derive(Debug, Serialize, Deserialize)]
pub struct RangeLine {
    /// Where from.
    pub topic: String,
    /// Where from.
    pub partition: i32,
    /// The first offset of the range.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// Those that the plugin made at the end of the range.
    pub rows: Vec<RowLine>,
    /// How many more there are than are shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_rows: usize,
    /// Why nothing came of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// How much has passed by since the stream began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Records of the ranges that were transformed.
    pub records: u64,
    /// Samples that were due and did not fit: nobody read the ones before, or they are larger than may be shown.
    pub skipped: u64,
}

/// The end of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// `enough`: so many as were wanted; `stopping`: the gateway stops.
    pub why: String,
    /// As in a count.
    pub records: u64,
    /// As in a count.
    pub skipped: u64,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Why a line is not understood.
#[derive(Debug, thiserror::Error)]
#[error("line `{line}`: {problem}")]
pub struct LineFault {
    line: String,
    problem: String,
}

#[derive(Serialize)]
struct Tagged<'l, T> {
    kind: &'static str,
    #[serde(flatten)]
    line: &'l T,
}

#[derive(Deserialize)]
struct Tag {
    kind: String,
}

impl Line {
    /// The line with its end.
    pub fn write(&self) -> String {
        let mut text = match self {
            Self::Start(line) => tagged("start", line),
            Self::Record(line) => tagged("record", line),
            Self::Range(line) => tagged("range", line),
            Self::Count(line) => tagged("count", line),
            Self::End(line) => tagged("end", line),
        };
        text.push('\n');
        text
    }

    /// Reads a line; none where a later gateway says something that this one does not know.
    ///
    /// # Errors
    /// Where it is not such a line.
    pub fn read(text: &str) -> Result<Option<Self>, LineFault> {
        let Tag { kind } = parse(text)?;
        Ok(Some(match &*kind {
            "start" => Self::Start(parse(text)?),
            "record" => Self::Record(parse(text)?),
            "range" => Self::Range(parse(text)?),
            "count" => Self::Count(parse(text)?),
            "end" => Self::End(parse(text)?),
            _ => return Ok(None),
        }))
    }
}

fn tagged(kind: &'static str, line: &impl Serialize) -> String {
    // Names, numbers, texts and checked JSON always are JSON.
    harmless(serde_json::to_string(&Tagged { kind, line }).unwrap_or_default())
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, LineFault> {
    serde_json::from_str(text).map_err(|problem| LineFault {
        line: crate::rows::shortened(text.to_owned(), 80),
        problem: problem.to_string(),
    })
}

/// The JSON text with every character that commands a terminal as `\u` and its number: JSON lets those below 32 stand nowhere, and the
/// others only within texts.
pub fn harmless(json: String) -> String {
    if !json.chars().any(commands_terminal) {
        return json;
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if commands_terminal(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// How many bytes a text takes in a line, at most, without what stands around it.
pub(super) fn written_bytes(text: &str) -> usize {
    let bytes = |c| match c {
        '"' | '\\' => 2,
        c if commands_terminal(c) => 6 * c.len_utf16(),
        c => c.len_utf8(),
    };
    text.chars().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_order_of_columns_survive_the_way() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let wide = "57896044618658097711785492504343953926634992332820282019728792003956564819967";
        let columns = Members(vec![("z".to_owned(), raw(wide)), ("a".to_owned(), raw("1.500"))]);
        let row = RowLine { route: "sale".to_owned(), table: "dwh:shop.sales".to_owned(), columns, cut: Vec::new() };
        let line = Line::Range(RangeLine {
            topic: "t".to_owned(),
            partition: 1,
            first: 2,
            last: 3,
            rows: vec![row],
            more_rows: 0,
            fault: None,
        });
        let text = line.write();
        assert_eq!(
            text,
            format!(
                "{{\"kind\":\"range\",\"topic\":\"t\",\"partition\":1,\"first\":2,\"last\":3,\"rows\":[{{\"route\":\"sale\",\
                 \"table\":\"dwh:shop.sales\",\"columns\":{{\"z\":{wide},\"a\":1.500}}}}]}}\n"
            )
        );
        assert_eq!(Line::read(&text).unwrap().unwrap().write(), text);
    }

    #[test]
    fn nothing_in_a_line_commands_a_terminal_and_nothing_of_it_is_lost() {
        let reason = "a\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\r\n\t😀ж".to_owned();
        let end = End { why: reason.clone(), records: 0, skipped: 0 };
        let text = Line::End(end.clone()).write();
        assert!(!text.trim_end().chars().any(commands_terminal), "{text:?}");
        let Some(Line::End(read)) = Line::read(&text).unwrap() else { panic!("{text}") };
        assert_eq!(read, end);
    }

    #[test]
    fn what_a_text_takes_in_a_line_is_known_before_it_is_written() {
        for text in ["", "plain", "\u{1}\u{7f}\u{9b}\u{202e}\u{e0041}", "\"quoted\" \\ жёлтый 😀"] {
            let json = harmless(serde_json::to_string(text).unwrap());
            assert_eq!(written_bytes(text) + 2, json.len(), "{json}");
        }
        assert!(written_bytes("\r\n") >= 4);
    }

    #[test]
    fn a_kind_of_line_that_came_later_is_passed_over_and_what_is_no_line_is_named() {
        assert!(Line::read("{\"kind\":\"weather\",\"sun\":1}").unwrap().is_none());
        let fault = Line::read("<html>").unwrap_err().to_string();
        assert!(fault.starts_with("line `<html>`: expected value"), "{fault}");
    }
}
