-- The tables of the routes `reading` and `summary` for PostgreSQL. Unsigned numbers of 64 bits are numeric, those of 32
-- bits bigint, so that every value of theirs fits.
CREATE SCHEMA IF NOT EXISTS plant;

CREATE TABLE IF NOT EXISTS plant.readings
(
    device     text             NOT NULL,
    metric     text             NOT NULL,
    "time"     timestamptz      NOT NULL,
    value      double precision NOT NULL,
    note       text,
    _partition integer          NOT NULL,
    _offset    bigint           NOT NULL,
    _ordinal   bigint           NOT NULL
);

DROP INDEX IF EXISTS plant.readings_by_device;
CREATE INDEX readings_by_device ON plant.readings (device, metric, "time");

CREATE TABLE IF NOT EXISTS plant.summaries
(
    device       text           NOT NULL,
    metric       text           NOT NULL,
    readings     numeric(20, 0) NOT NULL,
    out_of_range numeric(20, 0) NOT NULL,
    min          double precision,
    max          double precision,
    mean         double precision,
    _partition   integer        NOT NULL,
    _offset      bigint         NOT NULL
);

DROP INDEX IF EXISTS plant.summaries_by_device;
CREATE INDEX summaries_by_device ON plant.summaries (device, metric);
