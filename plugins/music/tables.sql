-- The tables of the routes `playback` and `taste`, with the columns as the plugin declares them. With the deduplication
-- window an insert that is tried again after a lost answer counts once.
CREATE DATABASE IF NOT EXISTS music;

CREATE TABLE IF NOT EXISTS music.playback
(
    event_time  DateTime64(3),
    event       Enum8('track_playback' = 1, 'pause_track' = 2, 'resume_track' = 3, 'skipping_track_next' = 4,
                      'skipping_track_prev' = 5),
    user_id     UInt64,
    track_id    UInt64,
    position_ms UInt32,
    platform    LowCardinality(String),
    session_id  Nullable(UUID),
    _partition  Int32,
    _offset     Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (user_id, event_time)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE IF NOT EXISTS music.taste
(
    event_time  DateTime64(3),
    event       Enum8('adding_track_to_playlist' = 6, 'track_like' = 7, 'track_unlike' = 8),
    user_id     UInt64,
    track_id    UInt64,
    playlist_id Nullable(UInt64),
    platform    LowCardinality(String),
    session_id  Nullable(UUID),
    _partition  Int32,
    _offset     Int64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(event_time)
ORDER BY (user_id, event_time)
SETTINGS non_replicated_deduplication_window = 100000;
