-- The table of the route `person` for PostgreSQL and Greenplum.
CREATE SCHEMA IF NOT EXISTS crm;

CREATE TABLE IF NOT EXISTS crm.people
(
    uuid        uuid        NOT NULL,
    first_name  text        NOT NULL,
    last_name   text        NOT NULL,
    middle_name text,
    "timestamp" timestamptz NOT NULL,
    _partition  integer     NOT NULL,
    _offset     bigint      NOT NULL
);
