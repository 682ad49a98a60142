-- The tables of the routes `movement` and `correction`, with the columns as the plugin declares them. With the
-- deduplication window an insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.stock_movements
(
    movement_id UUID,
    event_time  DateTime64(3),
    product_id  UInt32,
    warehouse   LowCardinality(String),
    kind        LowCardinality(String),
    quantity    Int32,
    unit_cost   Nullable(Decimal(18, 4)),
    _partition  Int32,
    _offset     Int64,
    _ordinal    UInt32
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, product_id)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE IF NOT EXISTS shop.stock_corrections
(
    event_time  DateTime64(3),
    product_id  UInt32,
    warehouse   LowCardinality(String),
    quantity    Int32,
    reason      Nullable(String),
    _partition  Int32,
    _offset     Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, product_id)
SETTINGS non_replicated_deduplication_window = 100000;
