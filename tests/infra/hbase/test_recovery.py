"""HBase killed in the middle of a job and started again: the job goes on, and nothing is lost or doubled."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from infra.hbase.client import Address, Unavailable
from infra.hbase.rows import Rows
from infra.hbase.service import Service
from infra.hbase.writing import Unwritten, Writer

pytestmark = pytest.mark.usefixtures("idled")  # which no kill may come before
NUMBERS = 20_000
SCHEMA = StructType().add("key", "string").add("label", "string")
AWAY_S = 2.0


def numbered(session: SparkSession) -> DataFrame:
    return session.range(0, NUMBERS, 1, 2).select(
        F.format_string("2024-03-01|%06d", "id").alias("key"), F.repeat(F.lit("x"), 500).alias("label")
    )


def kill(service: Service) -> None:
    """As a crash of the machine would: both processes at once."""
    for pid in service.pids():
        os.kill(pid, signal.SIGKILL)


@contextmanager
def killed(service: Service, begun: Callable[[], bool], *, again: bool = True) -> Iterator[None]:
    """Kill HBase as soon as the job has begun, and start it again after a while."""

    def wait_and_kill() -> None:
        while not begun():
            time.sleep(0.01)
        kill(service)
        time.sleep(AWAY_S)
        if again:
            service.start()

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def writer(address: Address, table: str) -> Writer:
    return Writer(address=address, table=table, family="results", batch_bytes=50_000)


def read(writer: Writer, mark: Path, session: SparkSession) -> list[str]:
    """Every key by a map over key ranges that takes its time, and leaves a mark once it has rows."""

    def slowly(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            mark.touch()
            time.sleep(0.02)
            yield batch.select(["key"])

    rows = Rows(
        address=writer.address, table=writer.table, schema=SCHEMA, family="results", splits=2, batch_bytes=100_000
    )
    return [row.key for row in rows.mapped(session, slowly, "key string").collect()]


def test_a_scan_goes_on_when_hbase_is_killed_and_comes_back(
    session: SparkSession, service: Service, writer: Writer, tmp_path: Path
) -> None:
    writer.write(numbered(session))
    mark = tmp_path / "begun"
    with killed(service, mark.exists):
        found = read(writer, mark, session)
    assert len(found) == len(set(found)) == NUMBERS


def marked(session: SparkSession, mark: Path) -> DataFrame:
    """The rows to write, which leave a mark once a task has some."""

    def noted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            mark.touch()
            yield batch

    return numbered(session).mapInArrow(noted, SCHEMA)


def test_a_write_goes_on_when_hbase_is_killed_and_comes_back(
    session: SparkSession, service: Service, writer: Writer, tmp_path: Path
) -> None:
    mark = tmp_path / "begun"
    with killed(service, mark.exists):
        written = writer.write(marked(session, mark))
    assert (written.rows, written.failed) == (NUMBERS, 0)
    found = read(writer, mark, session)
    assert len(found) == len(set(found)) == NUMBERS


def test_a_job_fails_with_the_cause_when_hbase_does_not_come_back_and_is_right_when_run_again(
    session: SparkSession, service: Service, writer: Writer, tmp_path: Path
) -> None:
    mark = tmp_path / "begun"
    impatient = replace(writer, address=replace(writer.address, patience_s=2.0, timeout_s=5.0))
    with (
        killed(service, mark.exists, again=False),
        pytest.raises(Unwritten, match=r"(?s)did not answer for 2 s.*run it again: rows are put by key"),
    ):
        impatient.write(marked(session, mark))
    with pytest.raises(Unavailable, match=r"did not answer for 2 s: .*Could not connect"):
        read(impatient, mark, session)
    service.start()
    assert writer.write(numbered(session)).rows == NUMBERS
    found = read(writer, mark, session)
    assert len(found) == len(set(found)) == NUMBERS
