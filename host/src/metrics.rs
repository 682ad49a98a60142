//! What is counted, for Prometheus: by pipeline, and by stage where time is spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type Seconds = Counter<f64, AtomicU64>;
type Number = Gauge<i64, AtomicI64>;

/// All metrics of a gateway.
pub struct Metrics {
    registry: Mutex<Registry>,
    records: Family<PipelineLabels, Counter>,
    bytes: Family<PipelineLabels, Counter>,
    dropped: Family<PipelineLabels, Counter>,
    completed: Family<PipelineLabels, Counter>,
    ranges: Family<PipelineLabels, Counter>,
    rows: Family<RouteLabels, Counter>,
    rejects: Family<RejectLabels, Counter>,
    traps: Family<PipelineLabels, Counter>,
    isolation_runs: Family<PipelineLabels, Counter>,
    retries: Family<StageLabels, Counter>,
    seconds: Family<StageLabels, Seconds>,
    cpu_seconds: Family<StageLabels, Seconds>,
    lag: Family<PartitionLabels, Number>,
    lost: Family<PartitionLabels, Counter>,
    in_flight: Family<PipelineLabels, Number>,
    running: Family<PipelineLabels, Number>,
    parked: Family<PipelineLabels, Number>,
    problems: Family<PipelineLabels, Number>,
    limited: Family<LimitLabels, Counter>,
    swaps: Family<SwapLabels, Counter>,
    tenant_memory: Family<TenantLabels, Number>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PipelineLabels {
    tenant: String,
    pipeline: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    tenant: String,
    pipeline: String,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RejectLabels {
    tenant: String,
    pipeline: String,
    stage: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabels {
    tenant: String,
    pipeline: String,
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    tenant: String,
    pipeline: String,
    stage: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartitionLabels {
    tenant: String,
    pipeline: String,
    topic: String,
    partition: i32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SwapLabels {
    tenant: String,
    pipeline: String,
    outcome: &'static str,
}

/// What became of a version that was to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Swap {
    Live,
    Refused,
    RolledBack,
}

impl Swap {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Refused => "refused",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// Where a pipeline's time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Timed {
    Fetch,
    Transform,
    Sink,
    DeadLetter,
}

impl Timed {
    fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Transform => "transform",
            Self::Sink => "sink",
            Self::DeadLetter => "dead_letter",
        }
    }
}

/// The metrics of one pipeline, ready to be counted up.
#[derive(Clone)]
pub struct PipelineMetrics {
    all: Arc<Metrics>,
    labels: PipelineLabels,
    /// Records that were fetched.
    pub records: Counter,
    /// Bytes of memory that they took.
    pub bytes: Counter,
    /// Records that became neither rows nor rejects.
    pub dropped: Counter,
    /// Records whose ranges are complete.
    pub completed: Counter,
    /// Ranges that are complete.
    pub ranges: Counter,
    /// Ranges that the plugin failed on.
    pub traps: Counter,
    /// Runs that were made to find out which records a plugin fails on.
    pub isolation_runs: Counter,
    /// Bytes between fetching and completing.
    pub in_flight: Number,
    /// 1 while records are consumed.
    pub running: Number,
    /// 1 while it waits outside of its group for records.
    pub parked: Number,
    /// What is wrong just now.
    pub problems: Number,
}

impl Metrics {
    /// Metrics at zero.
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("tidegate");
        let metrics = Self {
            registry: Mutex::default(),
            records: Family::default(),
            bytes: Family::default(),
            dropped: Family::default(),
            completed: Family::default(),
            ranges: Family::default(),
            rows: Family::default(),
            rejects: Family::default(),
            traps: Family::default(),
            isolation_runs: Family::default(),
            retries: Family::default(),
            seconds: Family::new_with_constructor(Seconds::default),
            cpu_seconds: Family::new_with_constructor(Seconds::default),
            lag: Family::default(),
            lost: Family::default(),
            in_flight: Family::default(),
            running: Family::default(),
            parked: Family::default(),
            problems: Family::default(),
            limited: Family::default(),
            swaps: Family::default(),
            tenant_memory: Family::default(),
        };
        registry.register("records", "Records fetched from Kafka", metrics.records.clone());
        registry.register_with_unit(
            "fetched",
            "Records fetched from Kafka, as they lie in memory",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register("dropped_records", "Records that became neither rows nor rejects", metrics.dropped.clone());
        registry.register(
            "completed_records",
            "Records whose rows and dead letters are where they belong",
            metrics.completed.clone(),
        );
        registry.register("ranges", "Ranges of offsets that are complete", metrics.ranges.clone());
        registry.register("rows", "Rows written, by route", metrics.rows.clone());
        registry.register("rejects", "Records rejected, by the stage that refused them", metrics.rejects.clone());
        registry.register("traps", "Ranges that the plugin failed on", metrics.traps.clone());
        registry.register(
            "isolation_runs",
            "Runs of parts of ranges to find the records that a plugin fails on",
            metrics.isolation_runs.clone(),
        );
        registry.register("retries", "Tries that failed and are made again", metrics.retries.clone());
        let help = "Time spent, waiting included";
        registry.register_with_unit("stage", help, Unit::Seconds, metrics.seconds.clone());
        registry.register_with_unit("stage_cpu", "CPU time spent", Unit::Seconds, metrics.cpu_seconds.clone());
        registry.register(
            "lag",
            "Records between the last complete one and the end of the partition",
            metrics.lag.clone(),
        );
        registry.register("lost_records", "Records deleted by Kafka before they were read", metrics.lost.clone());
        registry.register_with_unit(
            "in_flight",
            "Held between fetching and completing",
            Unit::Bytes,
            metrics.in_flight.clone(),
        );
        registry.register("running", "1 while the pipeline consumes records", metrics.running.clone());
        registry.register(
            "parked",
            "1 while the pipeline has nothing to read and waits outside of its group",
            metrics.parked.clone(),
        );
        registry.register("problems", "What is wrong with the pipeline just now, counted", metrics.problems.clone());
        registry.register("limited", "Times that a limit of the plugin stopped something", metrics.limited.clone());
        let help = "Versions that were to take over, by what became of them";
        registry.register("swaps", help, metrics.swaps.clone());
        registry.register_with_unit(
            "tenant_memory",
            "Held by a tenant's pipelines together: between fetching and completing, and by instances of plugins",
            Unit::Bytes,
            metrics.tenant_memory.clone(),
        );
        *metrics.registry.lock() = registry;
        Arc::new(metrics)
    }

    /// All metrics in Prometheus' text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry.lock());
        text
    }

    /// The metrics of one pipeline.
    pub fn pipeline(self: &Arc<Self>, tenant: &str, pipeline: &str) -> PipelineMetrics {
        let labels = PipelineLabels { tenant: tenant.to_owned(), pipeline: pipeline.to_owned() };
        PipelineMetrics {
            records: self.records.get_or_create_owned(&labels),
            bytes: self.bytes.get_or_create_owned(&labels),
            dropped: self.dropped.get_or_create_owned(&labels),
            completed: self.completed.get_or_create_owned(&labels),
            ranges: self.ranges.get_or_create_owned(&labels),
            traps: self.traps.get_or_create_owned(&labels),
            isolation_runs: self.isolation_runs.get_or_create_owned(&labels),
            in_flight: self.in_flight.get_or_create_owned(&labels),
            running: self.running.get_or_create_owned(&labels),
            parked: self.parked.get_or_create_owned(&labels),
            problems: self.problems.get_or_create_owned(&labels),
            all: self.clone(),
            labels,
        }
    }
}

impl PipelineMetrics {
    /// Rows written for a route.
    pub fn rows(&self, route: &str) -> Counter {
        let PipelineLabels { tenant, pipeline } = self.labels.clone();
        self.all.rows.get_or_create_owned(&RouteLabels { tenant, pipeline, route: route.to_owned() })
    }

