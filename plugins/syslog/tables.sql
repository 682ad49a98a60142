-- The table of the route `message`, with the columns as the plugin declares them. With the deduplication window an
-- insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS logs;

CREATE TABLE IF NOT EXISTS logs.messages
(
    time            DateTime64(6),
    facility        LowCardinality(String),
    severity        LowCardinality(String),
    host            LowCardinality(Nullable(String)),
    app             LowCardinality(Nullable(String)),
    procid          Nullable(String),
    msgid           LowCardinality(Nullable(String)),
    structured_data Map(String, String),
    message         String,
    format          LowCardinality(String),
    _partition      Int32,
    _offset         Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (facility, time)
SETTINGS non_replicated_deduplication_window = 100000;
