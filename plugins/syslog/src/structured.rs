//! `[element name="value" ...][...]`: RFC 5424, section 6.3.

use std::collections::BTreeMap;

use tidegate_plugin::Reject;

use crate::reader::{Reader, is_printable};

/// The values by `ELEMENT.NAME`. An element without any is its name with an empty value; a name that stands in its
/// element again is followed by `.2`, `.3` and so on, as RFC 5424 lets an origin have several addresses.
pub fn read(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Reject> {
    let mut data = BTreeMap::new();
    if reader.skip("-") {
        return Ok(data);
    }
    reader.expect("[")?;
    loop {
        element(reader, &mut data)?;
        if !reader.skip("[") {
            return Ok(data);
        }
    }
}

/// An element whose opening bracket was taken.
fn element(reader: &mut Reader<'_>, data: &mut BTreeMap<String, String>) -> Result<(), Reject> {
    let id = reader.word("the name of an element", is_name)?;
    if reader.skip("]") {
        insert(data, id.to_owned(), String::new());
        return Ok(());
    }
    loop {
        reader.expect(" ")?;
        let name = reader.word("a name", is_name)?;
        reader.expect("=\"")?;
        insert(data, format!("{id}.{name}"), value(reader)?);
        if reader.skip("]") {
            return Ok(());
        }
    }
}

/// A value whose opening quote was taken, up to its closing one, without its escapes. A backslash before another
/// character than the three that need one is a backslash.
fn value(reader: &mut Reader<'_>) -> Result<String, Reject> {
    let mut value = String::new();
    loop {
        let rest = reader.rest();
        let length = rest.find(['"', '\\', ']']).unwrap_or(rest.len());
        value.push_str(reader.take(length));
        if reader.skip("\"") {
            return Ok(value);
        }
        if !reader.skip("\\") {
            return Err(reader.expected("a closing quote"));
        }
        match reader.next_is(|byte| matches!(byte, b'"' | b'\\' | b']')) {
            true => value.push_str(reader.take(1)),
            false => value.push('\\'),
        }
    }
}

fn insert(data: &mut BTreeMap<String, String>, name: String, value: String) {
    let mut key = name.clone();
    for number in 2.. {
        if !data.contains_key(&key) {
            break;
        }
        key = format!("{name}.{number}");
    }
    data.insert(key, value);
}

fn is_name(byte: u8) -> bool {
    is_printable(byte) && !matches!(byte, b'=' | b']' | b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Vec<(String, String)> {
        let mut reader = Reader::new(text);
        let data = read(&mut reader).unwrap();
        assert_eq!(reader.rest(), "");
        data.into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn fault(text: &str) -> String {
        read(&mut Reader::new(text)).unwrap_err().to_string()
    }

    #[test]
    fn elements_and_names_make_the_keys() {
        let found =
            data(r#"[exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"]"#);
        let expected = [
            ("examplePriority@32473.class", "high"),
            ("exampleSDID@32473.eventSource", "Application"),
            ("exampleSDID@32473.iut", "3"),
        ];
        assert_eq!(found, pairs(&expected));
        assert_eq!(data("-"), []);
    }

    #[test]
    fn escapes_are_undone_and_other_backslashes_are_kept() {
        assert_eq!(data(r#"[a b="\"\\\]"]"#), pairs(&[("a.b", r#""\]"#)]));
        assert_eq!(data(r#"[a b="C:\new\\\n ü"]"#), pairs(&[("a.b", r"C:\new\\n ü")]));
        assert_eq!(data(r#"[a b=""]"#), pairs(&[("a.b", "")]));
    }

    #[test]
    fn nothing_is_lost_of_what_stands_twice_or_without_a_value() {
        let found = data(r#"[origin ip="192.0.2.1" ip="192.0.2.129" ip="::1"][mark]"#);
        let expected =
            [("mark", ""), ("origin.ip", "192.0.2.1"), ("origin.ip.2", "192.0.2.129"), ("origin.ip.3", "::1")];
        assert_eq!(found, pairs(&expected));
    }

    #[test]
    fn what_is_no_structured_data_is_refused_where_it_ends_to_be() {
        let at = "not a syslog message at byte";
        assert_eq!(fault(r#"[a b="c]d"]"#), format!("{at} 7: expected a closing quote, found \"]d\\\"]\""));
        assert_eq!(fault(r#"[a b="c"#), format!("{at} 7: expected a closing quote, found the end"));
        assert_eq!(fault(r#"[a b="c\"#), format!("{at} 8: expected a closing quote, found the end"));
        assert_eq!(fault("[a b=c]"), format!("{at} 4: expected \"=\\\"\", found \"=c]\""));
        assert_eq!(fault("[]"), format!("{at} 1: expected the name of an element, found \"]\""));
        assert_eq!(fault("[a  b=\"c\"]"), format!("{at} 3: expected a name, found \" b=\\\"c\\\"]\""));
        assert_eq!(fault("text"), format!("{at} 0: expected \"[\", found \"text\""));
    }
}
