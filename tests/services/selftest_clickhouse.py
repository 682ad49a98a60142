"""Checks of the ClickHouse stand-in; `selftest.py` runs them."""

import http.client
import sys
import threading
import time
import unittest

from selftest_harness import FRAME, Up, header, post, rows


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
