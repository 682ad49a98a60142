//! Why a commit was not answered well, and what that says of it.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::TopicPartition;

/// Why a commit was not answered well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitFault {
    /// The broker has refused it: it is certain not to be there.
    #[error("{0}")]
    Refused(String),
    /// It may be there, or may still come to be there.
    #[error("{0}")]
    Unknown(String),
    /// Letters that were to go with it could not be written; nothing of it is there.
    #[error("{problem}")]
    Letters {
        /// Why.
        problem: String,
        /// Whose letters they are.
        partitions: Vec<TopicPartition>,
        /// How long to let these rest before it is tried again.
        rest: Duration,
    },
}

impl CommitFault {
    pub(super) fn of(fault: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match fault.rdkafka_error_code() {
            Some(
                Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::RebalanceInProgress
                | Code::NotCoordinator
                | Code::CoordinatorLoadInProgress
                | Code::OffsetMetadataTooLarge
                | Code::GroupAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::NoOffset,
            ) => Self::Refused(fault.to_string()),
            _ => Self::Unknown(fault.to_string()),
        }
    }
}