    /// Records rejected by a stage.
    pub fn rejects(&self, stage: &'static str) -> Counter {
        let PipelineLabels { tenant, pipeline } = self.labels.clone();
        self.all.rejects.get_or_create_owned(&RejectLabels { tenant, pipeline, stage })
    }

    /// A limit stopped the plugin, or left out so many lines or records.
    pub fn limited(&self, limit: &'static str, times: u64) {
        let PipelineLabels { tenant, pipeline } = self.labels.clone();
        self.all.limited.get_or_create(&LimitLabels { tenant, pipeline, limit }).inc_by(times);
    }

    /// What became of a version that was to take over.
    pub fn swapped(&self, outcome: Swap) {
        let PipelineLabels { tenant, pipeline } = self.labels.clone();
        self.all.swaps.get_or_create(&SwapLabels { tenant, pipeline, outcome: outcome.name() }).inc();
    }

    /// The pipeline is gone: what says how it is goes with it. What was counted stays, as the sums of others would move back else.
    pub fn forget(&self) {
        for gauge in [&self.all.in_flight, &self.all.running, &self.all.parked, &self.all.problems] {
            gauge.remove(&self.labels);
        }
    }

    /// A try of a stage failed.
    pub fn retry(&self, stage: Timed) {
        self.all.retries.get_or_create(&self.stage(stage)).inc();
    }

    /// A stage took this long and this much CPU time.
    pub fn spent(&self, stage: Timed, elapsed: Duration, cpu: Duration) {
        let labels = self.stage(stage);
        self.all.seconds.get_or_create(&labels).inc_by(elapsed.as_secs_f64());
        self.all.cpu_seconds.get_or_create(&labels).inc_by(cpu.as_secs_f64());
    }

    /// What the pipelines of this one's tenant hold together, in bytes.
    pub fn set_tenant_memory(&self, bytes: usize) {
        let tenant = self.labels.tenant.clone();
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.all.tenant_memory.get_or_create(&TenantLabels { tenant }).set(bytes);
    }

    /// How far a partition is behind.
    pub fn set_lag(&self, topic: &str, partition: i32, lag: i64) {
        self.all.lag.get_or_create(&self.partition(topic, partition)).set(lag);
    }

    /// How far a partition was behind when it was last set; none where it is another's.
    pub fn lag(&self, topic: &str, partition: i32) -> Option<i64> {
        self.all.lag.get(&self.partition(topic, partition)).map(|lag| lag.get())
    }

    /// The partition is another's now.
    pub fn forget_lag(&self, topic: &str, partition: i32) {
        self.all.lag.remove(&self.partition(topic, partition));
    }

    /// Kafka deleted records before they were read.
    pub fn lose(&self, topic: &str, partition: i32, records: u64) {
        if records > 0 {
            self.all.lost.get_or_create(&self.partition(topic, partition)).inc_by(records);
        }
    }

    fn stage(&self, stage: Timed) -> StageLabels {
        let PipelineLabels { tenant, pipeline } = self.labels.clone();
        StageLabels { tenant, pipeline, stage: stage.name() }
    }

    fn partition(&self, topic: &str, partition: i32) -> PartitionLabels {
        let PipelineLabels { tenant, pipeline } = self.labels.clone();
        PartitionLabels { tenant, pipeline, topic: topic.to_owned(), partition: partition.to_owned() }
    }
}
