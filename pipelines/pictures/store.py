"""An application's pictures in HBase: each under a key that names its day, its file and its content, and so never changes."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from infra.hbase.client import Address
from infra.hbase.keys import EVERYTHING, Range, Selection, dated
from infra.hbase.rows import Rows
from infra.hbase.writing import Writer, Written

FAMILY = "pictures"
RESULTS = "results"
FAMILIES = (FAMILY, RESULTS)
SCHEMA = StructType(
    [
        StructField("key", StringType()),
        StructField("picture", BinaryType()),
        StructField("annotation", BinaryType()),
    ]
)
"""What a row of HBase holds: the files as they were delivered."""

KEYS = StructType(SCHEMA.fields[:2])


def content(picture: bytes) -> str:
    """By what equal pictures are known."""
    return hashlib.sha256(picture).hexdigest()


def key(ds: str, name: str, picture: bytes, annotation: bytes | None) -> str:
    """The key of a picture with this annotation: with another it is another row, for results belong to what was seen."""
    both = hashlib.sha256(hashlib.sha256(picture).digest() + hashlib.sha256(annotation or b"").digest())
    return f"{dated(ds, name)}|{both.hexdigest()[:16]}"


def result(name: str, version: str) -> str:
    """The cell of what a model made of a picture, so that results of two models never mix."""
    return f"{name}_{version[:12]}"


def of_day(ds: str) -> Selection:
    """The rows of one day."""
    return EVERYTHING.within([Range.of_prefix(dated(ds, "|")[:-1].encode())])


@dataclass(frozen=True, kw_only=True)
class Store:
    """The table ``table``, with the families ``FAMILIES``; a row is never changed, and is there before the catalogue names it."""

    address: Address
    table: str

    @property
    def rows(self) -> Rows:
        """Every row."""
        return Rows(address=self.address, table=self.table, schema=SCHEMA, family=FAMILY)

    @property
    def writer(self) -> Writer:
        return Writer(address=self.address, table=self.table, family=FAMILY)

    @property
    def results(self) -> Writer:
        """Writes what models made of a picture beside it, under its key."""
        return Writer(address=self.address, table=self.table, family=RESULTS)

    def put(self, rows: pa.RecordBatch) -> dict[str, str]:
        """Put rows of ``SCHEMA`` from inside of a task; why each key that HBase will never take is refused."""
        return self.writer.within(rows, SCHEMA)

    def keys(self, spark: SparkSession, ds: str) -> DataFrame:
        """The keys of a day, whether the catalogue names them or not."""
        rows = Rows(
            address=self.address,
            table=self.table,
            schema=KEYS,
            family=FAMILY,
            selection=of_day(ds),
            filter=b"KeyOnlyFilter()",
        )
        return rows.mapped(spark, lambda batches: (batch.select(["key"]) for batch in batches), "key string")

    def remove(self, keys: DataFrame, families: Collection[str] = FAMILIES) -> Written:
        """Take rows out, with their results."""
        return self.writer.remove(keys, families)
