"""Hive tables partitioned by ``ds``, whose partitions are replaced whole and at once.

A partition is a snapshot folder. A new one is staged where no reader looks, judged there, and then committed: the fence's
log names it, and the partition's location moves. Readers that opened the old folder go on reading it: the snapshot before
the current one is kept, older ones are removed.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from infra import spark as engine
from infra.tables import hadoop, migration, snapshots
from infra.tables.fence import Fence, Mark, Superseded
from infra.tables.pointer import Pointer
from infra.tables.snapshots import Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One immutable snapshot of one partition; ``fingerprint`` is a function of the set of its rows alone."""

    table: str
    ds: str
    location: str
    fingerprint: str
    rows: int

    @property
    def content(self) -> dict[str, str | int]:
        """Its rows by content; its folder may differ from run to run."""
        return {"table": self.table, "ds": self.ds, "fingerprint": self.fingerprint, "rows": self.rows}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A snapshot of a partition that is written and not committed: no reader sees it."""

    partition: Partition
    snapshot: Snapshot
    claim: Mark
    pointer: Pointer

    def rows(self, spark: SparkSession) -> DataFrame:
        """Its rows, with ``ds``."""
        folder = self.partition.location
        return snapshots.scan(spark, [folder], _parent(_parent(folder)), self.snapshot.schema)

    def commit(self) -> Partition:
        """Make it the partition's; ``Superseded``, and nothing of it left, where another writer began meanwhile."""
        spark, folder = self.pointer.spark, self.partition.location
        snapshots.seal(spark, folder, self.snapshot)
        try:
            self.pointer.fence.commit(self.claim, folder.rpartition("/")[2])
        except Superseded:
            hadoop.delete(spark, folder)
            raise
        self.pointer.move()
        self._tidy()
        return self.partition

    def _tidy(self) -> None:
        """Remove what nobody reads any more; what cannot be removed now is left to the next writer."""
        try:
            self.pointer.sweep(self.claim)
            self.pointer.fence.prune()
        except (*engine.ERRORS, OSError) as error:
            log.warning("%s: older snapshots stay for now: %s", self.pointer.fence.subject, error)

    def discard(self, reason: str) -> None:
        """Remove it; the partition stays as it was."""
        log.warning("%s ds=%s: a draft is discarded: %s", self.partition.table, self.partition.ds, reason)
        hadoop.delete(self.pointer.spark, self.partition.location)

    def check(self) -> None:
        """Raise ``Superseded`` where another writer has begun meanwhile, which may have removed the draft."""
        self.pointer.fence.check(self.claim)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of one schema; raise ``version`` with every change of it (columns may be appended, nothing else)."""

    database: str
    name: str
    schema: StructType
    version: int

    def __post_init__(self) -> None:
        if self.version < 1:
            raise ValueError(f"Table.version must be at least 1, got {self.version}")
        if "ds" in self.schema.names:
            raise ValueError(f"{self}: ds is the partition's column and cannot stand in the schema")

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    def stage(
        self, spark: SparkSession, df: DataFrame, *, ds: str, run: str, inputs: Mapping[str, str] | None = None
    ) -> Draft:
        """Write the rows of ``df`` as a draft of the partition ``ds``; ``inputs`` are the fingerprints of what they come from."""
        self.create(spark)
        rows = self._conforming(df)
        pointer = self._pointer(spark, ds)
        claim = pointer.fence.begin(run)
        folder = f"{pointer.folder}/{claim.number:08d}-{uuid4().hex[:8]}"
        try:
            written = snapshots.write(rows, folder, run=run, schema_version=self.version, inputs=inputs)
        except (*engine.ERRORS, OSError):
            pointer.fence.check(claim)
            raise
        return Draft(partition=self._partition(ds, folder, written), snapshot=written, claim=claim, pointer=pointer)

    def current(self, spark: SparkSession, ds: str) -> Partition:
        """The snapshot that was committed last for ``ds``."""
        location = self._pointer(spark, ds).location()
        return self._partition(ds, location, Snapshot.read(spark, location))

    def inputs(self, spark: SparkSession, ds: str) -> Mapping[str, str]:
        """The fingerprint of each partition that the current rows of ``ds`` were made from."""
        return Snapshot.read(spark, self._pointer(spark, ds).location()).inputs

    def dates(self, spark: SparkSession) -> list[str]:
        """The ``ds`` of every partition there is, in order."""
        if not spark.catalog.tableExists(str(self)):
            return []
        named = {row["partition"].removeprefix("ds=") for row in spark.sql(f"SHOW PARTITIONS {self}").collect()}
        begun = {entry.name.removeprefix("ds=") for entry in hadoop.entries(spark, f"{self.folder(spark)}/_fence")}
        return sorted(named | {ds for ds in begun - named if self._pointer(spark, ds).exists()})

    def read(self, spark: SparkSession, dates: Iterable[str]) -> DataFrame:
        """The current rows of some dates, with ``ds``."""
        return _scan(spark, [self.current(spark, ds) for ds in dates], self.schema)

    def pinned(self, spark: SparkSession, partition: Partition) -> DataFrame:
        """The rows of a pin, with ``ds``; ``Superseded`` where the partition has other rows by now."""
        current = self.current(spark, partition.ds)
        if current.fingerprint != partition.fingerprint:
            run = Snapshot.read(spark, current.location).run
            raise Superseded(
                f"{self} ds={partition.ds}: the snapshot this run works on was superseded by run {run}, whose rows differ; "
                "start this run again to work on the rows there are now"
            )
        return _scan(spark, [current], self.schema)

    def create(self, spark: SparkSession) -> None:
        """Create the table where there is none; migrate one that only lacks appended columns; refuse any other change."""
        migration.create(spark, str(self), self.schema, self.version, self.folder(spark))

    def folder(self, spark: SparkSession) -> str:
        """Where the table's files are."""
        return hadoop.qualified(spark, f"{spark.conf.get('spark.sql.warehouse.dir')}/{self.database}.db/{self.name}")

    def _conforming(self, df: DataFrame) -> DataFrame:
        rows = df.select(*[name for name in self.schema.names if name in df.columns])
        found, wanted = migration.types(rows.schema), migration.types(self.schema)
        if found != wanted:
            raise ValueError(f"rows do not fit {self}: {migration.difference(found, wanted)}")
        return rows

    def _partition(self, ds: str, folder: str, snapshot: Snapshot) -> Partition:
        return Partition(table=str(self), ds=ds, location=folder, fingerprint=snapshot.fingerprint, rows=snapshot.rows)

    def _pointer(self, spark: SparkSession, ds: str) -> Pointer:
        folder, place = self.folder(spark), f"ds={_date(ds)}"
        fence = Fence(spark=spark, folder=f"{folder}/_fence/{place}", subject=f"{self} ds={ds}")
        return Pointer(spark=spark, table=str(self), ds=ds, folder=f"{folder}/{place}", fence=fence)


