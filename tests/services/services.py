#!/usr/bin/env python3
"""Real services for tests, benchmarks and trying things, without Docker: see README.md.

`up` leaves a supervisor behind, `run` is one itself; either way everything ends with the supervisor.
"""

import argparse
import hashlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

import cache
import process
from clickhouse import ClickHouse
from clickhouse_2018 import ClickHouse2018
from kafka import Kafka
from kafka_secure import KafkaSecure
from postgres import Postgres
from supervisor import Supervisor, block_signals

SERVICES = {service.name: service for service in (Kafka, KafkaSecure, ClickHouse, ClickHouse2018, Postgres)}
DEFAULT = ["kafka", "clickhouse"]
DOWN_SECONDS = 30
RESTART_SECONDS = 150


def main():
    arguments, command = parse(sys.argv[1:])
    try:
        return COMMANDS[arguments.action](arguments, command)
    except (cache.InstallError, process.StartError) as error:
        cache.say(str(error))
        return 1
    except (KeyboardInterrupt, process.Interrupted) as interruption:
        return 128 + getattr(interruption, "number", signal.SIGINT)


def parse(words):
    command = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    names = argparse.ArgumentParser(add_help=False)
    names.add_argument("names", nargs="*", metavar="NAME", 
                       help=f"of {', '.join(SERVICES)}; {' '.join(DEFAULT)} if none")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--dir", type=Path, help="where env, logs and pids go (a place in the temporary directory)")
    parser = argparse.ArgumentParser(description="Services for tests, without Docker.")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", parents=[names, place], help="start services in the background")
    actions.add_parser("down", parents=[place], help="stop what `up` started and remove its data")
    actions.add_parser("run", parents=[names, place], help="start services, run what follows `--`, stop them")
    actions.add_parser("install", parents=[names], help="fetch what is missing and start nothing")
    restart = actions.add_parser("restart", parents=[place], help="restart one service on its port and data")
    restart.add_argument("name")
    restart.add_argument("--hard", action="store_true", help="kill it instead of asking it to stop")
    actions.add_parser("supervise", parents=[names, place], help="(what `up` leaves in the background)")
    arguments = parser.parse_args(words)
    if unknown := [name for name in getattr(arguments, "names", []) if name not in SERVICES]:
        parser.error(f"no service {unknown[0]!r}; there are {', '.join(SERVICES)}")
    if bool(command) != (arguments.action == "run"):
        parser.error("`run` takes a command after `--`, and nothing else does")
    return arguments, command


def installed(names):
    services = [SERVICES[name]() for name in dict.fromkeys(names or DEFAULT)]
    for service in services:
        service.install()
    return services


def install(arguments, _):
    installed(arguments.names)
    return 0


def up(arguments, _):
    installed(arguments.names)
    directory = arguments.dir or default_directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        raise process.StartError(f"{directory} belongs to another user; choose one with --dir")
    with cache.locked("up"):
        if running(directory):
            return again(directory, arguments.names)
        (directory / "log").mkdir(exist_ok=True)
        with open(directory / "log" / "supervisor.log", "wb") as log:
            child = subprocess.Popen(
                [sys.executable, __file__, "supervise", "--dir", directory.resolve(), *arguments.names],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        (directory / "supervisor.pid").write_text(f"{child.pid}\n")
    try:
        verdict = child.stdout.read().decode()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    if verdict != "ready":
        child.wait()
        raise process.StartError(verdict or process.tail(directory / "log" / "supervisor.log"))
    print((directory / "env").read_text(), end="", flush=True)
    return 0


def again(directory, names):
    """Says where services are that run already; those of them that do not are not started beside."""
    variables = (directory / "env").read_text()
    missing = [name for name in names if not (directory / f"{name}.pid").exists()]
    if missing:
        raise process.StartError(
            f"other services run already in {directory}; end them with `services.py down --dir {directory}` to start {' '.join(missing)}")
    print(variables, end="", flush=True)
    return 0


def supervise(arguments, _):
    services = installed(arguments.names)
    block_signals()
    supervisor = Supervisor(arguments.dir, services)
    try:
        supervisor.start()
        os.write(1, b"ready")
        os.dup2(2, 1)
        return supervisor.wait()
    except process.StartError as error:
        os.write(1, str(error).encode())
        return 1
    finally:
        supervisor.finish()


def run(arguments, command):
    services = installed(arguments.names)
    block_signals()
    directory = arguments.dir or Path(tempfile.mkdtemp(prefix="tidegate-run-"))
    supervisor = Supervisor(directory, services, keep_logs=bool(arguments.dir))
    try:
        supervisor.start()
        child = process.spawn(command, None, orphan_signal=signal.SIGTERM, own_session=False,
                              env={**os.environ, **supervisor.env()})
        code = supervisor.wait(child)
        process.stop(child, signal.SIGTERM)
        return code
    except OSError as error:
        raise process.StartError(f"{command[0]}: {error.strerror}") from error
    finally:
        supervisor.finish()


def down(arguments, _):
    directory = arguments.dir or default_directory()
    if pid := running(directory):
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        if not select.select([ended], [], [], DOWN_SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
    else:
        cache.say(f"nothing runs in {directory}")
    if not arguments.dir:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def restart(arguments, _):
    directory = arguments.dir or default_directory()
    pid = running(directory)
    if not pid or not (directory / f"{arguments.name}.pid").exists():
        raise process.StartError(f"{arguments.name} does not run in {directory}")
    request = directory / "restart"
    request.write_text(f"{arguments.name} {'hard' if arguments.hard else ''}")
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + RESTART_SECONDS
    while request.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    failed = request.exists() or not alive(int((directory / f"{arguments.name}.pid").read_text()))
    if failed:
        raise process.StartError(f"{arguments.name} did not come back:\n"
                                 + process.tail(directory / "log" / "supervisor.log"))
    return 0


def running(directory):
    """The supervisor of a directory, if it lives: a process of that id that is one of ours."""
    try:
        pid = int((directory / "supervisor.pid").read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if any(word.endswith(b"services.py") for word in words) and alive(pid) else None


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def default_directory():
    """One for each user and checkout."""
    checkout = hashlib.sha256(os.fsencode(Path(__file__).resolve().parent)).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"tidegate-services-{os.geteuid()}-{checkout}"


COMMANDS = {"up": up, "down": down, "run": run, "install": install, "restart": restart, "supervise": supervise}

if __name__ == "__main__":
    sys.exit(main())
