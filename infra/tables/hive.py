"""Hive tables partitioned by ``ds``, whose partitions are replaced whole and at once.

A partition is a snapshot folder; to replace it, a new folder is written, and then the partition's location moves. Readers
that opened the old folder go on reading it: the version before the current one is kept, older ones are removed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import uuid4

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from infra import spark as engine
from infra.tables import hadoop, snapshots
from infra.tables.fence import Fence, Mark, Superseded
from infra.tables.snapshots import Snapshot

VERSION = "emberline.schema.version"


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One immutable version of one partition; ``fingerprint`` is a function of the set of its rows alone."""

    table: str
    ds: str
    location: str
    fingerprint: str
    rows: int


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

    def replace(self, spark: SparkSession, df: DataFrame, *, ds: str, run: str) -> Partition:
        """Make the rows of ``df`` the partition ``ds``, or raise and leave the partition as it was."""
        self.create(spark)
        rows = self._conforming(df)
        fence = self._fence(spark, ds)
        claim = fence.begin(run)
        folder = f"{self._folder(spark, ds)}/{claim.number:08d}-{uuid4().hex[:8]}"
        version = self._written(rows, folder, fence, claim)
        self._point(spark, ds, fence)
        self._sweep(spark, ds, claim, keep=fence.committed()[-2:])
        return self._partition(ds, folder, version)

    def current(self, spark: SparkSession, ds: str) -> Partition:
        """The version that the metastore names for ``ds`` now."""
        location = self._location(spark, ds)
        return self._partition(ds, location, Snapshot.read(spark, location))

    def dates(self, spark: SparkSession) -> list[str]:
        """The ``ds`` of every partition there is, in order."""
        if not spark.catalog.tableExists(str(self)):
            return []
        return sorted(row["partition"].removeprefix("ds=") for row in spark.sql(f"SHOW PARTITIONS {self}").collect())

    def read(self, spark: SparkSession, dates: Iterable[str]) -> DataFrame:
        """The current rows of some dates, with ``ds``."""
        return _scan(spark, [self.current(spark, ds) for ds in dates], self.schema)

    def pinned(self, spark: SparkSession, partition: Partition) -> DataFrame:
        """The rows of a pin, with ``ds``; ``Superseded`` where the partition has other rows by now."""
        current = self.current(spark, partition.ds)
        if current.fingerprint != partition.fingerprint:
            run = Snapshot.read(spark, current.location).run
            raise Superseded(
                f"{self} ds={partition.ds}: the version this run works on was superseded by run {run}, whose rows differ; "
                "start this run again to work on the rows there are now"
            )
        return _scan(spark, [current], self.schema)

    def create(self, spark: SparkSession) -> None:
        """Create the table where there is none; migrate one that only lacks appended columns; refuse any other change."""
        if not spark.catalog.databaseExists(self.database):
            spark.sql(f"CREATE DATABASE IF NOT EXISTS {self.database}")
        if not spark.catalog.tableExists(str(self)):
            columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in self.schema)
            spark.sql(
                f"CREATE EXTERNAL TABLE {self} ({columns}) PARTITIONED BY (ds STRING) STORED AS PARQUET "
                f"LOCATION '{self.folder(spark)}' TBLPROPERTIES ('{VERSION}'='{self.version}')"
            )
        elif (found := self._found(spark)) != (self.version, _types(self.schema)):
            self._migrate(spark, *found)

    def folder(self, spark: SparkSession) -> str:
        """Where the table's files are."""
        return hadoop.qualified(spark, f"{spark.conf.get('spark.sql.warehouse.dir')}/{self.database}.db/{self.name}")

    def _found(self, spark: SparkSession) -> tuple[int, list[tuple[str, str]]]:
        properties = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {self}").collect()}
        fields = [field for field in spark.table(str(self)).schema if field.name != "ds"]
        return int(properties.get(VERSION, 0)), _types(StructType(fields))

    def _migrate(self, spark: SparkSession, version: int, types: list[tuple[str, str]]) -> None:
        wanted = _types(self.schema)
        if version >= self.version or wanted[: len(types)] != types:
            raise ValueError(
                f"{self} has schema version {version}, this program has version {self.version}: {_difference(types, wanted)}; "
                "a schema may only grow at its end, under a higher version; correct the schema, or drop the table"
            )
        if added := ", ".join(f"`{name}` {kind}" for name, kind in wanted[len(types) :]):
            spark.sql(f"ALTER TABLE {self} ADD COLUMNS ({added})")
        spark.sql(f"ALTER TABLE {self} SET TBLPROPERTIES ('{VERSION}'='{self.version}')")

    def _conforming(self, df: DataFrame) -> DataFrame:
        rows = df.select(*[name for name in self.schema.names if name in df.columns])
        if _types(rows.schema) != _types(self.schema):
            raise ValueError(f"rows do not fit {self}: {_difference(_types(rows.schema), _types(self.schema))}")
        return rows

    def _written(self, rows: DataFrame, folder: str, fence: Fence, claim: Mark) -> Snapshot:
        try:
            version = snapshots.write(rows, folder, run=claim.run, schema_version=self.version)
            fence.commit(claim, folder.rpartition("/")[2])
        except (*engine.ERRORS, OSError, Superseded):
            hadoop.delete(rows.sparkSession, folder)
            fence.check(claim)
            raise
        return version

    def _point(self, spark: SparkSession, ds: str, fence: Fence) -> None:
        """Move the partition to the latest committed version; again if another was committed meanwhile."""
        spark.sql(
            f"ALTER TABLE {self} ADD IF NOT EXISTS PARTITION (ds='{ds}') LOCATION '{self._latest(spark, ds, fence)}'"
        )
        moved = ""
        while (latest := self._latest(spark, ds, fence)) != moved:
            spark.sql(f"ALTER TABLE {self} PARTITION (ds='{ds}') SET LOCATION '{latest}'")
            moved = latest

    def _latest(self, spark: SparkSession, ds: str, fence: Fence) -> str:
        return f"{self._folder(spark, ds)}/{fence.committed()[-1]}"

    def _sweep(self, spark: SparkSession, ds: str, claim: Mark, keep: Sequence[str]) -> None:
        """Remove what earlier writers left, finished or not, but for the current version and the one before."""
        for entry in hadoop.entries(spark, self._folder(spark, ds)):
            if entry.name not in keep and entry.name < f"{claim.number:08d}":
                hadoop.delete(spark, entry.path)

    def _location(self, spark: SparkSession, ds: str) -> str:
        try:
            described = spark.sql(f"DESCRIBE FORMATTED {self} PARTITION (ds='{_date(ds)}')").collect()
        except AnalysisException as error:
            raise LookupError(f"{self} has no partition ds={ds}; run the step that writes it first") from error
        return next(str(row["data_type"]) for row in described if row["col_name"] == "Location")

    def _partition(self, ds: str, folder: str, version: Snapshot) -> Partition:
        return Partition(table=str(self), ds=ds, location=folder, fingerprint=version.fingerprint, rows=version.rows)

    def _folder(self, spark: SparkSession, ds: str) -> str:
        return f"{self.folder(spark)}/ds={_date(ds)}"

    def _fence(self, spark: SparkSession, ds: str) -> Fence:
        return Fence(spark=spark, folder=f"{self.folder(spark)}/_fence/ds={_date(ds)}", subject=f"{self} ds={ds}")


