-- The table of the route `message` for PostgreSQL. The map of structured data is an object of texts.
CREATE SCHEMA IF NOT EXISTS logs;

CREATE TABLE IF NOT EXISTS logs.messages
(
    "time"          timestamptz NOT NULL,
    facility        text        NOT NULL,
    severity        text        NOT NULL,
    host            text,
    app             text,
    procid          text,
    msgid           text,
    structured_data jsonb       NOT NULL,
    message         text        NOT NULL,
    format          text        NOT NULL,
    _partition      integer     NOT NULL,
    _offset         bigint      NOT NULL
);

DROP INDEX IF EXISTS logs.messages_by_time;
CREATE INDEX messages_by_time ON logs.messages ("time");
