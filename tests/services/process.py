"""Processes that never outlive the one that started them, the ports they get, and waiting for them."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

# Below the kernel's ephemeral range (from 32768), so that no outgoing connection takes a port between our look
# and the service's own bind.
PORTS = range(20000, 32000)
# Each is given once: one that nobody listens on yet may be another service's already.
UNGIVEN = iter(random.sample(PORTS, len(PORTS)))


class StartError(Exception):
    """A service did not come up."""


class Interrupted(Exception):
    """A signal asks this process to end, `number` says which."""

    def __init__(self, number):
        super().__init__(f"signal {number}")
        self.number = number


ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def spawn(command, log, *, orphan_signal=signal.SIGKILL, own_session=True, **options):
    """Starts a process that the kernel signals when this one dies, however it dies."""
    parent = os.getpid()

    def tie_to_parent():
        # After any change of user, which would clear the setting.
        LIBC.prctl(PR_SET_PDEATHSIG, int(orphan_signal))
        if os.getppid() != parent:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    if log is not None:
        options.update(stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    return subprocess.Popen(command, preexec_fn=tie_to_parent, start_new_session=own_session, **options)


def free_port():
    for port in UNGIVEN:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise StartError(f"no free port between {PORTS.start} and {PORTS.stop}")


def wait_until(ready, child, seconds, what):
    """Asks `ready()` until it is true; the child's end, the deadline and a signal to end are exceptions."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if ready():
                return
        except (OSError, EOFError):
            pass
        if child.poll() is not None:
            raise StartError(f"{what} ended with status {child.returncode} before it was ready")
        if time.monotonic() > deadline:
            raise StartError(f"{what} was not ready after {seconds} s")
        if pending := signal.sigpending() & ENDING:
            raise Interrupted(int(pending.pop()))
        time.sleep(0.03)


def stop(child, how, seconds=10):
    """Ends a child with the signal `how`, and with SIGKILL if that takes too long."""
    if child.poll() is None:
        child.send_signal(how)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def tail(path, lines=25):
    try:
        with open(path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])
    except FileNotFoundError:
        return ""
