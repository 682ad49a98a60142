-- The table of the route `sale`, with the columns as the plugin declares them. With the deduplication window an
-- insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.sales
(
    event_id    UUID,
    event_time  DateTime64(3),
    product_id  UInt32,
    product     LowCardinality(String),
    category    LowCardinality(String),
    quantity    UInt16,
    price       Decimal(18, 4),
    amount      Decimal(18, 4),
    currency    LowCardinality(String),
    channel     LowCardinality(String),
    customer_id Nullable(UInt64),
    _partition  Int32,
    _offset     Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (event_time, product_id)
SETTINGS non_replicated_deduplication_window = 100000;
