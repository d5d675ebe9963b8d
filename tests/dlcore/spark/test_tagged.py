"""Jobs known by a tag: their tasks are counted, and they end without others."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dlcore.spark.tagged import TaggedJobs, Tasks


def test_tagged_jobs_are_counted_and_cancelled_and_others_are_neither(spark: SparkSession) -> None:
    def sleeping(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        time.sleep(60)
        yield from batches

    def job() -> None:
        with jobs.tagging():
            spark.range(0, 1, 1, 1).mapInArrow(sleeping, "id long").collect()

    jobs, others = TaggedJobs(spark.sparkContext), TaggedJobs(spark.sparkContext)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(job)
        while not jobs.tasks().active:
            time.sleep(0.05)
        assert others.tasks() == Tasks()
        others.cancel()
        jobs.cancel()
        with pytest.raises(Exception, match=f"cancelled.*{jobs.tag}"):
            running.result(timeout=60)
    assert spark.range(3).count() == 3
