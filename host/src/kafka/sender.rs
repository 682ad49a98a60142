//! A producer whose deliveries are awaited. rdkafka has one, with a thread for each that looks for deliveries all the time and spins through the
//! last millisecond before each look: what a gateway at rest would spend most of its CPU time on. Here whoever waits looks.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::trouble::Troubles;

/// Between two looks: far less than a broker takes to answer by way of a disk.
const LOOK: Duration = Duration::from_millis(2);

/// A look takes so many events, each of which may tell of many deliveries.
const EVENTS: usize = 32;

/// A producer.
pub(super) struct Sender(BaseProducer<Context>);

/// A record for it.
pub(super) struct Record<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    pub payload: Option<&'a [u8]>,
    /// Milliseconds since 1970, where it has one of its own.
    pub timestamp: Option<i64>,
    pub headers: Option<OwnedHeaders>,
}

/// What becomes of a record, once it is known.
pub(super) struct Delivery(oneshot::Receiver<Result<(), KafkaError>>);

impl Sender {
    /// # Errors
    /// What librdkafka says of the configuration.
    pub fn new(config: &ClientConfig, troubles: Arc<Troubles>) -> Result<Self, KafkaError> {
        BaseProducer::from_config_and_context(config, Context { troubles, errors: Mutex::default() }).map(Self)
    }

    /// Offers a record.
    ///
    /// # Errors
    /// Where it is not taken, because its queue is full of what is on its way, say.
    pub fn send(&self, record: Record<'_>) -> Result<Delivery, KafkaError> {
        let Record { topic, key, payload, timestamp, headers } = record;
        let (told, delivery) = oneshot::channel();
        let mut offered: BaseRecord<'_, [u8], [u8], Box<_>> = BaseRecord::with_opaque_to(topic, Box::new(told));
        (offered.key, offered.payload, offered.timestamp, offered.headers) = (key, payload, timestamp, headers);
        let refused = match self.0.send(offered) {
            Ok(()) => return Ok(Delivery(delivery)),
            Err(refused) => refused,
        };
        // Deliveries for which nobody waits any more count until somebody looks.
        self.look();
        match self.0.send(refused.1) {
            Ok(()) => Ok(Delivery(delivery)),
            Err((fault, _)) => Err(fault),
        }
    }

    fn look(&self) {
        (0..EVENTS).for_each(|_| self.0.poll(Duration::ZERO));
    }

    /// Whether it can send nothing any more, whatever becomes of the brokers.
    pub fn is_over(&self) -> bool {
        self.0.client().fatal_error().is_some()
    }

    /// Waits until the broker has a record.
    ///
    /// # Errors
    /// Why it was not delivered.
    pub async fn delivered(&self, Delivery(mut delivery): Delivery) -> Result<(), KafkaError> {
        loop {
            match delivery.try_recv() {
                Ok(result) => return result,
                Err(TryRecvError::Closed) => return Err(KafkaError::Canceled),
                Err(TryRecvError::Empty) => {}
            }
            // Whoever waits for them.
            self.look();
            self.0.context().hear().await;
            if delivery.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Gives up what was not delivered.
    pub fn purge(&self) {
        self.0.purge(PurgeConfig::default().queue().inflight());
    }
}

/// Keeps what librdkafka says of the producer's connections.
struct Context {
    troubles: Arc<Troubles>,
    /// Errors that nobody has looked into yet.
    errors: Mutex<Vec<(RDKafkaErrorCode, String)>>,
}

impl Context {
    /// Looks into errors, where waiting is allowed: a certificate may have to be looked at.
    async fn hear(&self) {
        let errors = std::mem::take(&mut *self.errors.lock());
        if !errors.is_empty() {
            let troubles = self.troubles.clone();
            let hear = move || errors.iter().for_each(|(code, reason)| _ = troubles.hear(*code, reason));
            let _ = tokio::task::spawn_blocking(hear).await;
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
        let _ = self.troubles.overhear(facility, message);
    }

    fn error(&self, fault: KafkaError, reason: &str) {
        let code = fault.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.errors.lock().push((code, reason.to_owned()));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<oneshot::Sender<Result<(), KafkaError>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, told: Self::DeliveryOpaque) {
        // Nobody waits for what was given up.
        let _ = told.send(result.as_ref().map(|_| ()).map_err(|(fault, _)| fault.clone()));
    }
}
