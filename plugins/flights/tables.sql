-- The table of the route `flight`, with the columns as the plugin declares them. With the deduplication window an
-- insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS travel;

CREATE TABLE IF NOT EXISTS travel.flights
(
    scheduled      DateTime('UTC'),
    departed       Nullable(DateTime('UTC')),
    carrier        LowCardinality(String),
    airline        LowCardinality(String),
    flight         UInt16,
    tailnum        Nullable(String),
    origin         LowCardinality(String),
    dest           LowCardinality(String),
    sched_dep_time UInt16,
    dep_time       Nullable(UInt16),
    dep_delay      Nullable(Int16),
    sched_arr_time UInt16,
    arr_time       Nullable(UInt16),
    arr_delay      Nullable(Int16),
    air_time       Nullable(UInt16),
    distance       UInt16,
    _partition     Int32,
    _offset        Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(scheduled)
ORDER BY (scheduled, carrier, flight)
SETTINGS non_replicated_deduplication_window = 100000;
