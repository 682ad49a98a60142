"""What the self-tests share: starting services in a directory of their own, HTTP, rows of the table `t (n, s)`."""

import http.client
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

SERVICES = [sys.executable, str(Path(__file__).with_name("services.py"))]

# `SELECT toUInt32(number), 'x' FROM numbers(40) FORMAT RowBinary` as a frame that the ClickHouse server 18.16 takes.
FRAME = (
    "454b4e135851c973d9883e7f9ef2fa7482b0000000f000000071000000000178010600110206001103060011040600110506001106060011"
    "0706001108060011090600110a0600110b0600110c0600110d0600110e0600110f0600111006001111060011120600111306001114060011"
    "15060011160600111706001118060011190600111a0600111b0600111c0600111d0600111e0600111f060011200600112106001122060011"
    "2306001124060011250600c0260000000178270000000178"
)


class Up:
    """Services in a directory of their own, for one test class."""

    def __init__(self, *names):
        self.temporary = tempfile.TemporaryDirectory(prefix="tidegate-selftest-")
        self.directory = Path(self.temporary.name) / "run"
        done = call("up", *names, "--dir", self.directory)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        self.env = dict(line.removeprefix("export ").split("=", 1) for line in done.stdout.splitlines())

    def pid(self, name):
        return int((self.directory / f"{name}.pid").read_text())

    def pids(self):
        return [int(path.read_text()) for path in self.directory.glob("*.pid")]

    def data(self):
        words = Path(f"/proc/{self.pid('clickhouse')}/cmdline").read_text().split("\0")
        return Path(words[words.index("--data") + 1]).parent

    def down(self):
        call("down", "--dir", self.directory)
        self.temporary.cleanup()


def call(*words, **options):
    return subprocess.run([*SERVICES, *map(str, words)], capture_output=True, text=True, **options)


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("did not happen in time")
        time.sleep(0.02)


def post(base, body=b"", headers=(), path="/", method="POST", **params):
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
    chunked = not isinstance(body, bytes)
    connection.request(method, f"{path}?{urlencode(params)}", body=body, headers=dict(headers), encode_chunked=chunked)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers.get("X-ClickHouse-Exception-Code"), content


def text(value):
    return bytes([len(value)]) + value.encode()


def rows(count, first=0):
    return b"".join(struct.pack("<I", first + n) + text("x") for n in range(count))


def header(number_type="UInt32"):
    return bytes([2]) + text("n") + text("s") + text(number_type) + text("String")
