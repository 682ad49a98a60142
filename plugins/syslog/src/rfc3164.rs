//! `<34>Oct 11 22:14:15 host tag[pid]: message`: RFC 3164, section 4.1.

use std::collections::BTreeMap;

use tidegate_plugin::Reject;

use crate::clock::UtcOffset;
use crate::priority::Priority;
use crate::reader::{Reader, is_printable};
use crate::{Message, clock, without_line_end};

/// Who wrote a message, as the message says.
#[derive(Default)]
struct Tag<'a> {
    app: Option<&'a str>,
    procid: Option<&'a str>,
}

/// Reads what stands behind the priority.
pub fn read<'a>(
    mut reader: Reader<'a>,
    priority: Priority,
    offset: &UtcOffset,
    received: Option<i64>,
) -> Result<Message<'a>, Reject> {
    let time = clock::read(&mut reader, offset, received)?;
    reader.expect(" ")?;
    let host = reader.word("a host", is_printable)?;
    // A message may be empty, and then the space in front of it is often left out.
    if !without_line_end(reader.rest()).is_empty() {
        reader.expect(" ")?;
    }
    let Tag { app, procid } = tag(&mut reader);
    Ok(Message {
        time,
        facility: priority.facility,
        severity: priority.severity,
        host: Some(host),
        app,
        procid,
        msgid: None,
        structured_data: BTreeMap::new(),
        message: without_line_end(reader.rest()),
        format: "RFC 3164",
    })
}

/// Takes `app: ` or `app[procid]: `. Without a colon or a bracket behind it, the first word is one of the message.
fn tag<'a>(reader: &mut Reader<'a>) -> Tag<'a> {
    let app = reader.take_while(|byte| is_printable(byte) && !matches!(byte, b':' | b'['));
    let procid = procid(reader.rest()).filter(|_| !app.is_empty());
    reader.take(procid.map_or(0, |procid| procid.len() + "[]".len()));
    let is_tag = !app.is_empty() && (reader.skip(":") || procid.is_some());
    if !is_tag {
        reader.give_back(app);
        return Tag::default();
    }
    reader.skip(" ");
    Tag { app: Some(app), procid }
}

/// What stands in brackets at the front of a text.
fn procid(text: &str) -> Option<&str> {
    let (procid, _) = text.strip_prefix('[')?.split_once(']')?;
    Some(procid).filter(|procid| !procid.is_empty() && procid.bytes().all(is_printable))
}
