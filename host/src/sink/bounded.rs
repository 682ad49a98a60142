//! A database that is not asked for the tables of a thousand pipelines at once: at the start all of them want to open theirs.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Placement, Reading, Sink, SinkFault, Table, Transaction};
use crate::config::{Guarantee, Mode};
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// How many tables are opened at once: each takes a few questions of milliseconds, and a database has a limit of its own.
const OPENING: usize = 8;

/// A sink that opens a few tables at once, and the others after them.
pub(super) struct Bounded<S> {
    sink: S,
    opening: Semaphore,
}

impl<S: Sink> Bounded<S> {
    pub(super) fn new(sink: S) -> Self {
        Self { sink, opening: Semaphore::new(OPENING) }
    }
}

impl<S: Sink> Sink for Bounded<S> {
    fn best(&self) -> Guarantee {
        self.sink.best()
    }

    fn transaction(&self) -> Option<&dyn Transaction> {
        self.sink.transaction()
    }

    fn reading(&self) -> Option<&dyn Reading> {
        self.sink.reading()
    }

    fn open<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        guarantee: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            // It is never closed.
            let _opening = self.opening.acquire().await;
            self.sink.open(table, columns, guarantee).await
        })
    }

    fn open_placed<'a>(
        &'a self,
        table: &'a str,
        columns: &'a [Column],
        guarantee: Guarantee,
        placement: Placement<'a>,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async move {
            let _opening = self.opening.acquire().await;
            self.sink.open_placed(table, columns, guarantee, placement).await
        })
    }

    fn takes(&self, mode: &Mode) -> Result<(), String> {
        self.sink.takes(mode)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Counts how many tables are being opened, and has none.
    #[derive(Default)]
    struct Counting {
        now: AtomicUsize,
        most: AtomicUsize,
    }

    impl Sink for Counting {
        fn open<'a>(
            &'a self,
            _: &'a str,
            _: &'a [Column],
            _: Guarantee,
        ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
            Box::pin(async move {
                let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
                self.most.fetch_max(now, Ordering::Relaxed);
                tokio::task::yield_now().await;
                self.now.fetch_sub(1, Ordering::Relaxed);
                Err(SinkFault::Unavailable("nobody is there".to_owned()))
            })
        }
    }

    #[tokio::test]
    async fn a_few_tables_are_opened_at_once_and_all_in_the_end() {
        let sink = Bounded::new(Counting::default());
        let opened = join_all((0..100).map(|_| sink.open("t", &[], Guarantee::AtLeastOnce))).await;
        assert_eq!(opened.len(), 100);
        assert_eq!(sink.sink.most.load(Ordering::Relaxed), OPENING);
    }
}
