-- The tables of the routes `playback` and `taste` for PostgreSQL and Greenplum. Events are their names; unsigned numbers of
-- 64 bits are numeric, those of 32 bits bigint, so that every value of theirs fits.
CREATE SCHEMA IF NOT EXISTS music;

CREATE TABLE IF NOT EXISTS music.playback
(
    event_time  timestamptz    NOT NULL,
    event       text           NOT NULL,
    user_id     numeric(20, 0) NOT NULL,
    track_id    numeric(20, 0) NOT NULL,
    position_ms bigint         NOT NULL,
    platform    text           NOT NULL,
    session_id  uuid,
    _partition  integer        NOT NULL,
    _offset     bigint         NOT NULL
);

CREATE TABLE IF NOT EXISTS music.taste
(
    event_time  timestamptz    NOT NULL,
    event       text           NOT NULL,
    user_id     numeric(20, 0) NOT NULL,
    track_id    numeric(20, 0) NOT NULL,
    playlist_id numeric(20, 0),
    platform    text           NOT NULL,
    session_id  uuid,
    _partition  integer        NOT NULL,
    _offset     bigint         NOT NULL
);
