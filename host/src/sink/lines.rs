//! Rows as JSON Lines, for the sinks that write text.

use crate::pipeline::{Chunk, RouteRows};
use crate::rows::{Column, DecodeFault, Decoder, write_json};

/// Makes a line of each row of a table.
pub struct Lines {
    /// None where rows are objects already.
    columns: Vec<Column>,
}

impl Lines {
    /// For rows of these columns; for JSON objects where there are none.
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec() }
    }

    /// All rows, a line each.
    ///
    /// # Errors
    /// Where bytes are not rows of the columns.
    pub fn of(&self, rows: &RouteRows) -> Result<Vec<u8>, DecodeFault> {
        let mut lines = Vec::new();
        for chunk in &rows.chunks {
            self.write(chunk, &mut lines)?;
        }
        Ok(lines)
    }

    fn write(&self, chunk: &Chunk, lines: &mut Vec<u8>) -> Result<(), DecodeFault> {
        if self.columns.is_empty() {
            chunk.rows().for_each(|object| write_object(object, lines));
            return Ok(());
        }
        let mut decoder = Decoder::new(&chunk.bytes);
        while !decoder.is_empty() {
            write_json(&self.columns, &mut decoder, lines)?;
            lines.push(b'\n');
        }
        Ok(())
    }
}

/// A JSON object as one line: the line ends in it stand between its tokens, where any white space is as good.
fn write_object(object: &[u8], lines: &mut Vec<u8>) {
    let one_line = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    lines.extend(object.trim_ascii().iter().map(one_line));
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8], ends: &[u32]) -> RouteRows {
        let origins = vec![0; ends.len()];
        let chunk = Chunk { bytes: bytes.to_vec().into(), ends: ends.to_vec(), origins };
        RouteRows::of(vec![chunk])
    }

    #[test]
    fn a_row_is_a_line_whether_it_has_columns_or_is_an_object() {
        let columns = [Column { name: "a".into(), kind: "UInt8".parse().unwrap() }];
        let typed = Lines::new(&columns).of(&rows(&[1, 2], &[1, 2])).unwrap();
        assert_eq!(typed, b"{\"a\":1}\n{\"a\":2}\n");
        let objects = Lines::new(&[]).of(&rows(b"{\"a\":\r\n1}\n{}", &[10, 12])).unwrap();
        assert_eq!(String::from_utf8(objects).unwrap(), "{\"a\":  1}\n{}\n");
    }
}
