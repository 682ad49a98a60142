"""Apache Kafka, one broker that is its own controller (KRaft)."""

import base64
import os
import re
import shutil
import signal
import socket
import struct
import uuid
from pathlib import Path

import cache
import debian
import process

VERSION = "4.1.0"
POM = Path(__file__).with_name("pom.xml")

# Timeouts are low so that a test of a lost consumer takes seconds; retention is off so that records with old
# timestamps stay; partitions of the internal topics are few because each is a directory to create at first use.
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={listeners}
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.network.threads=2
num.io.threads=4
metadata.max.idle.interval.ms=0
auto.create.topics.enable=false
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
log.segment.bytes=268435456
log.retention.ms=-1
log.cleaner.threads=1
log.cleaner.dedupe.buffer.size=8388608
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=10000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=1000
"""


class Kafka:
    name = "kafka"
    stop_signal = signal.SIGTERM
    # Besides the plain one, by name, with their security protocols.
    listeners = {}
    heap = "1g"

    def install(self):
        debian.require("java", ["openjdk-17-jre-headless"])
        self.libs = cache.entry(f"kafka-{VERSION}", fetch_jars)
        self.template = cache.entry(f"kafka-{VERSION}-formatted", lambda to: format_storage(self.libs, to))

    def prepare(self, data):
        """A directory as `StorageTool format` leaves it, copied because the tool takes a second of JVM start."""
        self.data = data
        self.cluster = short_id()
        shutil.copytree(self.template, data)
        meta = data / "meta.properties"
        ids = {"cluster.id": self.cluster, "directory.id": short_id()}
        lines = [line for line in meta.read_text().splitlines() if line.split("=")[0] not in ids]
        meta.write_text("\n".join(lines + [f"{key}={value}" for key, value in ids.items()]) + "\n")

    def launch(self, log):
        config = self.data.with_suffix(".properties")
        if not config.exists():
            self.ports = {name: process.free_port() for name in ("PLAINTEXT", *self.listeners)}
            config.write_text(self.properties())
        heap = os.environ.get("TIDEGATE_KAFKA_HEAP", self.heap)
        return process.spawn([
            "java", f"-Xmx{heap}", "-XX:+UseParallelGC", "-Xshare:auto", "-XX:-UsePerfData",
            "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true", *self.options(), "-cp", f"{self.libs}/*", "kafka.Kafka", config,
        ], log)

    def properties(self):
        return properties(self.ports, {"PLAINTEXT": "PLAINTEXT", **self.listeners}, self.data)

    def options(self):
        """More options of the JVM."""
        return []

    def forget_port(self):
        self.data.with_suffix(".properties").unlink(missing_ok=True)

    def ready(self):
        """Whether our own broker answers; it accepts requests only once the controller has admitted it."""
        return cluster_id("127.0.0.1", self.ports["PLAINTEXT"]) == self.cluster

    def env(self):
        return {"TIDEGATE_TEST_KAFKA": f"127.0.0.1:{self.ports['PLAINTEXT']}"}


def fetch_jars(directory):
    debian.require("mvn", ["maven"])
    cache.fetch(["mvn", "-q", "-B", "-f", POM, "dependency:copy-dependencies", "-DincludeScope=runtime",
                 f"-DoutputDirectory={directory}"], f"Kafka {VERSION}", cwd=directory)


def properties(ports, protocols, data):
    """The broker's file for these ports and security protocols of listeners, by their names."""
    return PROPERTIES.format(
        listeners=",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items()),
        protocols=",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        controller_port=process.free_port(), data=data)


def format_storage(libs, directory, words=()):
    check_java()
    config = directory / "format.properties"
    config.write_text(properties({"PLAINTEXT": 9092}, {"PLAINTEXT": "PLAINTEXT"}, directory / "data"))
    cache.fetch(["java", "-cp", f"{libs}/*", "kafka.tools.StorageTool", "format", "-t", short_id(), "-c", config, *words],
                "Kafka's storage format")
    config.unlink()
    for file in (directory / "data").iterdir():
        file.rename(directory / file.name)
    (directory / "data").rmdir()


def check_java():
    """Kafka's broker needs Java 17; an older one fails with a class version that tells nobody anything."""
    banner = cache.fetch(["java", "-version"], "java")
    found = re.search(r'version "(\d+)', banner)
    if not found or int(found.group(1)) < 17:
        raise cache.InstallError("Kafka needs Java 17 or newer first on PATH: apt-get install openjdk-17-jre-headless")


def short_id():
    """A Kafka Uuid: 16 bytes in URL-safe base64, which must not begin with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def cluster_id(host, port):
    """The cluster id from a Metadata request (version 2, no topics) over a bare socket."""
    request = struct.pack(">hhih", 3, 2, 1, -1) + struct.pack(">i", 0)
    with socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        size = stream.read(4)
        answer = stream.read(struct.unpack(">i", size)[0]) if len(size) == 4 else b""
    if len(answer) < 14:
        raise EOFError("the broker closed the connection")
    at = 4
    brokers, at = struct.unpack_from(">i", answer, at)[0], at + 4
    for _ in range(brokers):
        at += 4
        at += 2 + struct.unpack_from(">h", answer, at)[0] + 4
        rack = struct.unpack_from(">h", answer, at)[0]
        at += 2 + max(rack, 0)
    length = struct.unpack_from(">h", answer, at)[0]
    return answer[at + 2:at + 2 + length].decode() if brokers else None