def read_files(spark: SparkSession, partitions: Sequence[Partition]) -> DataFrame:
    """The rows of pinned snapshots, with ``ds``, read as Parquet files; needs no Hive."""
    return _scan(spark, partitions)


def _scan(spark: SparkSession, partitions: Sequence[Partition], schema: StructType | None = None) -> DataFrame:
    if not partitions:
        raise ValueError("reading takes at least one partition, got none")
    folders = [_standing(spark, partition) for partition in partitions]
    return snapshots.scan(spark, folders, _parent(_parent(folders[0])), schema)


def _standing(spark: SparkSession, partition: Partition) -> str:
    """The pinned folder, or where that is gone, a later one with the same rows."""
    for folder in [partition.location, *_siblings(spark, partition)]:
        if snapshots.sealed(spark, folder) and Snapshot.read(spark, folder).fingerprint == partition.fingerprint:
            return folder
    raise Superseded(
        f"{partition.table} ds={partition.ds}: the snapshot this run works on is gone, replaced by later runs with other rows; "
        "start this run again to work on the rows there are now"
    )


def _siblings(spark: SparkSession, partition: Partition) -> list[str]:
    return [entry.path for entry in reversed(hadoop.entries(spark, _parent(partition.location)))]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _date(ds: str) -> str:
    try:
        return str(date.fromisoformat(ds))
    except ValueError as error:
        raise ValueError(f"ds must be a date YYYY-MM-DD, got {ds!r}") from error
