//! A Kafka within the process: librdkafka's own mock cluster, which keeps records in memory and speaks the real protocol
//! on a port of 127.0.0.1. For the demonstration and its test; whatever it holds ends with it.
//!
//! It knows what the gateway needs: groups of the classic protocol with cooperative assignment, commits, idempotent
//! producers. But it takes whatever sequence an idempotent producer without transactions sends, has no admin requests,
//! lets whoever joins a group that is not new wait for nearly the session timeout, and keeps no more than 5 MiB of a
//! partition: who writes must not outrun who reads.

use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::bindings as rdsys;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};

/// How long the first member of a group is alone before it gets its partitions, in milliseconds. A real broker waits three
/// seconds for others to come; here there are none.
const REBALANCE_DELAY: i32 = 100;

/// The mock's thread answers a request before it takes the byte that woke it. A request that comes between takes its own
/// byte along with that one and waits for the next event, up to a second; after this time that is unlikely.
const REQUEST_PAUSE: Duration = Duration::from_millis(2);

/// A cluster of one broker. Must outlive its clients.
pub struct EmbeddedKafka {
    /// The client that owns the cluster and ends it.
    owner: BaseProducer,
    brokers: String,
}

impl EmbeddedKafka {
    /// A cluster without topics.
    ///
    /// # Errors
    /// Where no port or thread is to be had.
    pub fn start() -> anyhow::Result<Self> {
        let owner: BaseProducer =
            ClientConfig::new().set("test.mock.num.brokers", "1").create().context("start the embedded Kafka")?;
        let mut kafka = Self { owner, brokers: String::new() };
        let brokers = kafka.cluster()?.bootstrap_servers();
        kafka.brokers = brokers;
        kafka.shorten_rebalance();
        Ok(kafka)
    }

    /// Makes a topic. Blocks for a few milliseconds, rarely for a second.
    ///
    /// # Errors
    /// Where the topic exists, or its name is none.
    pub fn create_topic(&self, topic: &str, partitions: i32) -> anyhow::Result<()> {
        self.cluster()?.create_topic(topic, partitions, 1).with_context(|| format!("make topic {topic}"))?;
        std::thread::sleep(REQUEST_PAUSE);
        Ok(())
    }

    /// The address where clients begin.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    fn cluster(&self) -> anyhow::Result<MockCluster<'_, DefaultProducerContext>> {
        self.owner.client().mock_cluster().context("the embedded Kafka did not start")
    }

    /// What rdkafka does not wrap.
    #[allow(unsafe_code)]
    fn shorten_rebalance(&self) {
        // SAFETY: the client is alive, and the cluster lives as long as the client that owns it.
        unsafe {
            let cluster = rdsys::rd_kafka_handle_mock_cluster(self.owner.client().native_ptr());
            if !cluster.is_null() {
                rdsys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, REBALANCE_DELAY);
            }
        }
    }
}
