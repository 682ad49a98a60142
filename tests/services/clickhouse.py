"""The ClickHouse engine of the PyPI package chdb, behind an HTTP server of ours (`clickhouse_http.py`)."""

import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

import cache
import process

# chdb is the wrapper and chdb-core the engine. Their dependencies (pandas, pyarrow) are 330 MB that nothing here uses,
# so each package is named and pip adds none.
PACKAGES = ["chdb==4.4.0", "chdb-core==26.9.0", "lz4==4.4.5", "clickhouse-cityhash==1.0.2.6"]
SERVER = Path(__file__).with_name("clickhouse_http.py")
USER, PASSWORD = "TIDEGATE_TEST_CLICKHOUSE_USER", "TIDEGATE_TEST_CLICKHOUSE_PASSWORD"


class ClickHouse:
    name = "clickhouse"
    stop_signal = signal.SIGTERM

    def install(self):
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.python = cache.entry(f"chdb-4.4.0-python{python}", make_environment) / "bin" / "python"

    def prepare(self, data):
        self.data = data
        data.mkdir()
        self.user = os.environ.get(USER, "tidegate")
        self.password = os.environ.get(PASSWORD, "secret")
        self.forget_port()

    def forget_port(self):
        self.port = process.free_port()

    def launch(self, log):
        return process.spawn(
            [self.python, "-B", SERVER, "--port", str(self.port), "--data", self.data], log,
            env={**os.environ, USER: self.user, PASSWORD: self.password})

    def ready(self):
        """Whether our own server answers: its data directory says that it is ours."""
        return get(f"{self.url()}/__data") == str(self.data)

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def env(self):
        return {"TIDEGATE_TEST_CLICKHOUSE": self.url(), USER: self.user, PASSWORD: self.password}


def make_environment(directory):
    """A virtual environment that keeps working when it is renamed: only its python is ever called."""
    cache.fetch([sys.executable, "-m", "venv", directory], "chdb's virtual environment (Debian: python3-venv)")
    cache.fetch([directory / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check",
                 *PACKAGES], "chdb")


def get(url):
    try:
        with LOCAL.open(url, timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.URLError as error:
        raise ConnectionError(str(error)) from error


# Not through the proxy that the environment may name.
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
