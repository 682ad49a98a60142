-- The table of the route `event`, with the columns as the plugin declares them. With the deduplication window an insert
-- that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS marketing;

CREATE TABLE IF NOT EXISTS marketing.events
(
    event_time  DateTime64(3),
    source      Enum8('clicks' = 1, 'impressions' = 2, 'orders' = 3),
    campaign_id LowCardinality(String),
    campaign    LowCardinality(Nullable(String)),
    channel     LowCardinality(Nullable(String)),
    events      UInt32,
    amount      Nullable(Decimal(18, 2)),
    click_id    Nullable(UUID),
    order_id    Nullable(UInt64),
    _partition  Int32,
    _offset     Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (campaign_id, event_time)
SETTINGS non_replicated_deduplication_window = 100000;
