//! What a line of the stream looks like for a person.

use super::json_layout;
use super::page::{Page, Piece, Tone};
use crate::rows::Value;
use crate::tap::{BytesLine, RangeLine, RecordLine, RejectLine, RowLine, Start};

/// How far a record's parts are set in, and a row's columns.
const PART: usize = 2;
const COLUMNS: usize = 4;

/// What is tapped.
pub(super) fn start(page: &Page, start: &Start) -> String {
    let mut out = String::new();
    page.flow(&mut out, 0, &[Piece::new(Tone::Title, &start.pipeline)]);
    let routes: Vec<_> = start.routes.iter().map(|route| target(&route.route, &route.table)).collect();
    page.flow(&mut out, PART, &routes);
    for problem in &start.problems {
        let text = problem.problem.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        page.flow(&mut out, PART, &[Piece::new(Tone::Bad, &format!("{}: {text}", problem.subject))]);
    }
    out
}

/// A record and what became of it.
pub(super) fn record(page: &Page, record: &RecordLine) -> String {
    let mut out = String::new();
    let RecordLine { topic, partition, offset, .. } = record;
    let mut head = vec![Piece::new(Tone::Title, &format!("{topic}/{partition}@{offset}"))];
    if let Some(timestamp) = record.timestamp {
        let time = Value::Time { ticks: timestamp, precision: 3 };
        head.push(Piece::new(Tone::Faint, &format!("{time} UTC")));
    }
    head.push(named("key", record.key.as_ref()));
    page.flow(&mut out, 0, &head);
    let headers: Vec<_> =
        record.headers.iter().map(|header| named(&format!("{}:", header.name), header.value.as_ref())).collect();
    page.flow(&mut out, PART, &headers);
    more(page, &mut out, record.more_headers, "header");
    value(page, &mut out, record.value.as_ref());
    for row in &record.rows {
        self::row(page, &mut out, row);
    }
    more(page, &mut out, record.more_rows, "row");
    match &record.reject {
        Some(RejectLine { stage, reason }) => {
            let who = if stage == "encode" { "by the gateway's check of its row" } else { "by the plugin" };
            let piece = Piece::new(Tone::Bad, "rejected").and(Tone::Faint, &format!(" {who}: ")).and(Tone::Bad, reason);
            page.flow(&mut out, PART, &[piece]);
        }
        None if record.rows.is_empty() && record.more_rows == 0 => {
            page.flow(&mut out, PART, &[Piece::new(Tone::Odd, "dropped")]);
        }
        None => {}
    }
    out
}

/// What belongs to a range as a whole.
pub(super) fn range(page: &Page, range: &RangeLine) -> String {
    let mut out = String::new();
    let RangeLine { topic, partition, first, last, .. } = range;
    let head = Piece::new(Tone::Title, &format!("{topic}/{partition}@{first}..{last}"));
    page.flow(&mut out, 0, &[head, Piece::new(Tone::Faint, "the range as a whole")]);
    for row in &range.rows {
        self::row(page, &mut out, row);
    }
    more(page, &mut out, range.more_rows, "row");
    if let Some(fault) = &range.fault {
        page.flow(&mut out, PART, &[Piece::new(Tone::Bad, "failed; the partition stops here")]);
        for line in fault.lines() {
            page.flow(&mut out, COLUMNS, &[Piece::new(Tone::Plain, line.trim_end())]);
        }
    }
    out
}

fn target(route: &str, table: &str) -> Piece {
    Piece::new(Tone::Good, route).and(Tone::Faint, " -> ").and(Tone::Good, table)
}

/// Bytes behind their name: what is null or empty says so in words that stand for themselves.
fn named(name: &str, bytes: Option<&BytesLine>) -> Piece {
    let Some(bytes) = bytes else { return Piece::new(Tone::Name, name).and(Tone::Faint, " is null") };
    match (&bytes.text, &bytes.hex) {
        (Some(text), _) if text.is_empty() => Piece::new(Tone::Name, name).and(Tone::Faint, " is empty"),
        (Some(text), _) => noted(Piece::new(Tone::Name, name).and(Tone::Plain, &format!(" {text}")), bytes),
        (None, hex) => {
            let hex = hex.as_deref().unwrap_or_default();
            let piece = Piece::new(Tone::Name, name).and(Tone::Faint, &format!(" {} ", count(bytes.bytes, "byte")));
            noted(piece.and(Tone::Plain, &pairs(hex)), bytes)
        }
    }
}

