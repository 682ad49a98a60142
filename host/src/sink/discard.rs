//! A sink that keeps nothing, for measuring what all else costs. No gateway's file can name it.

use std::sync::Arc;

use super::{Sink, SinkFault, Table, Write};
use crate::config::Guarantee;
use crate::plugin::BoxFuture;
use crate::rows::Column;

/// Takes all rows of all tables, and forgets them.
pub struct DiscardSink;

struct DiscardTable;

impl Sink for DiscardSink {
    fn open<'a>(
        &'a self,
        _: &'a str,
        _: &'a [Column],
        _: Guarantee,
    ) -> BoxFuture<'a, Result<Arc<dyn Table>, SinkFault>> {
        Box::pin(async { Ok(Arc::new(DiscardTable) as Arc<dyn Table>) })
    }
}

impl Table for DiscardTable {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn write<'a>(&'a self, _: Write<'a>) -> BoxFuture<'a, Result<(), SinkFault>> {
        Box::pin(async { Ok(()) })
    }
}
