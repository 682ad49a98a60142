#!/usr/bin/env python3
"""Checks the services themselves: `python3 tests/services/selftest.py`. Takes about 40 seconds."""

import base64
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from urllib.parse import urlsplit

sys.dont_write_bytecode = True

import cache
import kafka
from selftest_clickhouse import ClickHouseTest  # noqa: F401 (unittest finds it here)
from selftest_harness import FRAME, SERVICES, Up, call, post, until
from services import alive


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

    def test_the_secure_kafka_shows_its_certificates_and_gives_out_tokens(self):
        up = self.up("kafka-secure")
        trusting = ssl.create_default_context(cafile=f"{up.env['TIDEGATE_TEST_CERTIFICATES']}/ca.pem")

        def handshake(variable):
            with socket.create_connection(split_address(up.env[variable]), timeout=5) as connection:
                with trusting.wrap_socket(connection, server_hostname="localhost") as session:
                    return session.version()

        for variable in ("TIDEGATE_TEST_KAFKA_SASL", "TIDEGATE_TEST_KAFKA_MUTUAL"):
            self.assertEqual(handshake(variable), "TLSv1.3")
        with self.assertRaisesRegex(ssl.SSLCertVerificationError, "expired"):
            handshake("TIDEGATE_TEST_KAFKA_EXPIRED")

        for secret, status in (("oauth-secret-1234", 200), ("another", 401)):
            basic = base64.b64encode(f"client:{secret}".encode()).decode()
            answer = post(up.env["TIDEGATE_TEST_KAFKA_TOKENS"], b"grant_type=client_credentials", path="/token",
                          headers={"Authorization": f"Basic {basic}"})
            self.assertEqual(answer[0], status)
            self.assertEqual(len(json.loads(answer[2]).get("access_token", "").split(".")), 3 if status == 200 else 1)

    def test_postgres_answers(self):
        up = self.up("postgres")
        url = urlsplit(up.env["TIDEGATE_TEST_POSTGRES"])
        with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
            startup = struct.pack(">i", 196608) + b"user\0tidegate\0database\0postgres\0\0"
            connection.sendall(struct.pack(">i", len(startup) + 4) + startup)
            self.assertIn(b"SCRAM-SHA-256", connection.recv(1024))

    def test_postgres_leaves_no_shared_memory(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number.name):
                up = self.up("postgres")
                server, supervisor = up.pid("postgres"), up.pid("supervisor")
                self.assertTrue(shared_memory_of(server))
                os.kill(supervisor, number)
                until(lambda: not alive(supervisor) and not shared_memory_of(server))

    def up(self, *names):
        done = call("install", *names)
        if done.returncode != 0:
            self.skipTest(done.stderr)
        up = Up(*names)
        self.addCleanup(up.down)
        return up


def shared_memory_of(pid):
    """The System V segments that a process created, which outlive it unless it removes them."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [line for line in lines if int(line.split()[4]) == pid]


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