fn value(page: &Page, out: &mut String, value: Option<&BytesLine>) {
    let layout = value.and_then(|value| {
        let text = value.text.as_deref().filter(|_| !value.cut)?;
        json_layout::lines(text, page.beside(PART))
    });
    let Some(lines) = layout else {
        if let Some(pieces) = value.and_then(|value| Some(hex_dump(value, value.hex.as_deref()?))) {
            return page.flow(out, PART, &pieces);
        }
        let piece = match value.and_then(|value| Some((value, value.text.as_deref()?))) {
            // A text stands for itself.
            Some((value, text)) if !text.is_empty() => noted(Piece::new(Tone::Plain, text), value),
            _ => named("value", value),
        };
        return page.flow(out, PART, &[piece]);
    };
    for line in lines {
        let text = line.trim_start();
        page.flow(out, PART + line.len() - text.len(), &[Piece::new(Tone::Plain, text)]);
    }
}

fn row(page: &Page, out: &mut String, row: &RowLine) {
    page.flow(out, PART, &[target(&row.route, &row.table)]);
    let pieces: Vec<_> = row
        .columns
        .0
        .iter()
        .map(|(name, value)| {
            let piece = Piece::new(Tone::Name, name);
            let piece = match shown(value.get()) {
                "null" => piece.and(Tone::Faint, " null"),
                value => piece.and(Tone::Plain, &format!(" {value}")),
            };
            match row.cut.contains(name) {
                true => piece.and(Tone::Faint, " (cut; --full shows more)"),
                false => piece,
            }
        })
        .collect();
    page.flow(out, COLUMNS, &pieces);
}

fn more(page: &Page, out: &mut String, more: usize, what: &str) {
    if more > 0 {
        let note = format!("... and {}; --full shows up to 1,000", count(more, &format!("more {what}")));
        page.flow(out, PART, &[Piece::new(Tone::Faint, &note)]);
    }
}

/// A JSON value without quotes, where it cannot be taken for another then.
fn shown(json: &str) -> &str {
    let Some(inner) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) else { return json };
    let plain = !inner.is_empty()
        && !inner.contains(['"', '\\'])
        && !inner.starts_with([' ', '{', '['])
        && !inner.ends_with(' ')
        && !inner.contains("  ")
        && inner.parse::<f64>().is_err()
        && !["null", "true", "false"].contains(&inner);
    if plain { inner } else { json }
}

/// Says that there is more than is shown, where there is.
fn noted(piece: Piece, bytes: &BytesLine) -> Piece {
    if !bytes.cut {
        return piece;
    }
    let shown = bytes.text.as_ref().map_or_else(|| bytes.hex.as_ref().map_or(0, |hex| hex.len() / 2), String::len);
    let note = format!(" ... (the first {} of {}; --full shows more)", grouped(shown), count(bytes.bytes, "byte"));
    piece.and(Tone::Faint, &note)
}

/// Bytes a few at a time, or as the text that most of them are.
fn hex_dump(value: &BytesLine, hex: &str) -> Vec<Piece> {
    let head = Piece::new(Tone::Name, "value").and(Tone::Faint, &format!(" {}", count(value.bytes, "byte")));
    if let Some(text) = nearly_text(hex) {
        let head = head.and(Tone::Faint, ", not all of them text: ").and(Tone::Plain, &text);
        return vec![noted(head, value)];
    }
    let digits = hex.as_bytes().chunks(16).filter_map(|digits| std::str::from_utf8(digits).ok());
    let mut pieces: Vec<_> =
        std::iter::once(head).chain(digits.map(|digits| Piece::new(Tone::Plain, &pairs(digits)))).collect();
    if let Some(last) = pieces.pop() {
        pieces.push(noted(last, value));
    }
    pieces
}

