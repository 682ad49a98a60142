//! What `tidegate audit` and `tidegate replay` share: the columns that tell where rows came from, and how a look ends that found nothing out.

use std::process::ExitCode;

use clap::Args;

use super::{UNUSABLE, runtime};
use crate::audit::{ColumnNames, SubjectFault};

/// What a plugin calls the columns that tell where rows came from.
#[derive(Debug, Args)]
pub struct ColumnArguments {
    /// What the plugin calls the column of the topic, if not `_topic`.
    #[arg(long, value_name = "NAME")]
    pub topic_column: Option<String>,
    /// What the plugin calls the column of the partition, if not `_partition`.
    #[arg(long, value_name = "NAME")]
    pub partition_column: Option<String>,
    /// What the plugin calls the column of the offset, if not `_offset`.
    #[arg(long, value_name = "NAME")]
    pub offset_column: Option<String>,
    /// What the plugin calls the column of the ordinal, if not `_ordinal`.
    #[arg(long, value_name = "NAME")]
    pub ordinal_column: Option<String>,
}

impl ColumnArguments {
    pub(super) fn names(&self) -> ColumnNames {
        ColumnNames {
            topic: self.topic_column.clone(),
            partition: self.partition_column.clone(),
            offset: self.offset_column.clone(),
            ordinal: self.ordinal_column.clone(),
        }
    }
}

/// What was found out. Where nothing was, that is said, and the code is 64 where it cannot be done as it was asked, and 1 otherwise.
pub(super) fn found<T>(look: impl Future<Output = Result<T, SubjectFault>>) -> Result<T, ExitCode> {
    let found = runtime()
        .map_err(|fault| SubjectFault::Failed(format!("start threads: {fault}")))
        .and_then(|runtime| runtime.block_on(look));
    found.map_err(|fault| {
        eprintln!("{fault}");
        match fault {
            SubjectFault::Unusable(_) => ExitCode::from(UNUSABLE),
            SubjectFault::Failed(_) => ExitCode::FAILURE,
        }
    })
}
