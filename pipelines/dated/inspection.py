"""Whether landed files are what their names say, told from a few bytes of each before Spark reads them whole."""

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from infra.spark import ERRORS, causes
from infra.tables import hadoop
from infra.tables.hadoop import Entry
from pipelines.dated.source import BadDelivery

SUFFIXES = (".csv", ".csv.gz", ".parquet")
PATTERN = set(":*?[]{}\\")
"""Hadoop takes a name with one of these for a pattern of names, or for an address."""

HEAD = 1024
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
OTHERS = {
    GZIP: "gzip",
    PARQUET: "Parquet",
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

DAMAGED = ("java.io.EOFException", "java.util.zip.")
UNREADABLE = re.compile(r"\[FAILED_READ_FILE\.\w+\] Encountered error while reading file (.+?)\. ")


@dataclass(frozen=True, kw_only=True)
class File:
    """A landed file: its name, and the bytes of its text once it is unpacked; 0 of Parquet."""

    name: str
    size: int

    @property
    def is_parquet(self) -> bool:
        return self.name.endswith(".parquet")


def files(spark: SparkSession, folder: str) -> list[File]:
    """The files of a folder by name, hidden ones left out; ``BadDelivery`` where one is not what its name says."""
    refuse_broken_links(folder)
    found = [entry for entry in hadoop.entries(spark, folder) if entry.name[0] not in "._"]
    if not found:
        raise BadDelivery(f"no landing file in {folder}; deliver one there, then run the step again")
    for entry in found:
        if refusal := _misnamed(entry) or _miswritten(spark, entry):
            raise BadDelivery(f"landing file {entry.path} {refusal}")
    return [File(name=entry.name, size=_text_bytes(spark, entry)) for entry in found]


def refuse_broken_links(folder: str) -> None:
    """Refuse a local folder that has, at any depth, a link that dangles or loops: Hadoop's listing leaves it out, or never ends."""
    for parent, folders, names in os.walk(hadoop.local(folder)) if hadoop.is_local(folder) else ():
        for path in (Path(parent, name) for name in (*folders, *names)):
            if path.is_symlink() and (not path.exists() or Path(parent).resolve().is_relative_to(path.resolve())):
                raise BadDelivery(f"landing file {path} is a link that leads nowhere; deliver the file itself")


def _misnamed(entry: Entry) -> str:
    """What is wrong with an entry by its name and size; empty where nothing is."""
    if signs := PATTERN & set(entry.name):
        return f"has {' '.join(sorted(signs))} in its name, which stands for other names; rename it"
    if entry.is_folder or not entry.name.endswith(SUFFIXES):
        return f"must be a file whose name ends in one of {SUFFIXES}; move it elsewhere"
    return "" if entry.size else "is empty, without even a header; deliver it again"


def _miswritten(spark: SparkSession, entry: Entry) -> str:
    """What is wrong with a file by its first bytes, and of Parquet its last; empty where nothing is."""
    head = _bytes(spark, entry, 0, HEAD)
    if entry.name.endswith(".parquet"):
        whole = head.startswith(PARQUET) and _bytes(spark, entry, entry.size - len(PARQUET), len(PARQUET)) == PARQUET
        return "" if whole else "is not whole Parquet: it must begin and end with PAR1; deliver it again"
    if entry.name.endswith(".gz"):
        if not head.startswith(GZIP):
            return "is not gzip, as its name says; rename it, or deliver it again"
        head = _unpacked(head)
    return _no_text(head)


def _no_text(head: bytes) -> str:
    for signature, kind in OTHERS.items():
        if head.startswith(signature):
            return f"is {kind}, not CSV; rename it, or deliver it again"
    if head.startswith(UTF_16) or b"\0" in head:
        return "is UTF-16, or no text at all; deliver it again in UTF-8"
    return ""


def _unpacked(head: bytes) -> bytes:
    """The text that the first bytes of a gzip file hold; none where they are damaged, which reading them whole will say."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _text_bytes(spark: SparkSession, entry: Entry) -> int:
    if entry.name.endswith(".parquet"):
        return 0
    if not entry.name.endswith(".gz"):
        return entry.size
    try:
        return hadoop.unpacked_bytes(spark, entry.path)
    except Py4JJavaError as error:
        if (cause := str(error.java_exception)).startswith(DAMAGED):
            raise BadDelivery(
                f"landing file {entry.path} is truncated or damaged ({cause}); deliver it again"
            ) from error
        raise


def _bytes(spark: SparkSession, entry: Entry, start: int, count: int) -> bytes:
    try:
        return hadoop.read_bytes(spark, entry.path, start=max(start, 0), count=count)
    except Py4JJavaError as error:
        if "Permission denied" in str(error.java_exception):
            raise BadDelivery(f"landing file {entry.path} may not be read by this user; correct its rights") from error
        raise


@contextmanager
def damage_named(spark: SparkSession, folder: str) -> Iterator[None]:
    """Turn Spark's error about a file that storage gives, but nobody understands, into ``BadDelivery``; others pass as they are."""
    try:
        yield
    except ERRORS as error:
        found = UNREADABLE.search(causes(error))
        if found is None:
            raise
        path = f"{folder}/{unquote(found[1]).rpartition('/')[2]}"
        hadoop.read_through(spark, path)  # raises what storage cannot do now, and may do when the step is tried again
        raise BadDelivery(f"landing file {path} is damaged: it cannot be read as Parquet; deliver it again") from error
