"""What is kept of a picture beside its bytes: its row in the catalogue, or why it was refused."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from infra.tables.hive import Table

EDGES = ("left", "top", "right", "bottom")
BOX = StructType(
    [
        StructField("label", StringType()),
        *[StructField(edge, DoubleType()) for edge in EDGES],
        StructField("difficult", BooleanType()),
    ]
)
COUNT = StructType([StructField("label", StringType()), StructField("objects", IntegerType())])

ROW = StructType(
    [
        StructField("key", StringType()),
        StructField("name", StringType()),
        StructField("source", StringType()),
        StructField("sha256", StringType()),
        StructField("bytes", LongType()),
        StructField("kind", StringType()),
        StructField("width", IntegerType()),
        StructField("height", IntegerType()),
        StructField("split", StringType()),
        StructField("annotated", BooleanType()),
        StructField("objects", IntegerType()),
        StructField("dropped", IntegerType()),
        StructField("counts", ArrayType(COUNT)),
        StructField("boxes", ArrayType(BOX)),
    ]
)
"""``key`` is the picture's in HBase and ``source`` its file below the landing folder; ``counts`` are objects by class, and
``dropped`` those whose boxes had no area or were outside."""

WHY = [StructField(name, StringType()) for name in ("rule", "reason")]
REFUSED = StructType([*[ROW[name] for name in ("name", "source", "sha256", "bytes")], *WHY])
DETECTIONS = StructType(
    [
        StructField("key", StringType()),
        StructField("place", IntegerType()),
        StructField("label", StringType()),
        StructField("score", DoubleType()),
        *[StructField(edge, DoubleType()) for edge in EDGES],
        StructField("model_version", StringType()),
    ]
)
"""An object that was found in a picture: ``place`` 1 is the surest, edges are in dots of the picture as it was delivered, upright."""

CODES = StructType(
    [
        StructField("key", StringType()),
        StructField("place", IntegerType()),
        StructField("label", StringType()),
        StructField("code", BinaryType()),
        StructField("thumbnail", BinaryType()),
        StructField("model_version", StringType()),
    ]
)
"""The code of an object that was found, and a small JPEG of it."""

NEIGHBOURS = StructType(
    [
        StructField("key", StringType()),
        StructField("place", IntegerType()),
        StructField("neighbour_key", StringType()),
        StructField("neighbour_place", IntegerType()),
        StructField("rank", IntegerType()),
        StructField("distance", IntegerType()),
        StructField("model_version", StringType()),
    ]
)
"""A look-alike of an object: ``rank`` 1 is the nearest, ``distance`` is in bits."""

OPTIONAL = ("split",)
"""Columns of a row that may be null."""

JUDGED = StructType([*ROW.fields, *[StructField(name, IntegerType()) for name in ("outside", "unknown")]])
"""What a row is judged by: ``measured`` gives it."""


def measured(rows: DataFrame, classes: Sequence[str]) -> DataFrame:
    """Rows of the catalogue with how many of their boxes are ``outside`` of the picture, and how many of an ``unknown`` class."""
    outside = (
        "b.left < 0 OR b.top < 0 OR b.right > width OR b.bottom > height OR b.left >= b.right OR b.top >= b.bottom"
    )
    return rows.withColumns(
        {
            "outside": F.expr(f"size(filter(boxes, b -> {outside}))"),
            "unknown": F.size(F.filter("boxes", lambda box: ~box["label"].isin(list(classes)))),
        }
    )


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of one application's pictures, in its database."""

    database: str

    @property
    def catalogue(self) -> Table:
        return Table(database=self.database, name="pictures", schema=ROW, version=1)

    @property
    def quarantine(self) -> Table:
        """Pictures that were not let in."""
        return Table(database=self.database, name="pictures_quarantine", schema=REFUSED, version=1)

    @property
    def unprepared(self) -> Table:
        """Pictures that were let in and could not be prepared."""
        return Table(database=self.database, name="unprepared_quarantine", schema=REFUSED, version=1)

    @property
    def detections(self) -> Table:
        """What the champion found in pictures."""
        return Table(database=self.database, name="detections", schema=DETECTIONS, version=1)

    @property
    def codes(self) -> Table:
        """What the champion's coder made of them."""
        return Table(database=self.database, name="codes", schema=CODES, version=1)

    @property
    def neighbours(self) -> Table:
        """Their look-alikes."""
        return Table(database=self.database, name="neighbours", schema=NEIGHBOURS, version=1)
