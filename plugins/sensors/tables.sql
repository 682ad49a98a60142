-- The tables of the routes `reading` and `summary`, with the columns as the plugin declares them. With the
-- deduplication window an insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS plant;

CREATE TABLE IF NOT EXISTS plant.readings
(
    device     LowCardinality(String),
    metric     LowCardinality(String),
    time       DateTime64(3),
    value      Float64,
    note       Nullable(String),
    _partition Int32,
    _offset    Int64,
    _ordinal   UInt32
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (device, metric, time)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE IF NOT EXISTS plant.summaries
(
    device       LowCardinality(String),
    metric       LowCardinality(String),
    readings     UInt64,
    out_of_range UInt64,
    min          Nullable(Float64),
    max          Nullable(Float64),
    mean         Nullable(Float64),
    _partition   Int32,
    _offset      Int64
)
ENGINE = MergeTree
ORDER BY (device, metric, _partition, _offset)
SETTINGS non_replicated_deduplication_window = 10000;
