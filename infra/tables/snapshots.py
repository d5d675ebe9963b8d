"""The immutable snapshot folders that partitions consist of: Parquet files, and a sidecar that says what they hold.

A folder without its sidecar is a draft, or what a killed writer left: no reader takes its rows.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from infra import spark as engine
from infra.tables import hadoop

SIDECAR = "_snapshot.json"
HASH = "_row_hash"
FULL = ("No space left on device", "Disk quota exceeded", "File too large", "There is not enough space")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a snapshot folder says of itself; ``fingerprint`` is a function of the set of its rows alone.

    ``inputs`` holds the fingerprint of each partition (``table ds=date``) that its rows were made from; empty: there was none.
    """

    run: str
    fingerprint: str
    rows: int
    schema_version: int
    schema: StructType
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(vars(self) | {"schema": self.schema.jsonValue()}, indent=1)

    @classmethod
    def read(cls, spark: SparkSession, folder: str) -> "Snapshot":
        fields = json.loads(hadoop.read(spark, f"{folder}/{SIDECAR}"))
        return cls(**fields | {"schema": StructType.fromJson(fields["schema"])})


def write(
    df: DataFrame, folder: str, *, run: str, schema_version: int, inputs: Mapping[str, str] | None = None
) -> Snapshot:
    """Write the rows as a draft's folder, fingerprinted on the way; where that fails, nothing of the folder is left."""
    spark, observed = df.sparkSession, Observation()
    try:
        hashed = df.withColumn(HASH, _hash(df.schema))  # as a column of its own it is compiled; observed, interpreted
        hashed.observe(observed, *_digest()).drop(HASH).write.parquet(folder)
    except (*engine.ERRORS, OSError) as error:
        full = _full(spark, folder) if any(sign in engine.causes(error) for sign in FULL) else ""
        hadoop.delete(spark, folder)
        if full:
            raise OSError(full) from error
        raise
    return Snapshot(
        run=run,
        fingerprint=_fingerprint(df.schema, observed.get),
        rows=observed.get["rows"],
        schema_version=schema_version,
        schema=df.schema,
        inputs=inputs or {},
    )


def seal(spark: SparkSession, folder: str, snapshot: Snapshot) -> None:
    """Make a draft's folder a whole snapshot."""
    hadoop.create(spark, f"{folder}/{SIDECAR}", snapshot.to_json())


def sealed(spark: SparkSession, folder: str) -> bool:
    """Whether a folder is a whole snapshot."""
    return hadoop.exists(spark, f"{folder}/{SIDECAR}")


def digest(df: DataFrame) -> tuple[str, int]:
    """The fingerprint of rows wherever they lie, and how many there are."""
    found = df.withColumn(HASH, _hash(df.schema)).agg(*_digest()).collect()[0].asDict()
    return _fingerprint(df.schema, found), int(found["rows"])


def scan(spark: SparkSession, folders: Sequence[str], root: str, schema: StructType | None = None) -> DataFrame:
    """The rows of snapshot folders below ``root``, with the ``ds`` of each folder's path; by default in the newest schema."""
    if schema is None:
        found = [Snapshot.read(spark, folder) for folder in folders]
        schema = max(found, key=lambda snapshot: snapshot.schema_version).schema
    columns = StructType([*schema.fields, StructField("ds", StringType())])
    return spark.read.schema(columns).option("basePath", root).parquet(*folders)


def _hash(schema: StructType) -> Column:
    """A row's 64-bit hash, in which a null differs from every value."""
    columns = [F.col(field.name) for field in schema]
    return F.xxhash64(*columns, *[F.col(field.name).isNull() for field in schema if field.nullable])


def _digest() -> list[Column]:
    """Count and sums of the halves of each row's hash: no order, partitioning or retry shows in them."""
    return [
        F.count(F.lit(1)).alias("rows"),
        F.sum(F.col(HASH).bitwiseAND(F.lit(0xFFFFFFFF))).alias("low"),
        F.sum(F.shiftrightunsigned(HASH, 32)).alias("high"),
    ]


def _fingerprint(schema: StructType, observed: dict[str, Any]) -> str:
    fields = [[field.name, field.dataType.simpleString()] for field in schema]
    sums = [observed["rows"], observed["low"] or 0, observed["high"] or 0]
    return hashlib.sha256(json.dumps([fields, sums]).encode()).hexdigest()[:32]


def _full(spark: SparkSession, folder: str) -> str:
    """Which disk is full, the snapshot's or the one of Spark's scratch files, and what to do."""
    if not hadoop.is_local(folder):
        return f"no space left to write {folder}; free some, then run the step again; the snapshot before stays"
    scratch = os.environ.get("SPARK_LOCAL_DIRS") or spark.conf.get("spark.local.dir", None) or "/tmp"
    disk = min(
        (_mount(hadoop.local(folder)), _mount(scratch.split(",")[0])), key=lambda mount: shutil.disk_usage(mount).free
    )
    return (
        f"the disk mounted at {disk} is full: {folder} could not be written and was removed, the snapshot before stays; "
        "free space there, or set `warehouse` to another disk, then run the step again"
    )


def _mount(path: str) -> Path:
    disk = Path(path)
    while not os.path.ismount(disk):
        disk = disk.parent
    return disk