def read_files(spark: SparkSession, partitions: Sequence[Partition]) -> DataFrame:
    """The rows of pinned versions, with ``ds``, read as Parquet files; needs no Hive."""
    return _scan(spark, partitions)


def _scan(spark: SparkSession, partitions: Sequence[Partition], schema: StructType | None = None) -> DataFrame:
    if not partitions:
        raise ValueError("reading takes at least one partition, got none")
    folders = [_standing(spark, partition) for partition in partitions]
    return snapshots.scan(spark, folders, _parent(_parent(folders[0])), schema)


def _standing(spark: SparkSession, partition: Partition) -> str:
    """The pinned folder, or where that is gone, a later one with the same rows."""
    for folder in [partition.location, *_siblings(spark, partition)]:
        whole = hadoop.exists(spark, f"{folder}/{snapshots.SIDECAR}")
        if whole and Snapshot.read(spark, folder).fingerprint == partition.fingerprint:
            return folder
    raise Superseded(
        f"{partition.table} ds={partition.ds}: the version this run works on is gone, replaced by later runs with other rows; "
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


def _types(schema: StructType) -> list[tuple[str, str]]:
    return [(field.name, field.dataType.simpleString()) for field in schema]


def _difference(found: list[tuple[str, str]], wanted: list[tuple[str, str]]) -> str:
    missing = [f"{name} {kind}" for name, kind in wanted if (name, kind) not in found]
    surplus = [f"{name} {kind}" for name, kind in found if (name, kind) not in wanted]
    if not missing and not surplus:
        return "the same columns in another order"
    return f"missing {missing or 'nothing'}, not in the schema {surplus or 'nothing'}"
