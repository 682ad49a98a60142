//! What of a record is bytes: keys, values and headers, as text or in hexadecimal. Called for every record of a case.

use toml::de::DeValue;

use crate::config::Section;

/// A name and a value; none for a null.
pub(super) type Header = (String, Option<Vec<u8>>);

/// The bytes under `text`, or under `hex` in hexadecimal; none for a null.
pub(super) fn bytes(section: &Section<'_>, text: &'static str, hex: &'static str) -> Option<Vec<u8>> {
    if section.has(text) && section.has(hex) {
        section.fault(hex, format!("stands beside `{text}`; expected one of the two"));
    }
    match section.string(hex) {
        None => section.string(text).map(|text| text.as_bytes().to_vec()),
        Some(digits) => {
            let bytes = unhex(digits);
            if bytes.is_none() {
                let problem = format!("is \"{digits}\"; expected pairs of hexadecimal digits, such as \"00ff\"");
                section.fault(hex, problem);
            }
            bytes
        }
    }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

/// A record's headers in their order, whichever way they are written.
pub(super) fn headers(record: &Section<'_>) -> Vec<Header> {
    let read = match record.value("headers") {
        None => return Vec::new(),
        Some(DeValue::Array(items)) if items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))) => {
            return record.tables("headers").iter().filter_map(of_table).collect();
        }
        Some(DeValue::Array(items)) => items.iter().map(|item| of_list(item.get_ref())).collect(),
        Some(DeValue::Table(entries)) => {
            entries.iter().map(|(name, value)| of_entry(name.get_ref(), value.get_ref())).collect()
        }
        Some(_) => None,
    };
    read.unwrap_or_else(|| {
        record.fault("headers", EXPECTED);
        Vec::new()
    })
}

const EXPECTED: &str = "expected { name = \"value\" }, [[\"name\", \"value\"], [\"null\"]] or tables [[records.headers]] \
    with name and value";

fn of_table(header: &Section<'_>) -> Option<Header> {
    let name = header.required_string("name", "\"trace\"").map(str::to_owned);
    let value = bytes(header, "value", "value_hex");
    Some((name?, value))
}

fn of_list(header: &DeValue<'_>) -> Option<Header> {
    let texts: Option<Vec<_>> = header.as_array()?.iter().map(|text| text.get_ref().as_str()).collect();
    match texts?.as_slice() {
        [name] => Some(((*name).to_owned(), None)),
        [name, value] => Some(((*name).to_owned(), Some(value.as_bytes().to_vec()))),
        _ => None,
    }
}

fn of_entry(name: &str, value: &DeValue<'_>) -> Option<Header> {
    Some((name.to_owned(), Some(value.as_str()?.as_bytes().to_vec())))
}
