-- The table of the route `sale` for PostgreSQL and Greenplum. On Greenplum it is distributed by its first column, unless
-- DISTRIBUTED BY says otherwise.
CREATE SCHEMA IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.sales
(
    event_id    uuid           NOT NULL,
    event_time  timestamptz    NOT NULL,
    product_id  bigint         NOT NULL,
    product     text           NOT NULL,
    category    text           NOT NULL,
    quantity    integer        NOT NULL,
    price       numeric(18, 4) NOT NULL,
    amount      numeric(18, 4) NOT NULL,
    currency    text           NOT NULL,
    channel     text           NOT NULL,
    customer_id numeric(20, 0),
    _partition  integer        NOT NULL,
    _offset     bigint         NOT NULL
);
