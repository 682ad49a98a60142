//! Turns of a partition's ranges, where its plugin keeps its state from one range to the next: each goes through the plugin when the
//! one before it has, in the order in which they were closed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::batch::{Batch, Lineage};

/// Who comes last, by partition. A pipeline has as many as it ever was assigned.
#[derive(Default)]
pub struct Turns {
    last: Mutex<HashMap<(Arc<str>, i32), Last>>,
}

struct Last {
    lineage: Lineage,
    /// Answered, or given up, when its turn is over.
    over: oneshot::Receiver<()>,
}

/// A range's place among those of its partition; over when it is dropped.
pub struct Turn {
    before: Option<oneshot::Receiver<()>>,
    begins: bool,
    _over: oneshot::Sender<()>,
}

impl Turns {
    /// The place behind all that have asked before.
    pub fn next(&self, batch: &Batch) -> Turn {
        let (over, is_over) = oneshot::channel();
        let key = (batch.range.topic.clone(), batch.range.partition);
        let last = self.last.lock().insert(key, Last { lineage: batch.lineage, over: is_over });
        let begins = last.as_ref().is_none_or(|last| last.lineage != batch.lineage);
        Turn { before: last.map(|last| last.over), begins, _over: over }
    }
}

impl Turn {
    /// Waits until it has come. Whether it is the first since the partition was assigned: what a guest kept is of another time.
    pub async fn comes(&mut self) -> bool {
        if let Some(before) = self.before.take() {
            // Over is over, however it ended.
            let _ = before.await;
        }
        self.begins
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::pipeline::{Budget, Bundle, Range, Records};
    use crate::plugin::PluginHash;

    fn batch(partition: i32, lineage: Lineage) -> Batch {
        let bundle = Arc::new(Bundle { plugin: PluginHash::of(b""), settings: PluginHash::of(b"") });
        let range = Range { topic: "t".into(), partition, first: 0, next: 1 };
        Batch {
            range,
            permit: Budget::new(1).take(0),
            records: Records::default(),
            lineage,
            bundle,
            joined: Vec::new(),
        }
    }

    fn comes(turn: &mut Turn) -> Poll<bool> {
        let mut comes = std::pin::pin!(turn.comes());
        comes.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn a_turn_comes_when_the_one_before_is_over_and_other_partitions_do_not_wait() {
        let (turns, lineage) = (Turns::default(), Lineage(1));
        let (mut first, mut second) = (turns.next(&batch(0, lineage)), turns.next(&batch(0, lineage)));
        let mut other = turns.next(&batch(1, lineage));
        assert_eq!((comes(&mut first), comes(&mut other)), (Poll::Ready(true), Poll::Ready(true)));
        let mut waits = Box::pin(second.comes());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        drop(first);
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Ready(false));
        drop(waits);
        drop(second);
        let mut assigned_again = turns.next(&batch(0, Lineage(2)));
        assert_eq!(comes(&mut assigned_again), Poll::Ready(true));
    }
}
