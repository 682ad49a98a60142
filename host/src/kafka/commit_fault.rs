//! Why a commit was not answered well, and what that says of it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why a commit was not answered well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitFault {
    /// The broker has refused it: it is certain not to be there.
    #[error("{0}")]
    Refused(String),
    /// It may be there, or may still come to be there.
    #[error("{0}")]
    Unknown(String),
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
