//! Which offset of a partition may be committed: ranges complete in any order, the group's offset moves in theirs.

use std::collections::BTreeMap;

use super::range::Range;

/// The ranges of one partition that are under way. Pure: knows nothing of Kafka or time.
#[derive(Debug, Default)]
pub struct Completion {
    /// By first offset: the next offset, and whether the range is complete.
    under_way: BTreeMap<i64, (i64, bool)>,
    /// Behind the last range of the complete ones that nothing open precedes.
    complete_to: Option<i64>,
    committed: Option<i64>,
}

impl Completion {
    /// Everything before `offset` is done or not wanted: where the partition begins.
    pub fn start(offset: i64) -> Self {
        Self { complete_to: Some(offset), ..Self::default() }
    }

    /// No record that is wanted lies from offset `first` to before `next`.
    pub fn skip(&mut self, first: i64, next: i64) {
        self.under_way.insert(first, (next, true));
        self.advance();
    }

    /// A range was closed and sent on its way.
    pub fn begin(&mut self, range: &Range) {
        self.under_way.insert(range.first, (range.next, false));
    }

    /// All rows and dead letters of a range are where they belong.
    pub fn complete(&mut self, range: &Range) {
        if let Some((_, complete)) = self.under_way.get_mut(&range.first) {
            *complete = true;
        }
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(first) = self.under_way.first_entry()
            && first.get().1
        {
            self.complete_to = Some(first.remove().0);
        }
    }

    /// A range will not complete: its offsets, and those behind it, are never committed.
    pub fn abandon(&mut self, range: &Range) {
        self.under_way.insert(range.first, (range.next, false));
    }

    /// The offset to commit, if there is one that was not.
    pub fn to_commit(&self) -> Option<i64> {
        self.complete_to.filter(|offset| self.committed != Some(*offset))
    }

    /// The broker has taken a commit of `offset`.
    pub fn committed(&mut self, offset: i64) {
        self.committed = Some(offset);
    }

    /// Whether the group has an offset of the partition, so that nothing is passed over if another member goes on.
    pub fn has_begun(&self) -> bool {
        self.committed.is_some()
    }

    /// The next offset that is not complete, as far as is known.
    pub fn position(&self) -> Option<i64> {
        self.complete_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, next: i64) -> Range {
        Range { topic: "t".into(), partition: 0, first, next }
    }

    #[test]
    fn an_offset_is_committed_only_when_nothing_before_it_is_open() {
        let (one, two, three) = (range(0, 10), range(10, 20), range(25, 30));
        let mut completion = Completion::default();
        for range in [&one, &two, &three] {
            completion.begin(range);
        }
        completion.complete(&two);
        assert_eq!(completion.to_commit(), None);
        completion.complete(&one);
        assert_eq!(completion.to_commit(), Some(20));
        completion.committed(20);
        assert_eq!(completion.to_commit(), None);
        completion.complete(&three);
        assert_eq!(completion.to_commit(), Some(30));
        assert_eq!(completion.position(), Some(30));
    }

    #[test]
    fn a_start_is_committed_before_anything_is_complete() {
        let mut completion = Completion::start(7);
        assert!(!completion.has_begun());
        assert_eq!((completion.to_commit(), completion.position()), (Some(7), Some(7)));
        completion.committed(7);
        assert!(completion.has_begun());
        assert_eq!((completion.to_commit(), completion.position()), (None, Some(7)));
    }

    #[test]
    fn offsets_without_records_are_passed_in_their_turn() {
        let one = range(0, 10);
        let mut completion = Completion::start(0);
        completion.begin(&one);
        completion.skip(10, 12);
        assert_eq!(completion.position(), Some(0));
        completion.complete(&one);
        assert_eq!(completion.position(), Some(12));
        completion.skip(12, 13);
        assert_eq!(completion.position(), Some(13));
    }

    #[test]
    fn nothing_behind_an_abandoned_range_is_committed() {
        let (one, two, three) = (range(0, 10), range(10, 20), range(20, 30));
        let mut completion = Completion::default();
        for range in [&one, &two, &three] {
            completion.begin(range);
        }
        completion.complete(&one);
        completion.abandon(&two);
        completion.complete(&three);
        assert_eq!(completion.to_commit(), Some(10));
    }

    #[test]
    fn a_range_completed_twice_moves_nothing_back() {
        let (one, two) = (range(0, 10), range(10, 20));
        let mut completion = Completion::default();
        completion.begin(&one);
        completion.begin(&two);
        completion.complete(&one);
        completion.complete(&two);
        completion.complete(&one);
        assert_eq!(completion.to_commit(), Some(20));
    }
}
