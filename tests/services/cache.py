"""Where downloads live: `${XDG_CACHE_HOME:-~/.cache}/tidegate/services/`, shared by all checkouts.

An entry is complete or absent: it is built under another name and renamed when it is whole, and a lock per entry
lets one of several first runs build it while the others wait. Nothing here ever changes a finished entry.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


class InstallError(Exception):
    """A service cannot be had on this machine; the text is one line that says what to do."""


def entry(name, build):
    """The path of the entry `name`; `build(directory)` fills an empty directory when there is none yet."""
    path = root() / name
    if path.is_dir():
        return path
    with locked(name):
        if path.is_dir():
            return path
        for abandoned in root().glob(f".{name}.partial-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        say(f"fetching {name} into {root()}")
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.partial-", dir=root()))
        try:
            build(partial)
            partial.chmod(0o755)  # a database may run as another user
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return path


@contextlib.contextmanager
def locked(name):
    """Holds the lock of an entry, which ends with the process that holds it."""
    with open(root() / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def root():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "tidegate" / "services"
    path.mkdir(parents=True, exist_ok=True)
    return path


def fetch(command, what, **options):
    """Runs a command that downloads; a failure becomes one `InstallError` with the last line it wrote."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except FileNotFoundError as error:
        raise InstallError(f"{what} needs `{command[0]}`, which is not on PATH") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise InstallError(f"{what} cannot be fetched: `{' '.join(map(str, command[:4]))} ...` says:"
                           f" {lines[-1] if lines else 'nothing'}")
    return done.stdout


def say(text):
    print(f"services: {text}", file=sys.stderr, flush=True)
