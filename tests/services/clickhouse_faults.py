"""What tests make the stand-in do to inserts: `/__slow` and `/__fail`. ClickHouse has nothing like it."""

import threading
import time
from dataclasses import dataclass

from clickhouse_error import DbError


@dataclass
class Failure:
    code: int
    times: int
    applied: bool
    cut: bool


class Faults:
    """`/__slow?factor=3&delay_ms=50` makes each insert take three times as long and 50 ms more; without parameters it
    ends that. `/__fail?code=241&times=2` answers the next two inserts with that error; with `applied=1` their rows are
    stored all the same, with `cut=1` the connection closes without an answer, with `times=0` it ends that."""

    class Cut(DbError):
        """The answer that never comes."""

        def __init__(self):
            super().__init__(210, "NETWORK_ERROR", "cut")

    def __init__(self, engine):
        self.engine = engine
        self.guard = threading.Lock()
        self.factor, self.delay = 1.0, 0.0
        self.failure = None

    def configure(self, path, given):
        known = {"/__slow": {"factor", "delay_ms"}, "/__fail": {"code", "times", "applied", "cut"}}[path]
        if not set(given) <= known:
            raise DbError(36, "BAD_ARGUMENTS", f"{path} knows {', '.join(sorted(known))}")
        try:
            with self.guard:
                if path == "/__slow":
                    self.factor = max(1.0, float(given.get("factor", 1)))
                    self.delay = float(given.get("delay_ms", 0)) / 1000
                else:
                    self.failure = Failure(int(given.get("code", 241)), int(given.get("times", 1)),
                                           given.get("applied") == "1", given.get("cut") == "1")
        except ValueError as error:
            raise DbError(36, "BAD_ARGUMENTS", str(error)) from None

    def insert(self, run):
        """Runs an insert under what is configured."""
        failure = self.take_failure()
        if failure and not failure.applied:
            raise self.error(failure)
        started = time.monotonic()
        result = run()
        wait = (time.monotonic() - started) * (self.factor - 1) + self.delay
        if wait > 0:
            time.sleep(wait)
        if failure:
            raise self.error(failure)
        return result

    def take_failure(self):
        with self.guard:
            if self.failure is None or self.failure.times <= 0:
                return None
            self.failure.times -= 1
            return self.failure

    def error(self, failure):
        if failure.cut:
            return Faults.Cut()
        with self.engine.connection() as connection:
            name = connection.query(f"SELECT errorCodeToName({failure.code})", "TabSeparated").bytes().decode().strip()
        return DbError(failure.code, name or "UNKNOWN", "asked for by the test")
