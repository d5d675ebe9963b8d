"""Small files and folders of the warehouse and the landing zone, on any Hadoop filesystem, local disks included."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from pyspark.sql import SparkSession


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name in a folder; ``size`` is in bytes, 0 for a folder."""

    name: str
    path: str
    size: int
    is_folder: bool


def exists(spark: SparkSession, path: str) -> bool:
    return bool(_system(spark, path).exists(_path(spark, path)))


def entries(spark: SparkSession, folder: str) -> list[Entry]:
    """What a folder holds, by name; nothing where there is no such folder."""
    if not exists(spark, folder):
        return []
    found = [
        Entry(
            name=str(status.getPath().getName()),
            path=f"{folder}/{status.getPath().getName()}",
            size=0 if status.isDirectory() else int(status.getLen()),
            is_folder=bool(status.isDirectory()),
        )
        for status in _system(spark, folder).listStatus(_path(spark, folder))
    ]
    return sorted(found, key=lambda entry: entry.name)


def read(spark: SparkSession, path: str) -> str:
    stream = _system(spark, path).open(_path(spark, path))
    try:
        return str(_jvm(spark).org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
    finally:
        stream.close()


def read_bytes(spark: SparkSession, path: str, *, start: int, count: int) -> bytes:
    """At most ``count`` bytes from the ``start``-th on."""
    stream = _system(spark, path).open(_path(spark, path))
    try:
        stream.seek(start)
        return bytes(stream.readNBytes(count))
    finally:
        stream.close()


def read_through(spark: SparkSession, path: str) -> None:
    """Read a file to its end and keep nothing, which raises what its storage raises."""
    _consumed(spark, _system(spark, path).open(_path(spark, path)))


def unpacked_bytes(spark: SparkSession, path: str) -> int:
    """How many bytes a gzip file holds: it is read to its end, by the driver, and raises Java's error where it is damaged."""
    stream = _system(spark, path).open(_path(spark, path))
    try:
        return _consumed(spark, _jvm(spark).java.util.zip.GZIPInputStream(stream))
    finally:
        stream.close()


def create(spark: SparkSession, path: str, text: str) -> bool:
    """Put a whole new file in place at once; False, and nothing done, where that name is taken.

    Atomic on local disks (a hard link) and on HDFS (a rename that never overwrites), not on object stores.
    """
    aside = f"{path.rpartition('/')[0]}/.{uuid4().hex}"
    _write(spark, aside, text)
    try:
        return _link(aside, path) if is_local(path) else _rename(spark, aside, path)
    finally:
        delete(spark, aside)


def delete(spark: SparkSession, path: str) -> None:
    """Remove a file, or a folder with all it holds; nothing where there is none."""
    _system(spark, path).delete(_path(spark, path), True)


def uri(place: str | Path) -> str:
    """A place as Spark is told it: without a scheme it is of this host's disk, not of the cluster's default file system."""
    return str(place) if urlsplit(str(place)).scheme else f"file://{Path(place).absolute()}"


def is_local(path: str) -> bool:
    return urlsplit(path).scheme in ("", "file")


def local(path: str) -> str:
    """The local path of a path or ``file:`` URI."""
    return unquote(urlsplit(path).path) if path.startswith("file:") else path


def qualified(spark: SparkSession, path: str) -> str:
    """The path as Spark names it, with scheme and authority."""
    return str(_system(spark, path).makeQualified(_path(spark, path)).toString())


def _consumed(spark: SparkSession, stream: Any) -> int:
    try:
        return int(_jvm(spark).org.apache.commons.io.IOUtils.consume(stream))
    finally:
        stream.close()


def _write(spark: SparkSession, path: str, text: str) -> None:
    stream = _system(spark, path).create(_path(spark, path), True)
    try:
        stream.write(bytearray(text.encode()))
    finally:
        stream.close()


def _link(aside: str, path: str) -> bool:
    try:
        os.link(local(aside), local(path))
    except FileExistsError:
        return False
    return True


def _rename(spark: SparkSession, aside: str, path: str) -> bool:
    jvm = _jvm(spark)
    context = jvm.org.apache.hadoop.fs.FileContext.getFileContext(_path(spark, path).toUri(), _configuration(spark))
    gateway: Any = spark.sparkContext._gateway
    never_overwrite = gateway.new_array(jvm.org.apache.hadoop.fs.Options.Rename, 0)
    try:
        context.rename(_path(spark, aside), _path(spark, path), never_overwrite)
    except Exception as error:
        if "FileAlreadyExistsException" in str(error):
            return False
        raise
    return True


def _jvm(spark: SparkSession) -> Any:
    return spark.sparkContext._jvm


def _configuration(spark: SparkSession) -> Any:
    return spark.sparkContext._jsc.hadoopConfiguration()


def _path(spark: SparkSession, path: str) -> Any:
    return _jvm(spark).org.apache.hadoop.fs.Path(path)


def _system(spark: SparkSession, path: str) -> Any:
    return _path(spark, path).getFileSystem(_configuration(spark))
