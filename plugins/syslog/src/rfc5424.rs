//! `<165>1 2003-10-11T22:14:15.003Z host app procid msgid [data] message`: RFC 5424, section 6. Longer words than it
//! allows are taken, because senders send them.

use tidegate_plugin::{DateTime64, Reject};

use crate::priority::Priority;
use crate::reader::{Reader, is_printable};
use crate::{Message, structured, without_line_end};

/// What stands for a word that is not known.
const NIL: &str = "-";

/// Reads what stands behind the priority. Where the message has no time it is that of the record.
pub fn read<'a>(mut reader: Reader<'a>, priority: Priority, received: Option<i64>) -> Result<Message<'a>, Reject> {
    reader.expect("1 ")?;
    let time = time(&mut reader, received)?;
    let host = word(&mut reader, "a host")?;
    let app = word(&mut reader, "an application's name")?;
    let procid = word(&mut reader, "a process id")?;
    let msgid = word(&mut reader, "a message id")?;
    reader.expect(" ")?;
    let structured_data = structured::read(&mut reader)?;
    Ok(Message {
        time,
        facility: priority.facility,
        severity: priority.severity,
        host,
        app,
        procid,
        msgid,
        structured_data,
        message: message(&mut reader)?,
        format: "RFC 5424",
    })
}

fn time(reader: &mut Reader<'_>, received: Option<i64>) -> Result<DateTime64<6>, Reject> {
    let text = reader.word("a time", is_printable)?;
    let time = match text {
        NIL => match received {
            Some(millis) => DateTime64::from_millis(millis).map_err(|fault| fault.to_string()),
            None => Err("the message has no time, and neither has the record".to_owned()),
        },
        text if is_complete(text) => text.parse::<DateTime64<6>>().map_err(|fault| fault.to_string()),
        text => Err(format!("{text:?} is not a time, such as \"2003-10-11T22:14:15.003Z\", or \"-\"")),
    };
    time.map_err(|fault| {
        reader.give_back(text);
        reader.fault(fault)
    })
}

/// Whether a time has a `T` and a zone. Other notations that a column would read are none of this format.
fn is_complete(time: &str) -> bool {
    let has_zone = matches!(time.as_bytes(), [.., b'Z'] | [.., b'+' | b'-', _, _, b':', _, _]);
    time.as_bytes().get(10) == Some(&b'T') && has_zone
}

fn word<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Option<&'a str>, Reject> {
    reader.expect(" ")?;
    Ok(Some(reader.word(name, is_printable)?).filter(|word| *word != NIL))
}

/// The text behind the structured data, which may be missing. The byte order mark of a text in UTF-8 is not a part of it.
fn message<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Reject> {
    if without_line_end(reader.rest()).is_empty() {
        return Ok("");
    }
    reader.expect(" ")?;
    reader.skip("\u{feff}");
    Ok(without_line_end(reader.rest()))
}