/// The text with the bytes that are none written out, where those are few.
fn nearly_text(hex: &str) -> Option<String> {
    let digits = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Vec<u8> = digits.collect::<Option<_>>()?;
    let (mut text, mut odd) = (String::new(), 0);
    for chunk in bytes.utf8_chunks() {
        odd += chunk.invalid().len() + chunk.valid().chars().filter(|c| c.is_control() && !c.is_whitespace()).count();
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    // More than a twentieth, and it is another format.
    (odd * 20 <= bytes.len()).then_some(text)
}

fn pairs(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    digits.chunks(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// `1 row`, `1,234 rows`
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::page::Colours;
    use super::*;
    use crate::tap::Line;

    fn page(width: usize) -> Page {
        Page { width, colours: Colours::Off }
    }

    fn shown_record(width: usize, json: &str) -> String {
        let Line::Record(line) = Line::read(json).unwrap().unwrap() else { panic!("{json}") };
        record(&page(width), &line)
    }

    #[test]
    fn a_record_stands_above_its_rows_and_lines_end_at_the_width() {
        let json = r#"{"kind":"record","topic":"sales","partition":2,"offset":81302,"timestamp":1795170900123,
            "key":{"bytes":4,"text":"1042"},"headers":[{"name":"trace","value":{"bytes":2,"text":"ab"}},{"name":"none","value":null}],"more_headers":1234,
            "value":{"bytes":36,"text":"{\"id\":7,\"price\":1.50,\"channel\":\"web\"}"},"became":"rows",
            "rows":[{"route":"sale","table":"dwh:shop.sales","columns":{"id":7,"price":1.5000,"at":"2026-11-20 10:35:00.123","text":"12","no":null,"empty":""}}],
            "more_rows":2}"#;
        assert_eq!(
            shown_record(64, json),
            "sales/2@81302  2026-11-20 10:35:00.123 UTC  key 1042\n  trace: ab  none: is null\n  \
             ... and 1,234 more headers; --full shows up to 1,000\n  \
             {\"id\": 7, \"price\": 1.50, \"channel\": \"web\"}\n  sale -> dwh:shop.sales\n    \
             id 7  price 1.5000  at 2026-11-20 10:35:00.123  text \"12\"\n    no null  empty \"\"\n  \
             ... and 2 more rows; --full shows up to 1,000\n"
        );
        assert!(shown_record(24, json).contains("\n  {\"id\": 7,\n   \"price\": 1.50,\n   \"channel\": \"web\"}\n"));
        assert!(shown_record(30, json).lines().all(|line| line.chars().count() <= 30));
    }

    #[test]
    fn null_empty_text_and_bytes_are_told_apart_and_what_is_cut_says_so() {
        let value = |value: &str| {
            let json = format!(
                "{{\"kind\":\"record\",\"topic\":\"t\",\"partition\":0,\"offset\":1,\"timestamp\":null,\"key\":null,\"headers\":[],\
                 \"value\":{value},\"became\":\"dropped\",\"rows\":[]}}"
            );
            shown_record(80, &json)
        };
        let with = |middle: &str| format!("t/0@1  key is null\n  {middle}\n  dropped\n");
        assert_eq!(value("null"), with("value is null"));
        assert_eq!(value(r#"{"bytes":0,"text":""}"#), with("value is empty"));
        assert_eq!(value(r#"{"bytes":4,"text":"null"}"#), with("null"));
        assert_eq!(value(r#"{"bytes":2,"hex":"00ff"}"#), with("value 2 bytes  00 ff"));
        let text: String = "a mistyped byte in a long text".bytes().map(|byte| format!("{byte:02x}")).collect();
        let value_of = format!("{{\"bytes\":31,\"hex\":\"{text}ff\"}}");
        assert_eq!(value(&value_of), with("value 31 bytes, not all of them text: a mistyped byte in a long text\\xff"));
        assert_eq!(
            value(r#"{"bytes":5000,"text":"{\"a\":","cut":true}"#),
            with("{\"a\": ... (the first 5 of 5,000 bytes; --full shows more)")
        );
    }

    #[test]
    fn a_reject_says_who_refused_and_why_and_a_failed_range_says_where_the_partition_stops() {
        let json = |stage: &str| {
            format!(
                "{{\"kind\":\"record\",\"topic\":\"t\",\"partition\":0,\"offset\":1,\"timestamp\":null,\"key\":null,\"headers\":[],\
                 \"value\":null,\"became\":\"rejected\",\"rows\":[],\"reject\":{{\"stage\":\"{stage}\",\"reason\":\"not\\u001b[1m\"}}}}"
            )
        };
        assert!(shown_record(80, &json("transform")).ends_with("\n  rejected by the plugin: not\\x1b[1m\n"));
        assert!(
            shown_record(80, &json("encode"))
                .ends_with("\n  rejected by the gateway's check of its row: not\\x1b[1m\n")
        );
        let failed = r#"{"kind":"range","topic":"t","partition":0,"first":5,"last":9,"rows":[],"fault":"trapped: no\n  at main"}"#;
        let Line::Range(line) = Line::read(failed).unwrap().unwrap() else { panic!("{failed}") };
        assert_eq!(
            range(&page(80), &line),
            "t/0@5..9  the range as a whole\n  failed; the partition stops here\n    trapped: no\n      at main\n"
        );
    }
}
