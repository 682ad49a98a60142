-- The table of the route `flight` for PostgreSQL. It has no unsigned numbers; the next larger ones hold their values.
CREATE SCHEMA IF NOT EXISTS travel;

CREATE TABLE IF NOT EXISTS travel.flights
(
    scheduled      timestamptz NOT NULL,
    departed       timestamptz,
    carrier        text        NOT NULL,
    airline        text        NOT NULL,
    flight         integer     NOT NULL,
    tailnum        text,
    origin         text        NOT NULL,
    dest           text        NOT NULL,
    sched_dep_time integer     NOT NULL,
    dep_time       integer,
    dep_delay      smallint,
    sched_arr_time integer     NOT NULL,
    arr_time       integer,
    arr_delay      smallint,
    air_time       integer,
    distance       integer     NOT NULL,
    _partition     integer     NOT NULL,
    _offset        bigint      NOT NULL
);

DROP INDEX IF EXISTS travel.flights_by_time;
CREATE INDEX flights_by_time ON travel.flights (scheduled);
