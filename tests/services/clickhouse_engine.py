"""The one ClickHouse engine of the process, and connections to it that behave like the server's.

Every request gets a connection of its own (0.2 ms), so that what it sets is gone with it, as on the server; only
requests that name a `session_id` share one.
"""

import contextlib
import re
import threading
import time

from chdb import session as chdb

from clickhouse_error import DbError

DEFAULT_SESSION_SECONDS = 60
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")

# What differs between an embedded engine and a server.
AS_A_SERVER = "SET implicit_select = 0, storage_file_read_method = 'pread', allow_introspection_functions = 0"


class Engine:
    """Lives as long as the process. All methods may be called from any thread."""

    def __init__(self, path):
        self.path = str(path)
        self.root = chdb.Session(self.path)
        self.version = execute(self.root, "SELECT version()").bytes().decode().strip()
        self.timezone = execute(self.root, "SELECT timezone()").bytes().decode().strip()
        self.guard = threading.Lock()
        self.sessions = {}
        self.running = set()

    @contextlib.contextmanager
    def connection(self, session_id=None, seconds=DEFAULT_SESSION_SECONDS, must_exist=False):
        if session_id:
            with self.named(session_id, seconds, must_exist) as connection:
                yield connection
            return
        connection = self.connect()
        try:
            yield connection
        finally:
            connection.close()

    def connect(self):
        connection = chdb.Session(self.path)
        execute(connection, AS_A_SERVER)
        return connection

    @contextlib.contextmanager
    def named(self, session_id, seconds, must_exist):
        """Keeps what SET, USE and temporary tables did, and serves one request at a time, as in ClickHouse."""
        with self.guard:
            now = time.monotonic()
            for stale in [name for name, held in self.sessions.items() if held.expires < now and not held.busy]:
                self.sessions.pop(stale).connection.close()
            held = self.sessions.get(session_id)
            if held is None:
                if must_exist:
                    raise DbError(372, "SESSION_NOT_FOUND", f"Session {session_id} not found")
                held = self.sessions[session_id] = Held(self.connect())
            if held.busy:
                raise DbError(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client")
            held.busy = True
        try:
            yield held.connection
        finally:
            with contextlib.suppress(DbError):
                # What a failed query had already written would come out with the answer to the next one.
                execute(held.connection, "SELECT 1")
            held.expires, held.busy = time.monotonic() + seconds, False

    @contextlib.contextmanager
    def query_id(self, query_id):
        with self.guard:
            if query_id in self.running:
                raise DbError(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
                              f"Query with id = {query_id} is already running")
            self.running.add(query_id)
        try:
            yield
        finally:
            with self.guard:
                self.running.discard(query_id)


class Held:
    def __init__(self, connection):
        self.connection, self.busy, self.expires = connection, False, 0.0


def execute(connection, query, output="TabSeparated"):
    """The result, which has `bytes()`, `rows_read()` and so on, or a `DbError`."""
    try:
        return connection.query(query, output)
    except RuntimeError as error:
        raise DbError.from_engine(str(error)) from None


def apply(connection, settings):
    """Sets what the URL says; the engine refuses what it does not know (code 115)."""
    for name, value in settings:
        if not NAME.match(name):
            raise DbError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
    if settings:
        literals = ", ".join(f"`{name}` = {literal(value)}" for name, value in settings)
        execute(connection, f"SET {literals}")


def literal(text):
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"
