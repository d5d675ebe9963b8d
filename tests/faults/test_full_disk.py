"""A full disk costs the new version alone: the old one stays, nothing half-written is left, and the sentence names the disk."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, StructField, StructType

from infra.tables.hive import Table

DS = "2013-09-01"
LIMIT = 32 << 20


@contextmanager
def no_room(spark: SparkSession) -> Iterator[None]:
    """Let the JVM write no file past 32 MB, as a disk with that much left would."""
    jvm: Any = spark.sparkContext._jvm
    pid = int(jvm.java.lang.ProcessHandle.current().pid())
    before = psutil.Process(pid).rlimit(resource.RLIMIT_FSIZE)
    psutil.Process(pid).rlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield
    finally:
        psutil.Process(pid).rlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_the_old_version(spark: SparkSession, database: str) -> None:
    table = Table(database=database, name="rows", schema=StructType([StructField("x", DoubleType())]), version=1)
    before = table.stage(spark, spark.range(10).select(F.rand(1).alias("x")), ds=DS, run="first").commit()
    folder = Path(before.location.removeprefix("file:"))
    disk = next(parent for parent in folder.parents if os.path.ismount(parent))
    large = spark.range(0, 6_000_000, 1, 1).select(F.rand(1).alias("x"))
    with (
        no_room(spark),
        pytest.raises(OSError, match=f"the disk mounted at {disk} is full: file:{folder.parent}") as full,
    ):
        table.stage(spark, large, ds=DS, run="second").commit()
    assert "free space there, or set `warehouse` to another disk" in str(full.value)
    assert full.value.__cause__ is not None
    assert table.current(spark, DS) == before
    assert table.read(spark, [DS]).count() == 10
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert table.stage(spark, large.limit(5), ds=DS, run="third").commit().rows == 5
