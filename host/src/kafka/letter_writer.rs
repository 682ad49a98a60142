//! What a transactional producer hears of its letters, and what a topic takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::membership::BROKEN;
use super::settings::KafkaSettings;
use super::trouble::Troubles;
use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

/// Keeps what librdkafka says of the producer's connections, and of letters that it could not deliver.
pub(super) struct Context {
    pub(super) troubles: Troubles,
    refusals: Mutex<Vec<Refusal>>,
    broken: AtomicBool,
}

/// A letter that was not delivered.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Its number in the transaction.
    pub index: usize,
    /// Why.
    pub fault: KafkaError,
}

impl Context {
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self { troubles: Troubles::new(settings), refusals: Mutex::default(), broken: AtomicBool::new(false) }
    }

    /// A new transaction begins.
    pub(super) fn forget(&self) {
        self.refusals.lock().clear();
        self.broken.store(false, Ordering::Release);
    }

    /// Whether a connection broke since then: what was sent on it may come late.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// What was not delivered of the present one.
    pub(super) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.lock().clone()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
        if facility == BROKEN {
            self.broken.store(true, Ordering::Release);
        }
        // At the level of debugging the same comes once more.
        if (level as i32) < RDKafkaLogLevel::Debug as i32 {
            let _ = self.troubles.overhear(facility, message);
        }
    }

    fn error(&self, fault: KafkaError, reason: &str) {
        let code = fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.troubles.hear(code, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        if let Err((fault, _)) = result {
            self.refusals.lock().push(Refusal { index, fault: fault.clone() });
        }
    }
}

/// How long to wait for a figure that is only told.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes of a batch that a topic takes, where the broker says.
pub(super) fn largest_message(settings: &KafkaSettings, topic: &str) -> Option<usize> {
    let admin: AdminClient<DefaultClientContext> = settings.looker().create().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let (topics, options) = ([ResourceSpecifier::Topic(topic)], AdminOptions::new().request_timeout(Some(TIMEOUT)));
    let described = runtime.block_on(admin.describe_configs(&topics, &options)).ok()?;
    let described = described.into_iter().next()?.ok()?;
    described.get("max.message.bytes")?.value.as_ref()?.parse().ok()
}
