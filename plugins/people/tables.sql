-- The table of the route `person`, with the columns as the plugin declares them. With the deduplication window an insert
-- that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS crm;

CREATE TABLE IF NOT EXISTS crm.people
(
    uuid        UUID,
    first_name  String,
    last_name   String,
    middle_name Nullable(String),
    timestamp   DateTime64(3),
    _partition  Int32,
    _offset     Int64
)
ENGINE = MergeTree
ORDER BY uuid
SETTINGS non_replicated_deduplication_window = 10000;
