"""Programs from Debian packages.

`require` installs a program that brings no daemon. `unpacked` takes a server's packages apart into the cache
instead of installing them, because installing one would start a daemon of the system.
"""

import os
import shutil
import subprocess
from pathlib import Path

import cache


def require(program, packages):
    """Makes sure that `program` is on PATH, by installing its packages when this is root."""
    if shutil.which(program):
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise cache.InstallError(f"`{program}` is missing; install it: sudo {command}")
    with cache.locked("apt"):
        cache.say(command)
        refresh()
        cache.fetch(command.split(), program, env=quiet())


def unpacked(name, packages):
    """The root of a tree with the packages and those of their dependencies that the machine lacks."""
    return cache.entry(name, lambda directory: unpack(directory, name, packages))


def unpack(directory, what, packages):
    if not shutil.which("apt-get"):
        raise cache.InstallError(f"{what} comes from Debian packages ({' '.join(packages)}), and there is no apt-get")
    listing = ["apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *packages]
    try:
        lines = cache.fetch(listing, what)
    except cache.InstallError:
        refresh()
        lines = cache.fetch(listing, what)
    names = {line.split()[1].split("_")[0] for line in lines.splitlines() if line.startswith("'")}
    # Installed ones are not listed, but their files are wanted here all the same.
    names |= set(packages)
    debs = directory / "debs"
    debs.mkdir()
    debs.chmod(0o777)  # apt downloads as its own user
    cache.fetch(["apt-get", "download", *sorted(names)], what, cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        cache.fetch(["dpkg-deb", "-x", deb, directory], what)
    shutil.rmtree(debs)


def library_path(root):
    """LD_LIBRARY_PATH for a program of an unpacked tree."""
    return ":".join(str(path) for lib in ("usr/lib", "lib") for path in sorted(Path(root, lib).glob("*-linux-gnu*")))


def refresh():
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet())


def quiet():
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
