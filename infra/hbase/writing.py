"""Rows of a DataFrame put into an HBase table, and taken out of it: by key, so that whatever is done again does no harm."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from happybase.batch import BatchMutation, Mutation
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from infra import spark as engine
from infra.hbase.cells import KEY, Layout, encode
from infra.hbase.client import Address, Client, Rejected
from infra.hbase.keys import SALTED, Salting
from infra.hbase.regions import require

COUNTS = "rows bigint, failed bigint, reasons array<string>"
MOST_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"
BATCH_BYTES = 16 << 20
KEPT = 5  # reasons of a task, and of a whole write


class Unwritten(RuntimeError):
    """A write that did not end; what it left in the table is right, and stays right when it is run again."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """How many rows HBase has taken, how many it will never take, and of some of these the key and the reason."""

    rows: int
    failed: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes to ``table`` in calls of about ``batch_bytes``; a row that cannot be written fails alone, and is counted."""

    address: Address
    table: str
    family: str = ""
    salting: Salting = SALTED
    batch_bytes: int = 2 << 20

    def write(self, rows: DataFrame) -> Written:
        """Put each row under its ``key``; a null leaves its cell as it is in HBase, and a row of nulls alone fails."""
        layout = Layout(schema=rows.schema, family=self.family, salting=self.salting)
        self._require(rows, layout.families)
        return self._run(rows, lambda batch: puts(batch, layout))

    def remove(self, keys: DataFrame, families: Iterable[str]) -> Written:
        """Delete these families of the rows named by ``key``; rows that are not there count as well."""
        named = tuple(families)
        self._require(keys, named)
        cells = [Mutation(isDelete=True, column=family.encode()) for family in named]
        salting = self.salting
        return self._run(keys.select(KEY), lambda batch: changes(batch, [cells] * len(batch), salting))

    def within(self, batch: pa.RecordBatch, schema: StructType) -> dict[str, str]:
        """Put the rows of a batch from inside of the task that has them; why each key that HBase will never take is refused."""
        layout = Layout(schema=schema, family=self.family, salting=self.salting)
        return self._task([puts(batch, layout)], kept=len(batch)).faults

    def require(self, schema: StructType) -> None:
        """Refuse on the driver a table or a family that is not there."""
        require(self.address, self.table, Layout(schema=schema, family=self.family).families)

    def _require(self, rows: DataFrame, families: Iterable[str]) -> None:
        """Refuse on the driver what no task could write."""
        if KEY not in rows.columns:
            raise ValueError(f"rows for HBase need a column `key`, got {', '.join(rows.columns)}")
        require(self.address, self.table, families)

    def _run(self, rows: DataFrame, changes: "Callable[[pa.RecordBatch], Iterator[Change]]") -> Written:
        """Send the changes of every batch from the tasks that have the rows."""
        done = rows.sparkSession.sparkContext.accumulator(0)

        def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            task = self._task(changes(batch) for batch in batches)
            done.add(task.rows)
            reasons = [f"{key}: {reason}" for key, reason in task.faults.items()]
            yield pa.RecordBatch.from_pylist([{"rows": task.rows, "failed": task.failed, "reasons": reasons}])

        try:
            with bounded(rows.sparkSession):
                return total(rows.mapInArrow(run, COUNTS).collect())
        except engine.ERRORS as error:
            raise Unwritten(
                f"writing to HBase table {self.table!r} broke off: {engine.causes(error)}\n{done.value} rows of tasks that "
                "ended are in the table, and some of the others' may be; run it again: rows are put by key, none twice"
            ) from error

    def _task(self, batches: "Iterable[Iterator[Change]]", kept: int = KEPT) -> "Task":
        task = Task(kept=kept)
        with Client(self.address) as client:
            for batch in batches:
                for call in calls(batch, self.batch_bytes, task):
                    self._send(client, call, task)
        return task

    def _send(self, client: Client, call: list[BatchMutation], task: "Task") -> None:
        """Send one call, in halves where HBase rejects it, so that one row's fault is no other's."""
        try:
            client.call(lambda thrift: thrift.mutateRows(self.table.encode(), call, {}))
            task.rows += len(call)
        except Rejected as error:
            if len(call) == 1:
                return task.fail(self.salting.plain(call[0].row), str(error))
            middle = len(call) // 2
            self._send(client, call[:middle], task)
            self._send(client, call[middle:], task)


@dataclass
class Task:
    """What one task has written so far, and of the first ``kept`` rows that failed the key and the reason."""

    kept: int = KEPT
    rows: int = 0
    failed: int = 0
    faults: dict[str, str] = field(default_factory=dict)

    def fail(self, key: bytes | None, reason: str) -> None:
        """Count a row that is not written."""
        self.failed += 1
        if len(self.faults) < self.kept:
            self.faults[key.decode(errors="replace") if key else "a row"] = reason


@dataclass(frozen=True)
class Change:
    """What is to be done to one row, or why it cannot be."""

    key: bytes
    cells: list[Mutation]
    fault: str = ""


def puts(batch: pa.RecordBatch, layout: Layout) -> Iterator[Change]:
    """The cells of each row that are not null."""
    columns = layout.columns
    values = {column.cell: encode(batch[name], column.field.dataType) for name, column in columns.items()}
    rows = (
        [Mutation(column=cell, value=column[row]) for cell, column in values.items() if column[row] is not None]
        for row in range(len(batch))
    )
    return changes(batch, rows, layout.salting)


def changes(batch: pa.RecordBatch, rows: Iterable[list[Mutation]], salting: Salting) -> Iterator[Change]:
    """Each row's cells under its stored key."""
    for key, cells in zip(batch[KEY].cast(pa.binary()).to_pylist(), rows, strict=True):
        if not key:
            yield Change(b"", [], "its key is null or empty")
        elif not cells:
            yield Change(key, [], "all its columns are null, and HBase keeps no row without a cell")
        else:
            yield Change(salting.stored(key), cells)


def calls(rows: Iterable[Change], most_bytes: int, task: Task) -> Iterator[list[BatchMutation]]:
    """The changes in calls of about ``most_bytes``; those that cannot be made are counted in ``task``."""
    call: list[BatchMutation] = []
    weight = 0
    for row in rows:
        if row.fault:
            task.fail(row.key, row.fault)
            continue
        call.append(BatchMutation(row=row.key, mutations=row.cells))
        weight += len(row.key) + sum(len(cell.value or b"") for cell in row.cells)
        if weight >= most_bytes:
            yield call
            call, weight = [], 0
    if call:
        yield call


@contextmanager
def bounded(spark: SparkSession) -> Iterator[None]:
    """Bound the batches that tasks are given by bytes as well as by Spark's 10,000 rows, which are 500 MB of pictures."""
    before = str(spark.conf.get(MOST_BYTES))
    spark.conf.set(MOST_BYTES, str(BATCH_BYTES))
    try:
        yield
    finally:
        spark.conf.set(MOST_BYTES, before)


def total(tasks: Iterable[Any]) -> Written:
    """The counts of all tasks together."""
    rows = list(tasks)
    reasons = [reason for row in rows for reason in row.reasons]
    return Written(
        rows=sum(row.rows for row in rows), failed=sum(row.failed for row in rows), reasons=tuple(reasons[:KEPT])
    )
