-- The table of the route `sale` in ClickHouse, with the columns as the plugin declares them. With the deduplication
-- window an insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.{{file}}
(
    event_id   UUID,
    event_time DateTime64(3),
    product_id UInt32,
    quantity   UInt16,
    amount     Decimal(18, 4),
    channel    LowCardinality(String),
    _partition Int32,
    _offset    Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, product_id)
SETTINGS non_replicated_deduplication_window = 100000;
