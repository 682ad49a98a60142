//! The rows that a table itself would refuse, found before anything is written: a database that refuses one row refuses the whole
//! insert. Most tables have no such rows, since every row was walked by its declared types; those skip this step.

use super::transform::{Chunk, Reject, Stage, Transformed};
use crate::plugin::{Description, GuestFault};
use crate::sink::Table;

impl Transformed {
    /// Takes the rows out that `table` refuses; their records are rejects. Rows of the record for other routes stay.
    ///
    /// # Errors
    /// Where a row of the range as a whole is refused: there is no record to blame.
    pub fn sift(&mut self, description: &Description, route: usize, table: &dyn Table) -> Result<(), GuestFault> {
        let (Some(rows), Some(described)) = (self.routes.get_mut(route), description.routes.get(route)) else {
            return Ok(());
        };
        for chunk in &mut rows.chunks {
            let mut wrong = Vec::new();
            for (index, (row, origin)) in chunk.rows().zip(&chunk.origins).enumerate() {
                let Some(reason) = table.refuses(row) else { continue };
                let reason = format!("row for route `{}`: {reason}", described.name);
                let Some(record) = usize::try_from(*origin).ok().filter(|_| *origin != u32::MAX) else {
                    return Err(GuestFault::Contract(format!("{reason}; the row has no record")));
                };
                wrong.push((index, Reject { record, stage: Stage::Encode, reason }));
            }
            if !wrong.is_empty() {
                rows.rows -= wrong.len();
                *chunk = chunk.without(&wrong);
                self.rejects.extend(wrong.into_iter().map(|(_, reject)| reject));
            }
        }
        rows.chunks.retain(Chunk::has_rows);
        self.rejects.sort_by_key(|reject| reject.record);
        self.rejects.dedup_by_key(|reject| reject.record);
        Ok(())
    }
}
