"""Python processes of Spark's that hang or are stopped before a group begins."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dlcore.spark.silence import brief, silence_limited


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def hang() -> None:
    ctypes.PyDLL(None).sleep(10_000)  # which holds Python's lock


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


@pytest.mark.parametrize("harm", [stop, hang])
def test_a_silent_process_is_ended_whatever_holds_it(
    spark: SparkSession, tmp_path: Path, harm: Callable[[], object]
) -> None:
    task = once(tmp_path / "silent", harm)

    def limited(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with silence_limited(2):
            yield from task(batches)

    with pytest.raises(Exception, match=r"exited unexpectedly|Connection reset"):  # local mode tries no task again
        ids(spark, limited)
    assert ids(spark, limited) == [0, 1, 2]


def test_a_process_that_waits_is_let_be(spark: SparkSession) -> None:
    def waiting(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with silence_limited(0.5):
            time.sleep(1.5)
            yield from batches
        time.sleep(1)  # no timer is left behind

    assert ids(spark, waiting) == [0, 1, 2]


def test_a_stopped_process_is_killed_and_its_brief_job_runs_again(spark: SparkSession, tmp_path: Path) -> None:
    task = once(tmp_path / "stopped", stop)
    assert brief(spark.sparkContext, lambda: ids(spark, task), limit_s=10) == [0, 1, 2]


def test_the_error_of_a_brief_job_is_its_own(spark: SparkSession) -> None:
    def refused(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        raise ValueError("no")

    with pytest.raises(Exception, match="ValueError: no"):
        brief(spark.sparkContext, lambda: ids(spark, refused), limit_s=30)
