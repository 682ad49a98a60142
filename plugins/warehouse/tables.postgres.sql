-- The tables of the routes `movement` and `correction` for PostgreSQL and Greenplum. On Greenplum they are distributed by
-- their first column, unless DISTRIBUTED BY says otherwise.
CREATE SCHEMA IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.stock_movements
(
    movement_id uuid        NOT NULL,
    event_time  timestamptz NOT NULL,
    product_id  bigint      NOT NULL,
    warehouse   text        NOT NULL,
    kind        text        NOT NULL,
    quantity    integer     NOT NULL,
    unit_cost   numeric(18, 4),
    _partition  integer     NOT NULL,
    _offset     bigint      NOT NULL,
    _ordinal    bigint      NOT NULL
);

CREATE TABLE IF NOT EXISTS shop.stock_corrections
(
    event_time  timestamptz NOT NULL,
    product_id  bigint      NOT NULL,
    warehouse   text        NOT NULL,
    quantity    integer     NOT NULL,
    reason      text,
    _partition  integer     NOT NULL,
    _offset     bigint      NOT NULL
);
