"""Python processes of Spark's that hang or are stopped before a group begins."""

import ctypes
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dlcore.spark.silence import KILL, LIMIT, brief, silence_limited


def once(file: Path, harm: Callable[[], object]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A task that comes to harm the first time."""

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if not file.exists():
            file.touch()
            harm()
        yield from batches

    return task


def ids(spark: SparkSession, task: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]) -> list[int]:
    return [row.id for row in spark.range(0, 3, 1, 1).mapInArrow(task, "id long").collect()]


def test_a_process_that_hangs_is_ended_by_spark_and_nothing_stays_set(spark: SparkSession, tmp_path: Path) -> None:
    task = once(tmp_path / "hung", lambda: ctypes.PyDLL(None).sleep(10_000))
    with (
        pytest.raises(Exception, match=r"Connection reset|idle timeout"),  # local mode tries no task again
        silence_limited(spark.sparkContext, 0.5),
    ):
        ids(spark, task)
    assert ids(spark, task) == [0, 1, 2]
    assert [spark.sparkContext.getLocalProperty(name) for name in (LIMIT, KILL)] == [None, None]


def test_a_stopped_process_is_killed_and_its_brief_job_runs_again(spark: SparkSession, tmp_path: Path) -> None:
    task = once(tmp_path / "stopped", lambda: os.kill(os.getpid(), signal.SIGSTOP))
    assert brief(spark.sparkContext, lambda: ids(spark, task), limit_s=0.5) == [0, 1, 2]


def test_the_error_of_a_brief_job_is_its_own(spark: SparkSession) -> None:
    def refused(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        raise ValueError("no")

    with pytest.raises(Exception, match="ValueError: no"):
        brief(spark.sparkContext, lambda: ids(spark, refused), limit_s=30)
