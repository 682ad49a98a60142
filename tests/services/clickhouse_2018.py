"""The ClickHouse server 18.16 of Debian: an independent check of the wire format, with none of our own HTTP code."""

import os
import signal

import debian
import process
from clickhouse import get

CONFIG = """<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{port}</http_port>
  <tcp_port>{tcp_port}</tcp_port>
  <interserver_http_port>{interserver_port}</interserver_http_port>
  <interserver_http_host>127.0.0.1</interserver_http_host>
  <path>{data}/</path>
  <tmp_path>{data}/tmp/</tmp_path>
  <user_files_path>{data}/user_files/</user_files_path>
  <format_schema_path>{data}/format_schemas/</format_schema_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
  <max_concurrent_queries>100</max_concurrent_queries>
  <timezone>UTC</timezone>
</yandex>
"""

USERS = """<yandex>
  <profiles><default><max_memory_usage>4000000000</max_memory_usage></default></profiles>
  <quotas><default></default></quotas>
  <users>
    <default>
      <password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
    </default>
    <tidegate>
      <password>secret</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
    </tidegate>
  </users>
</yandex>
"""


class ClickHouse2018:
    name = "clickhouse-2018"
    stop_signal = signal.SIGTERM

    def install(self):
        root = debian.unpacked("clickhouse-18.16", ["clickhouse-server", "clickhouse-common"])
        self.program = root / "usr/sbin/clickhouse-server"
        self.environment = {**os.environ, "LD_LIBRARY_PATH": debian.library_path(root)}

    def prepare(self, data):
        self.data = data
        data.mkdir()
        (data / "users.xml").write_text(USERS)
        self.forget_port()

    def forget_port(self):
        self.port = process.free_port()
        ports = {"port": self.port, "tcp_port": process.free_port(), "interserver_port": process.free_port()}
        (self.data / "config.xml").write_text(CONFIG.format(data=self.data, **ports))

    def launch(self, log):
        return process.spawn([self.program, f"--config-file={self.data}/config.xml"], log, cwd=self.data,
                             env=self.environment)

    def ready(self):
        """Whether our own server answers a query: it names the directory of its data."""
        where = get(f"{self.url()}/?query=SELECT+any(data_path)+FROM+system.databases")
        return where.startswith(str(self.data))

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def env(self):
        return {"TIDEGATE_TEST_CLICKHOUSE_2018": self.url()}
