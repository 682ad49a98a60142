//! A plugin that makes its answers by hand, as its records say: rows that are not as described, and outputs that break the contract.
//! The SDK makes neither. The tests of what the gateway trusts load it; it never stands beside a real pipeline.
//!
//! A record's value is a command and a number: see `Liar::obey`.

use tidegate_plugin::contract::{Batch, Column, Description, NO_RECORD, Output, Reject, Route, Rows};
use tidegate_plugin::{Plugin, Setup, SetupError, Transformer};

/// What the gateway loads.
#[derive(Debug)]
pub struct Exported;

/// One route, `line`: a text, an Enum8 of `a` and `b`, a Bool, and the record's offset.
#[derive(Default)]
struct Liar {
    /// Whether a byte stands behind the last row.
    adds_a_byte: bool,
}

impl Plugin for Exported {
    fn describe() -> Description {
        let column = |name: &str, kind: &str| Column { name: name.to_owned(), type_: kind.to_owned() };
        let columns = vec![
            column("text", "String"),
            column("kind", "Enum8('a' = 1, 'b' = 2)"),
            column("flag", "Bool"),
            column("_offset", "Int64"),
        ];
        Description {
            name: "liar".to_owned(),
            version: "1".to_owned(),
            stateless: true,
            routes: vec![Route { name: "line".to_owned(), columns }],
        }
    }

    fn start(_: &Setup) -> Result<Box<dyn Transformer>, SetupError> {
        Ok(Box::new(Liar::default()))
    }
}

impl Transformer for Liar {
    fn transform(&mut self, batch: &Batch) -> Output {
        let mut output = Output { rows: vec![rows(0)], rejects: Vec::new() };
        let mut start = 0;
        for (origin, end) in (0..).zip(&batch.values.ends) {
            let value = batch.values.bytes.get(start..*end as usize).unwrap_or_default();
            let offset = batch.offsets.get(origin as usize).copied().unwrap_or_default();
            start = *end as usize;
            let text = String::from_utf8_lossy(value);
            let (command, number) = text.split_once(' ').unwrap_or((&text, "0"));
            self.obey(command, number.parse().unwrap_or_default(), (origin, offset), batch, &mut output);
        }
        if std::mem::take(&mut self.adds_a_byte) {
            output.rows.iter_mut().for_each(|rows| rows.bytes.push(7));
        }
        output
    }

    fn finish(&mut self) -> Output {
        Output { rows: Vec::new(), rejects: Vec::new() }
    }
}

impl Liar {
    #[expect(clippy::panic, reason = "that is what it is for")]
    fn obey(&mut self, command: &str, number: u32, (origin, offset): (u32, i64), batch: &Batch, output: &mut Output) {
        let Some(lines) = output.rows.first_mut() else { return };
        let right = row(b"right", 1, 1, offset);
        match command {
            // Rows as they are described.
            "ok" => (0..number.max(1)).for_each(|_| push(lines, &right, origin)),
            // Rows that are not, between two that are.
            "short" => between(lines, right.get(..number as usize).unwrap_or_default(), &right, origin),
            "long" => between(lines, &[right.as_slice(), b"more"].concat(), &right, origin),
            "enum" => between(lines, &row(b"wrong", 9, 1, offset), &right, origin),
            "bool" => between(lines, &row(b"wrong", 1, 2, offset), &right, origin),
            "text" => between(lines, &row(&[b'n', b'o', 0xff], 1, 1, offset), &right, origin),
            // A text that would end far behind the row.
            "length" => between(lines, &[0xff, 0xff, 0xff, 0xff, 0x0f, b'x'], &right, origin),
            // So many wrong rows of one record.
            "wrong-rows" => (0..number).for_each(|_| push(lines, b"", origin)),
            // A wrong row that stands for the range as a whole.
            "nobody" => push(lines, b"", NO_RECORD),
            // The ends of two rows by turns.
            "backwards" => {
                (0..2).for_each(|_| push(lines, &right, origin));
                let last = lines.ends.len() - 1;
                lines.ends.swap(last, last - 1);
            }
            "beyond" => {
                push(lines, &right, origin);
                lines.ends.last_mut().into_iter().for_each(|end| *end = u32::MAX);
            }
            // Bytes behind the last row.
            "behind" => {
                push(lines, &right, origin);
                self.adds_a_byte = true;
            }
            "origin" => push(lines, &right, number),
            "no-origin" => {
                push(lines, &right, origin);
                lines.origins.pop();
            }
            "route" => output.rows.push(rows(number)),
            "reject" => output.rejects.push(Reject { origin: number, reason: "of whom?".to_owned() }),
            // The same record so many times.
            "rejects" => {
                let reject = Reject { origin, reason: "once and again".to_owned() };
                output.rejects.extend((0..number).map(|_| reject.clone()));
            }
            "reason" => output.rejects.push(Reject { origin, reason: "y".repeat(number as usize) }),
            // Traps unless it is alone.
            "alone" if batch.offsets.len() > 1 => panic!("not among others"),
            "alone" => push(lines, &right, origin),
            _ => {}
        }
    }
}

fn rows(route: u32) -> Rows {
    Rows { route, bytes: Vec::new(), ends: Vec::new(), origins: Vec::new() }
}

fn row(text: &[u8], kind: u8, flag: u8, offset: i64) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or_default();
    [&[length], text, &[kind, flag], &offset.to_le_bytes()].concat()
}

fn push(rows: &mut Rows, row: &[u8], origin: u32) {
    rows.bytes.extend_from_slice(row);
    rows.ends.push(u32::try_from(rows.bytes.len()).unwrap_or(u32::MAX));
    rows.origins.push(origin);
}

fn between(rows: &mut Rows, wrong: &[u8], right: &[u8], origin: u32) {
    [right, wrong, right].iter().for_each(|row| push(rows, row, origin));
}

#[cfg(target_family = "wasm")]
#[allow(unsafe_code)]
const _: () = {
    tidegate_plugin::bindings::export!(Exported with_types_in tidegate_plugin::bindings);
};
