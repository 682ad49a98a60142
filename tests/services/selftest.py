#!/usr/bin/env python3
"""Checks the services themselves: `python3 tests/services/selftest.py`. Takes about half a minute."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlencode, urlsplit

sys.dont_write_bytecode = True

import cache
import kafka
import process
from services import alive

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


class ClickHouseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.up = Up("clickhouse")
        cls.addClassCleanup(cls.up.down)
        cls.url = cls.up.env["TIDEGATE_TEST_CLICKHOUSE"]

    def setUp(self):
        self.run_sql("DROP TABLE IF EXISTS t")
        self.run_sql("CREATE TABLE t (n UInt32, s String) ENGINE = MergeTree ORDER BY n"
                     " SETTINGS non_replicated_deduplication_window = 100")

    def run_sql(self, sql, **params):
        status, _, content = post(self.url, sql.encode(), **params)
        self.assertEqual(status, 200, content)
        return content.decode().strip()

    def count(self):
        return int(self.run_sql("SELECT count() FROM t"))

    def assert_error(self, answer, status, code, name):
        self.assertEqual(answer[:2], (status, str(code)), answer)
        self.assertTrue(answer[2].startswith(f"Code: {code}. DB::Exception: ".encode()), answer)
        self.assertIn(f"({name}) (version 26.".encode(), answer[2])

    def test_inserts_row_binary_with_names_and_types(self):
        query = "INSERT INTO t (n, s) FORMAT RowBinaryWithNamesAndTypes"
        self.assertEqual(post(self.url, header() + rows(10), query=query)[0], 200)
        self.assertEqual(post(self.url, iter([header(), rows(5, 10), rows(5, 15)]), query=query)[0], 200)
        self.assertEqual(self.run_sql("SELECT count(), sum(n), any(s) FROM t"), "20\t190\tx")

    def test_data_may_follow_the_query_in_the_body(self):
        self.run_sql("INSERT INTO t FORMAT CSV\n1,a\n2,\"b;c\"\n")
        self.run_sql("INSERT INTO t (s, n) SETTINGS max_threads = 1 VALUES ('d', 3), ('FORMAT', 4)")
        self.assertEqual(self.run_sql("SELECT s FROM t ORDER BY n"), "a\nb;c\nd\nFORMAT")

    def test_an_unknown_table_is_404_and_code_60(self):
        answer = post(self.url, rows(1), query="INSERT INTO nowhere FORMAT RowBinary")
        self.assert_error(answer, 404, 60, "UNKNOWN_TABLE")

    def test_a_wrong_type_in_the_header_is_400_and_code_117(self):
        answer = post(self.url, header("UInt64") + rows(1), query="INSERT INTO t FORMAT RowBinaryWithNamesAndTypes")
        self.assert_error(answer, 400, 117, "INCORRECT_DATA")

    def test_a_broken_body_stores_nothing(self):
        answer = post(self.url, rows(3) + b"\1", query="INSERT INTO t FORMAT RowBinary")
        self.assert_error(answer, 500, 33, "CANNOT_READ_ALL_DATA")
        self.assertEqual(self.count(), 0)

    def test_a_wrong_password_is_403_and_code_516(self):
        for headers in ({"X-ClickHouse-User": "tidegate", "X-ClickHouse-Key": "wrong"},
                        {"X-ClickHouse-User": "nobody"}, {"Authorization": "Basic dGlkZWdhdGU6d3Jvbmc="}):
            self.assert_error(post(self.url, b"SELECT 1", headers), 403, 516, "AUTHENTICATION_FAILED")
        right = {"X-ClickHouse-User": "tidegate", "X-ClickHouse-Key": "secret"}
        self.assertEqual(post(self.url, b"SELECT 1", right)[2], b"1\n")
        self.assertEqual(post(self.url, b"SELECT 1", {"Authorization": "Basic dGlkZWdhdGU6c2VjcmV0"})[2], b"1\n")

    def test_an_unknown_setting_is_404_and_code_115(self):
        answer = post(self.url, rows(1), query="INSERT INTO t FORMAT RowBinary", no_such_setting=1)
        self.assert_error(answer, 404, 115, "UNKNOWN_SETTING")
        self.assertEqual(self.count(), 0)

    def test_settings_end_with_their_request(self):
        self.assertEqual(self.run_sql("SELECT getSetting('max_block_size')", max_block_size=77), "77")
        self.assertNotEqual(self.run_sql("SELECT getSetting('max_block_size')"), "77")

    def test_a_session_keeps_its_settings(self):
        self.run_sql("SET max_block_size = 78", session_id="a")
        self.assertEqual(self.run_sql("SELECT getSetting('max_block_size')", session_id="a"), "78")
        self.assertEqual(post(self.url, b"SELECT 1", session_id="b", session_check=1)[1], "372")

    def test_a_spent_token_adds_nothing(self):
        for token in ("one", "one", "two"):
            post(self.url, rows(5), query="INSERT INTO t FORMAT RowBinary", insert_deduplication_token=token)
        self.assertEqual(self.count(), 10)

    def test_get_is_read_only_and_two_statements_are_refused(self):
        self.assertEqual(post(self.url, method="GET", query="DROP TABLE t")[1], "164")
        self.assertEqual(post(self.url, method="GET", query="SELECT {x:UInt8} FORMAT CSV", param_x=7)[2], b"7\n")
        self.assertEqual(post(self.url, b"SELECT 1; SELECT 2")[1], "62")

    def test_framed_lz4_goes_in_and_out(self):
        frame = bytes.fromhex(FRAME)
        query = "INSERT INTO t FORMAT RowBinary"
        self.assertEqual(post(self.url, frame, query=query, decompress=1)[0], 200)
        self.assertEqual(self.count(), 40)
        again = post(self.url, b"SELECT * FROM t ORDER BY n FORMAT RowBinary", compress=1)[2]
        self.assertEqual(post(self.url, again + again, query=query, decompress=1)[0], 200)
        self.assertEqual(self.run_sql("SELECT count(), sum(n) FROM t"), "120\t2340")

    def test_a_damaged_frame_is_refused(self):
        frame = bytearray.fromhex(FRAME)
        frame[-1] ^= 1
        insert = {"query": "INSERT INTO t FORMAT RowBinary", "decompress": 1}
        self.assertEqual(post(self.url, bytes(frame), **insert)[1], "40")
        self.assertEqual(post(self.url, bytes(frame[:-5]), **insert)[1], "33")
        self.assertEqual(self.count(), 0)

    def test_faults_strike_inserts(self):
        insert = {"query": "INSERT INTO t FORMAT RowBinary"}
        post(self.url, path="/__fail", code=252, times=1)
        self.assert_error(post(self.url, rows(1), **insert), 500, 252, "TOO_MANY_PARTS")
        post(self.url, path="/__fail", code=241, applied=1)
        self.assertEqual(post(self.url, rows(1), **insert)[1], "241")
        self.assertEqual(self.count(), 1)
        post(self.url, path="/__fail", cut=1)
        with self.assertRaises((http.client.BadStatusLine, ConnectionError)):
            post(self.url, rows(1), **insert)
        post(self.url, path="/__slow", delay_ms=300)
        started = time.monotonic()
        self.assertEqual(post(self.url, rows(1), **insert)[0], 200)
        self.assertGreater(time.monotonic() - started, 0.3)
        post(self.url, path="/__slow")

    def test_four_connections_insert_at_once(self):
        body, times = rows(100_000), 10

        def insert():
            for _ in range(times):
                self.assertEqual(post(self.url, body, query="INSERT INTO t FORMAT RowBinary",
                                      deduplicate_insert="disable")[0], 200)

        threads = [threading.Thread(target=insert) for _ in range(4)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
        self.assertEqual(self.count(), 4 * times * 100_000)
        print(f"\n  4 connections, 100,000 rows an insert: {4 * times / 10 / seconds:.1f} M rows/s", file=sys.stderr)


class RunTest(unittest.TestCase):
    def test_down_leaves_nothing_but_logs(self):
        up = Up("kafka", "clickhouse")
        self.addCleanup(up.down)
        pids, data = up.pids(), up.data()
        self.assertEqual(len(pids), 3)
        self.assertTrue(all(map(alive, pids)) and data.is_dir())
        call("down", "--dir", up.directory, check=True)
        self.assertFalse(any(map(alive, pids)) or data.exists())
        self.assertEqual([path.name for path in up.directory.iterdir()], ["log"])

    def test_a_killed_supervisor_leaves_nothing_but_logs(self):
        up = Up("kafka", "clickhouse")
        self.addCleanup(up.down)
        pids, data = up.pids(), up.data()
        os.kill(up.pid("supervisor"), signal.SIGKILL)
        until(lambda: not any(map(alive, pids)) and not data.exists())
        until(lambda: [path.name for path in up.directory.iterdir()] == ["log"])

    def test_two_runs_at_once_share_nothing(self):
        ups = []
        starts = [threading.Thread(target=lambda: ups.append(Up("kafka", "clickhouse"))) for _ in range(2)]
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        for up in ups:
            self.addCleanup(up.down)
        self.assertEqual(len(ups), 2)
        clusters = [kafka.cluster_id(*split_address(up.env["TIDEGATE_TEST_KAFKA"])) for up in ups]
        self.assertNotEqual(*clusters)
        urls = [up.env["TIDEGATE_TEST_CLICKHOUSE"] for up in ups]
        post(urls[0], b"CREATE TABLE only_here (n UInt8) ENGINE = Memory")
        self.assertEqual([post(url, b"EXISTS only_here")[2] for url in urls], [b"1\n", b"0\n"])

    def test_kafka_keeps_topics_over_a_restart(self):
        up = Up("kafka")
        self.addCleanup(up.down)
        before = up.pid("kafka")
        tool(up, "--create", "--topic", "kept", "--partitions", "2")
        done = call("restart", "kafka", "--hard", "--dir", up.directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(up.pid("kafka"), before)
        self.assertIn("kept", tool(up, "--list"))

    def test_run_passes_the_variables_and_the_exit_code(self):
        script = "import os, sys; print(os.environ['TIDEGATE_TEST_CLICKHOUSE']); sys.exit(7)"
        done = call("run", "clickhouse", "--", sys.executable, "-c", script)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertTrue(done.stdout.startswith("http://127.0.0.1:"))
        with self.assertRaises(ConnectionError):
            post(done.stdout.strip())

    def test_run_stops_its_services_when_it_is_told_to_end(self):
        script = ("import os, time; print(os.environ['TIDEGATE_TEST_CLICKHOUSE'], os.getpid(), flush=True);"
                  "time.sleep(60)")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            with self.subTest(number.name), tempfile.TemporaryDirectory() as temporary:
                run = subprocess.Popen([*SERVICES, "run", "clickhouse", "--", sys.executable, "-c", script],
                                       stdout=subprocess.PIPE, text=True, start_new_session=True,
                                       env={**os.environ, "TMPDIR": temporary})
                url, child = run.stdout.readline().split()
                run.send_signal(number)
                code = run.wait(20)
                run.stdout.close()
                self.assertIn(code, (128 + number, -number))
                until(lambda: not alive(int(child)))
                until(lambda: unreachable(url))
                until(lambda: not os.listdir(temporary))

    def test_a_failed_start_shows_the_log(self):
        done = call("run", "kafka", "--", "true", env={**os.environ, "TIDEGATE_KAFKA_HEAP": "nonsense"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("Invalid maximum heap size", done.stderr)

    def test_a_name_nobody_knows_is_a_usage_error(self):
        self.assertEqual(call("up", "redis").returncode, 2)


class OtherServicesTest(unittest.TestCase):
    def test_the_server_of_2018_takes_our_frames(self):
        """It checks sizes and hash, with code that is not ours. (This build cannot answer with frames itself.)"""
        up = self.up("clickhouse-2018", "clickhouse")
        old, new = up.env["TIDEGATE_TEST_CLICKHOUSE_2018"], up.env["TIDEGATE_TEST_CLICKHOUSE"]
        ours = post(new, b"SELECT toUInt32(number), 'x' FROM numbers(300000) FORMAT RowBinary", compress=1)[2]
        insert = {"query": "INSERT INTO t FORMAT RowBinary", "decompress": 1}
        post(old, b"CREATE TABLE t (n UInt32, s String) ENGINE = MergeTree ORDER BY n")
        for frame in (ours, bytes.fromhex(FRAME)):
            self.assertEqual(post(old, frame, **insert)[::2], (200, b""))
        self.assertEqual(post(old, b"SELECT count(), sum(n) FROM t")[2], b"300040\t44999850780\n")
        damaged = bytearray.fromhex(FRAME)
        damaged[-1] ^= 1
        for url in (old, new):
            post(new, b"CREATE TABLE IF NOT EXISTS t (n UInt32, s String) ENGINE = MergeTree ORDER BY n")
            self.assertEqual(post(url, bytes(damaged), **insert)[2][:8], b"Code: 40")

    def test_postgres_answers(self):
        up = self.up("postgres")
        url = urlsplit(up.env["TIDEGATE_TEST_POSTGRES"])
        with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
            startup = struct.pack(">i", 196608) + b"user\0tidegate\0database\0postgres\0\0"
            connection.sendall(struct.pack(">i", len(startup) + 4) + startup)
            self.assertIn(b"SCRAM-SHA-256", connection.recv(1024))

    def up(self, *names):
        done = call("install", *names)
        if done.returncode != 0:
            self.skipTest(done.stderr)
        up = Up(*names)
        self.addCleanup(up.down)
        return up


def unreachable(url):
    try:
        post(url, path="/ping")
        return False
    except OSError:
        return True


def split_address(address):
    host, _, port = address.rpartition(":")
    return host, int(port)


def tool(up, *words):
    libs = cache.root() / f"kafka-{kafka.VERSION}"
    return subprocess.run(["java", "-cp", f"{libs}/*", "org.apache.kafka.tools.TopicCommand", "--bootstrap-server",
                           up.env["TIDEGATE_TEST_KAFKA"], *words], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    unittest.main(verbosity=2)
