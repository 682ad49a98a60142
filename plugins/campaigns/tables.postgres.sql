-- The table of the route `event` for PostgreSQL and Greenplum. Sources are their names; unsigned numbers of 64 bits are
-- numeric, those of 32 bits bigint, so that every value of theirs fits.
CREATE SCHEMA IF NOT EXISTS marketing;

CREATE TABLE IF NOT EXISTS marketing.events
(
    event_time  timestamptz NOT NULL,
    source      text        NOT NULL,
    campaign_id text        NOT NULL,
    campaign    text,
    channel     text,
    events      bigint      NOT NULL,
    amount      numeric(18, 2),
    click_id    uuid,
    order_id    numeric(20, 0),
    _partition  integer     NOT NULL,
    _offset     bigint      NOT NULL
);

DROP INDEX IF EXISTS marketing.events_by_campaign;
CREATE INDEX events_by_campaign ON marketing.events (campaign_id, event_time);
