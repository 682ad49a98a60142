"""ClickHouse's HTTP interface over the embedded engine: run by `clickhouse.py`, one process per run.

A body is received whole before its INSERT begins. Besides ClickHouse's own paths there are three of ours for tests:
`/__slow`, `/__fail` (see `Faults`) and `/__data`. Nothing here may answer 200 to what a server would refuse.
"""

import argparse
import base64
import binascii
import contextlib
import email.parser
import email.policy
import itertools
import json
import os
import signal
import socketserver
import time
import traceback
import uuid
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import clickhouse_body as bodies
import clickhouse_query as queries
from clickhouse_engine import DEFAULT_SESSION_SECONDS, Engine, apply, execute
from clickhouse_error import DbError
from clickhouse_faults import Faults

# As the server's max_query_size: an INSERT's data begins within this much of the body.
HEAD = 256 << 10

# Parameters of the interface itself; every other one is a setting.
RESERVED = {"query", "database", "default_format", "compress", "decompress", "user", "password", "quota_key",
            "query_id", "stacktrace", "buffer_size", "wait_end_of_query", "session_id", "session_timeout",
            "session_check", "role", "close_session", "client_protocol_version"}

CONTENT_TYPES = {"JSON": "application/json", "CSV": "text/csv", "TabSeparated": "text/tab-separated-values", "TSV":
                 "text/tab-separated-values", "JSONEachRow": "application/x-ndjson"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 64 << 10
    wbufsize = 64 << 10

    def do_GET(self):
        url = urlsplit(self.path)
        self.params = parse_qsl(url.query, keep_blank_values=True)
        self.raw = bodies.received(self.headers, self.rfile)
        self.query_id = self.param("query_id") or str(uuid.uuid4())
        try:
            self.route(url.path)
        except DbError as error:
            self.refuse(error)
        except (bodies.Truncated, ConnectionError):
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self.refuse(DbError(1001, "STD_EXCEPTION", f"the stand-in itself failed: {traceback.format_exc()}"))

    do_POST = do_PUT = do_GET

    def route(self, path):
        if path in ("/ping", "/replicas_status"):
            self.reply(200, b"Ok.\n")
        elif path == "/__data":
            self.reply(200, str(self.server.data).encode())
        elif path in ("/__slow", "/__fail"):
            self.server.faults.configure(path, dict(self.params))
            self.reply(200, b"Ok.\n")
        elif path != "/":
            self.reply(404, f"There is no handle {path}\n".encode())
        elif self.command == "GET" and self.param("query") is None:
            self.reply(200, b"Ok.\n")
        else:
            self.answer_query()

    def answer_query(self):
        self.authenticate()
        body = bodies.decoded(self.raw, self.headers, self.param("decompress") == "1")
        if self.headers.get_content_type() == "multipart/form-data":
            self.params += form_fields(self.headers["Content-Type"], b"".join(body))
            body = iter(())
        started = time.monotonic_ns()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.server.engine.query_id(self.query_id))
            prefix = (self.param("query") or "").encode()
            statement, text, rest = split(prefix + b"\n" if prefix else b"", body)
            path = None
            if isinstance(statement, queries.Insert):
                path = self.server.spool()
                stack.callback(path.unlink)
                write(path, itertools.chain([memoryview(text)[statement.data_at:]], rest))
            connection = stack.enter_context(self.session())
            self.apply_settings(connection)
            output = self.param("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
            if path:
                result = self.server.faults.insert(lambda: execute(connection, statement.from_file(path)))
            else:
                output = statement.format or output
                run = lambda: execute(connection, as_text(text), output)
                result = self.server.faults.insert(run) if statement.kind == "INSERT" else run()
            answer = result.bytes()
        self.reply(200, answer, output, {
            "X-ClickHouse-Summary": summary(result, len(answer), time.monotonic_ns() - started)})

    def session(self):
        seconds = self.param("session_timeout") or str(DEFAULT_SESSION_SECONDS)
        if not seconds.isdigit() or int(seconds) > 3600:
            raise DbError(374, "INVALID_SESSION_TIMEOUT", f"Invalid session timeout: '{seconds}'")
        return self.server.engine.connection(self.param("session_id"), int(seconds), self.param("session_check") == "1")

    def apply_settings(self, connection):
        if role := self.param("role"):
            raise DbError(511, "UNKNOWN_ROLE", f"There is no role `{role}` in user directories")
        if database := self.param("database") or self.headers.get("X-ClickHouse-Database"):
            execute(connection, "USE `" + database.replace("\\", "\\\\").replace("`", "\\`") + "`")
        apply(connection, [(name, value) for name, value in self.params if name not in RESERVED])
        if self.command == "GET":
            # As the server does: GET may read and may set, but not write.
            execute(connection, "SET readonly = 2")

    def authenticate(self):
        headers = self.headers.get("X-ClickHouse-User"), self.headers.get("X-ClickHouse-Key")
        basic = self.headers.get("Authorization")
        params = self.param("user"), self.param("password")
        if (any(headers) and (basic or any(params))) or (basic and any(params)):
            raise DbError(516, "AUTHENTICATION_FAILED", "Invalid authentication: it is not allowed to use two ways")
        user, password = headers if any(headers) else params
        if basic:
            user, password = basic_credentials(basic)
        user = user or "default"
        if self.server.users.get(user) != (password or ""):
            raise DbError(516, "AUTHENTICATION_FAILED", f"{user}: Authentication failed: password is incorrect, or"
                                                        " there is no user with such name.")

    def param(self, name):
        return next((value for key, value in self.params if key == name), None)

    def refuse(self, error):
        if isinstance(error, Faults.Cut):
            self.close_connection = True
            return
        try:
            self.reply(error.status(), error.text(self.server.engine.version).encode(), "TabSeparated",
                       {"X-ClickHouse-Exception-Code": str(error.code)})
        except (bodies.Truncated, ConnectionError):
            self.close_connection = True

    def reply(self, status, body, output="TabSeparated", headers=()):
        # A client that is still sending would not see the answer.
        for _ in self.raw:
            pass
        if self.param("compress") == "1":
            body = bodies.framed(body)
        self.send_response(status)
        for name, value in {
            "Content-Type": CONTENT_TYPES.get(output, "text/plain" if status != 200 else "application/octet-stream")
                            + ("; charset=UTF-8" if output != "JSON" else ""),
            "Content-Length": len(body),
            "X-ClickHouse-Server-Display-Name": "tidegate-test",
            "X-ClickHouse-Query-Id": self.query_id,
            "X-ClickHouse-Format": output,
            "X-ClickHouse-Timezone": self.server.engine.timezone,
            **dict(headers),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_):
        pass


def split(prefix, body):
    """What the text of a request is: an INSERT, the text that holds its head and the rest, or one whole statement."""
    body = iter(body)
    pieces, size = [prefix], len(prefix)
    for block in body:
        pieces.append(block)
        size += len(block)
        if size >= HEAD:
            text = b"".join(pieces)
            statement = queries.read(text, complete=False)
            if statement:
                return statement, text, body
            break
    text = b"".join([*pieces, *body]) if size >= HEAD else b"".join(pieces)
    return queries.read(text), text, ()


def write(path, pieces):
    with open(path, "xb", buffering=0) as file:
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[file.write(left):]


def as_text(query):
    try:
        return query.decode().strip()
    except UnicodeDecodeError as error:
        raise DbError(6, "CANNOT_PARSE_TEXT", f"the query is not UTF-8: {error}") from None


def form_fields(content_type, body):
    """The fields of a multipart form are parameters; a file in it would be an external table."""
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    fields = []
    for part in message.iter_parts():
        if part.get_filename():
            raise DbError(48, "NOT_IMPLEMENTED", "external tables (this stand-in has none)")
        name = part.get_param("name", header="Content-Disposition")
        fields.append((name, (part.get_payload(decode=True) or b"").decode()))
    return fields


def basic_credentials(header):
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = None
    if scheme.lower() != "basic" or user is None:
        raise DbError(516, "AUTHENTICATION_FAILED", f"Invalid authentication: '{scheme}' HTTP Authorization scheme")
    return user, password


def summary(result, result_bytes, elapsed):
    inserted = result.rows_written()
    values = {"read_rows": result.rows_read(), "read_bytes": result.bytes_read(), "written_rows": inserted,
              "written_bytes": result.bytes_written(), "total_rows_to_read": 0, "result_rows": inserted,
              "result_bytes": result_bytes, "elapsed_ns": elapsed}
    return json.dumps({name: str(value) for name, value in values.items()})


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port, data, users):
        self.data, self.users = Path(data), users
        self.bodies = self.data / "bodies"
        self.bodies.mkdir(exist_ok=True)
        self.numbers = itertools.count()
        # The port first: to find it taken after the engine has started would cost a second.
        super().__init__(("127.0.0.1", port), Handler)
        self.engine = Engine(self.data / "engine")
        self.faults = Faults(self.engine)

    def spool(self):
        return self.bodies / f"{os.getpid()}-{next(self.numbers)}"

    def handle_error(self, request, client_address):
        """A connection that breaks is the client's affair; its thread says nothing."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", required=True)
    arguments = parser.parse_args()
    user = os.environ.get("TIDEGATE_TEST_CLICKHOUSE_USER", "tidegate")
    password = os.environ.get("TIDEGATE_TEST_CLICKHOUSE_PASSWORD", "secret")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = Server(arguments.port, arguments.data, {"default": "", user: password})
    while True:
        # Not serve_forever, which wakes up twice a second.
        server.handle_request()


if __name__ == "__main__":
    main()
