"""PostgreSQL 15 or newer: the machine's own binaries, or Debian's packages taken apart into the cache."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import certificates
import debian
import process

USER, PASSWORD = "tidegate", "secret"

# The data does not outlive the run, so nothing needs to reach the disk.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 1h
bgwriter_delay = 10s
wal_writer_delay = 10s
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
"""


class Postgres:
    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown
    # Immediate shutdown. SIGKILL would leave a segment of System V shared memory behind.
    discard_signal = signal.SIGQUIT

    def install(self):
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        self.certificates = certificates.folder()
        local = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if version(path) >= 15]
        if local:
            self.bin = max(local, key=version)
            return
        root = debian.unpacked("postgresql-15", ["postgresql-15", "postgresql-client-15", "libpq5"])
        self.bin = root / "usr/lib/postgresql/15/bin"
        self.environment["LD_LIBRARY_PATH"] = debian.library_path(root)

    def prepare(self, data):
        """initdb as somebody who is not root, because PostgreSQL refuses root."""
        self.data = data
        self.account = {}
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            account = unprivileged()
            os.chown(data, account.pw_uid, account.pw_gid)
            self.account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        secret = data.with_suffix(".password")
        secret.write_text(PASSWORD)
        done = subprocess.run(
            [self.bin / "initdb", "-D", data, "-U", USER, f"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8",
             "--no-sync", "--no-instructions"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", env=self.environment, **self.account)
        if done.returncode != 0:
            raise process.StartError(f"initdb failed:\n{done.stdout}")
        with open(data / "postgresql.conf", "a") as config:
            config.write(SETTINGS)
        for name in ("server.pem", "server.key"):
            shutil.copyfile(self.certificates / name, data / name)
            (data / name).chmod(0o600)  # the server refuses a key that others may read
            if self.account:
                os.chown(data / name, self.account["user"], self.account["group"])
        self.forget_port()

    def forget_port(self):
        self.port = process.free_port()

    def launch(self, log):
        return process.spawn([self.bin / "postgres", "-D", self.data, "-p", str(self.port)], log, cwd="/",
                             orphan_signal=signal.SIGQUIT, env=self.environment, **self.account)

    def ready(self):
        """The server's own note: the last line of postmaster.pid is `ready` once it accepts connections."""
        lines = (self.data / "postmaster.pid").read_text().splitlines()
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def env(self):
        return {
            "TIDEGATE_TEST_POSTGRES": f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres",
            "TIDEGATE_TEST_POSTGRES_CA": str(self.certificates / "ca.pem"),
            "TIDEGATE_TEST_CERTIFICATES": str(self.certificates),
        }


def version(path):
    name = path.parent.name
    return int(name) if name.isdigit() and (path / "initdb").exists() else 0


def unprivileged():
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise process.StartError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
