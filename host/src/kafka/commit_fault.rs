//! Why a commit was not answered well, and what that says of it.
//!
//! What librdkafka 2.12 does with a commit that was handed to it (`rdkafka_cgrp.c`, `rdkafka_request.c`):
//! - While it knows no coordinator, it keeps the commit, at most once and for `session.timeout.ms`, and sends it **with the member and the generation
//!   of that later moment**. A commit that is still to be sent when its partitions are another's would be believed: so nobody who has lost
//!   partitions with a commit outstanding stays a member.
//! - After `NOT_COORDINATOR`, `COORDINATOR_NOT_AVAILABLE`, `COORDINATOR_LOAD_IN_PROGRESS`, `UNKNOWN_TOPIC_OR_PART`, `REQUEST_TIMED_OUT` and after a
//!   connection that broke, it sends the same bytes again, with the generation that they have, up to twice; then it keeps the
//!   commit as above. The error that is told is that of the last try.
//! - After `UNKNOWN_MEMBER_ID` and `ILLEGAL_GENERATION` it gives the assignment up as lost and joins again by itself, outside of a rebalance, and says so before it tells
//!   of the commit.
//! - Where some partitions of a commit are taken and others are refused, it tells one error and marks all of them with it.
//!
//! So "refused" does not say that nothing of it is there. It says that nothing more comes of it: the broker has answered all
//! tries that it has heard of. That is enough. Nothing is sent in the name of a plan before its commit is answered well, so that
//! it may be there or not, and the next commit of the same member replaces it. The exception is a try whose connection broke:
//! its bytes may lie in the network still, and be taken after a later commit. It is of unknown fate, whatever the next try is told;
//! see `Membership::commit`.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::TopicPartition;

/// Why a commit was not answered well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitFault {
    /// The broker has refused it, wholly or for some partitions: nothing more comes of it.
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
