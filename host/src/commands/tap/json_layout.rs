//! A JSON text on lines that fit: what fits on one line stands on one; members that all fit share lines, the others stand one by one.
//! Numbers, texts and the order of members stay as they are written.

use serde_json::value::RawValue;

use crate::tap::Members;

/// Deeper than anybody reads; what is deeper stands on one line.
const DEEPEST: usize = 24;

/// How far a level is set in.
const STEP: usize = 2;

/// The lines of an object or an array, or none where the text is neither.
pub(super) fn lines(text: &str, width: usize) -> Option<Vec<String>> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    if !value.get().starts_with(['{', '[']) {
        return None;
    }
    let mut layout = Layout { lines: Vec::new(), width };
    layout.value(Place { before: String::new(), behind: "", depth: 0 }, value);
    Some(layout.lines)
}

struct Layout {
    lines: Vec<String>,
    width: usize,
}

/// Where a value stands: behind a member's name, and before a comma.
struct Place {
    before: String,
    behind: &'static str,
    depth: usize,
}

impl Layout {
    fn value(&mut self, place: Place, value: &RawValue) {
        let Place { before, behind, depth } = place;
        let flat = flat(value.get());
        let indent = " ".repeat(depth * STEP);
        let one = format!("{indent}{before}{flat}{behind}");
        if one.chars().count() <= self.width || depth >= DEEPEST {
            return self.lines.push(one);
        }
        let Some((open, items, close)) = items(value) else { return self.lines.push(one) };
        let flats: Vec<_> = items.iter().map(|(before, item)| format!("{before}{}", self::flat(item.get()))).collect();
        let room = self.width.saturating_sub(indent.len() + 2);
        if flats.iter().all(|flat| flat.chars().count() <= room) {
            let begin = format!("{indent}{before}{open}");
            return self.fill(begin, &flats, &format!("{close}{behind}"));
        }
        self.lines.push(format!("{indent}{before}{open}"));
        let last = items.len().saturating_sub(1);
        for (index, (before, item)) in items.into_iter().enumerate() {
            let behind = if index == last { "" } else { "," };
            self.value(Place { before, behind, depth: depth + 1 }, item);
        }
        self.lines.push(format!("{indent}{close}{behind}"));
    }

    /// As many items a line as fit, behind `begin` and one column further in than the line it stands on.
    fn fill(&mut self, begin: String, items: &[String], end: &str) {
        let indent = " ".repeat(begin.chars().take_while(|c| *c == ' ').count() + 1);
        let (mut line, mut holds_items) = (begin, false);
        for (index, item) in items.iter().enumerate() {
            let behind = if index + 1 == items.len() { end } else { "," };
            let gap = if holds_items { " " } else { "" };
            let more = [gap, item, behind].concat();
            if line.chars().count() + more.chars().count() > self.width && line.len() > indent.len() {
                self.lines.push(std::mem::replace(&mut line, format!("{indent}{item}{behind}")));
            } else {
                line.push_str(&more);
            }
            holds_items = true;
        }
        self.lines.push(line);
    }
}

type Items<'v> = (char, Vec<(String, &'v RawValue)>, char);

/// What an object or an array holds, each with what stands before it; none where it holds nothing.
fn items(value: &RawValue) -> Option<Items<'_>> {
    let (open, items, close) = match value.get().as_bytes().first()? {
        b'{' => {
            let Members(members) = serde_json::from_str::<Members<&RawValue, &RawValue>>(value.get()).ok()?;
            let named = |(name, value): (&RawValue, _)| (format!("{}: ", name.get()), value);
            ('{', members.into_iter().map(named).collect(), '}')
        }
        b'[' => {
            let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            ('[', elements.into_iter().map(|element| (String::new(), element)).collect::<Vec<_>>(), ']')
        }
        _ => return None,
    };
    (!items.is_empty()).then_some((open, items, close))
}

/// The text without white space but one blank behind each comma and colon.
fn flat(json: &str) -> String {
    let mut flat = String::with_capacity(json.len() + 16);
    let (mut within, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            _ if within => {
                flat.push(c);
                within = escaped || c != '"';
                escaped = !escaped && c == '\\';
            }
            ' ' | '\n' | '\r' | '\t' => {}
            ',' | ':' => {
                flat.push(c);
                flat.push(' ');
            }
            c => {
                within = c == '"';
                flat.push(c);
            }
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_shares_a_line_and_the_rest_stands_member_by_member() {
        let text = r#"{"b":1.500,"a" : [1,2, 3],"\"x, :" :{"long":"a text, which: is long","n":null},"e":{}}"#;
        assert_eq!(lines(text, 200).unwrap().len(), 1);
        assert_eq!(
            lines(text, 40).unwrap(),
            [
                r#"{"#,
                r#"  "b": 1.500,"#,
                r#"  "a": [1, 2, 3],"#,
                r#"  "\"x, :": {"#,
                r#"   "long": "a text, which: is long","#,
                r#"   "n": null},"#,
                r#"  "e": {}"#,
                r#"}"#,
            ]
        );
        let flat = r#"{"id": 7, "name": "seven", "tags": ["a", "b"]}"#;
        assert_eq!(lines(flat, 30).unwrap(), [r#"{"id": 7, "name": "seven","#, r#" "tags": ["a", "b"]}"#]);
    }

    #[test]
    fn numbers_stay_as_they_are_written_and_what_is_no_json_has_no_lines() {
        let wide = "[123456789012345678901234567890.10, 1e400]";
        assert_eq!(lines(wide, 80).unwrap(), [wide]);
        for no_object in ["", "text", "7", "\"[1]\"", "{\"a\":", "{} {}"] {
            assert_eq!(lines(no_object, 80), None, "{no_object}");
        }
    }

    #[test]
    fn what_is_nested_without_an_end_has_lines_all_the_same() {
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let lines = lines(&deep, 10).unwrap();
        assert!(lines.len() <= 2 * DEEPEST + 1, "{}", lines.len());
        assert_eq!(lines.iter().map(|line| line.trim()).collect::<String>(), deep);
    }
}
