"""Landing files as numbered lines: CSV with a header, or Parquet, of any size, read by Spark in splits.

A line's number is exact in a file that many tasks read: a first pass counts the lines of each split, and a line's number
is its place in its split plus the lines of the splits before. The same pass finds each header, and files that hold the
same lines as another.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from urllib.parse import unquote

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from pipelines.dated.inspection import File, damage_named, files
from pipelines.dated.source import CSV, BadDelivery, Delivery

NAME = re.compile(r"[A-Za-z_]\w*")
SEPARATORS = (";", "\t", "|")
LONGEST = 2**20
"""Bytes that a line of CSV may have: Spark holds lines whole in memory, several of them at a time."""

LINE_LIMIT = "mapreduce.input.linerecordreader.line.maxlength"
"""Hadoop's reader leaves longer lines out without a word; what it gave is held against the file's size."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """The part of a file that is read as one: its lines and their digest, the place of its first, and a file's header.

    ``before`` is how many lines of the same file stand in the splits before it; ``size`` the bytes of its lines with their
    ends, ``longest`` those of its longest line.
    """

    path: str
    number: int
    lines: int
    size: int
    longest: int
    digest: tuple[int, int]
    first: int
    header: str | None
    before: int

    @property
    def file(self) -> str:
        """The file's own name, which Spark gives quoted as in an address."""
        return unquote(self.path).rpartition("/")[2]

    @property
    def shift(self) -> int:
        """What turns the place of one of its lines into the line's number in the file, which begins with 1."""
        return self.before - self.first + 1


@dataclass(frozen=True, kw_only=True)
class Landing:
    """The files of one folder below the landing folder ``root``."""

    root: str
    folder: str

    def read(self, spark: SparkSession, header: Sequence[str]) -> tuple[list[Delivery], DataFrame]:
        """The deliveries, and their lines of data: source_file, source_line, repeats, value (the line's text as CSV).

        Each file must have the columns ``header`` in that order; source_file is its name below ``root``.
        """
        landed = files(spark, f"{self.root}/{self.folder}")
        names = [file.name for file in landed]
        with damage_named(spark, f"{self.root}/{self.folder}"):
            lines = reduce(DataFrame.unionByName, [*self._texts(spark, names), *self._rows(spark, names, header)])
            splits = _splits(lines)
        for file in landed:
            self._refuse_long_lines(file, splits)
        for split in splits:
            if split.header is not None:
                _compare(f"{self.folder}/{split.file}", _columns(split.header), header)
        repeats = _repeats(names, splits)
        deliveries = [
            Delivery(name=f"{self.folder}/{name}", lines=_count(name, splits), repeats=self._named(repeats.get(name)))
            for name in names
        ]
        return deliveries, self._numbered(lines, splits, repeats)

    def _refuse_long_lines(self, file: File, splits: Sequence[Split]) -> None:
        """Refuse a file that has a longer line than may be: its reader cut that short, or left it out, so bytes are missing."""
        mine = [split for split in splits if split.file == file.name and not file.is_parquet]
        if file.size - sum(split.size for split in mine) >= LONGEST or any(split.longest >= LONGEST for split in mine):
            raise BadDelivery(
                f"landing file {self.folder}/{file.name} has a line of more than {LONGEST:,} bytes; "
                "deliver rows that end with a line feed"
            )

    def _texts(self, spark: SparkSession, names: list[str]) -> list[DataFrame]:
        """Every line of the CSV files with its file, split and place, by which a split's lines are ordered."""
        paths = [f"{self.root}/{self.folder}/{name}" for name in names if not _is_parquet(name)]
        if not paths:
            return []
        lines = spark.read.options(**{"lineSep": "\n", LINE_LIMIT: str(LONGEST)}).text(paths)
        return [
            lines.select(
                "value",
                F.col("_metadata.file_path").alias("path"),
                F.col("_metadata.file_block_start").alias("split"),
                F.monotonically_increasing_id().alias("place"),
            )
        ]

    def _rows(self, spark: SparkSession, names: list[str], header: Sequence[str]) -> list[DataFrame]:
        """The rows of each Parquet file as lines; the file is one split."""
        frames = []
        for name in filter(_is_parquet, names):
            rows = spark.read.parquet(f"{self.root}/{self.folder}/{name}")
            _compare(f"{self.folder}/{name}", rows.columns, header)
            frames.append(
                rows.select(
                    F.to_csv(F.struct(*rows.columns), CSV).alias("value"),
                    F.col("_metadata.file_path").alias("path"),
                    F.lit(-1).cast("bigint").alias("split"),
                    F.col("_metadata.row_index").alias("place"),
                )
            )
        return frames

    def _numbered(self, lines: DataFrame, splits: Sequence[Split], repeats: Mapping[str, str]) -> DataFrame:
        """The lines with their file and number, without the headers."""
        known = [
            (split.path, split.number, self._named(split.file), split.shift, self._named(repeats.get(split.file)))
            for split in splits
        ]
        schema = "path string, split bigint, source_file string, shift bigint, repeats string"
        of_split = F.broadcast(lines.sparkSession.createDataFrame(known, schema))
        numbered = lines.join(of_split, on=["path", "split"]).withColumn("source_line", F.col("place") + F.col("shift"))
        is_header = (F.col("source_line") == 1) & ~F.col("source_file").endswith(".parquet")
        return numbered.where(~is_header).select("source_file", "source_line", "repeats", "value")

    def _named(self, file: str | None) -> str | None:
        return f"{self.folder}/{file}" if file else None


def _splits(lines: DataFrame) -> list[Split]:
    """Every split of every file, in order; a line's end is no part of its digest."""
    line = F.xxhash64(F.rtrim(F.col("value"), F.lit("\r")))
    found = lines.groupBy("path", "split").agg(
        F.count(F.lit(1)).alias("lines"),
        F.sum(F.octet_length("value") + 1).alias("size"),
        F.max(F.octet_length("value")).alias("longest"),
        F.min("place").alias("first"),
        F.min_by(F.when(F.col("split") == 0, F.col("value")), "place").alias("header"),
        F.sum(line.bitwiseAND(F.lit(0xFFFFFFFF))).alias("low"),
        F.sum(F.shiftrightunsigned(line, 32)).alias("high"),
    )
    splits: list[Split] = []
    for row in sorted(found.collect(), key=lambda row: (row["path"], row["split"])):
        splits.append(_split(row, splits[-1] if splits and splits[-1].path == row["path"] else None))
    return splits


def _split(row: Row, previous: Split | None) -> Split:
    return Split(
        path=row["path"],
        number=row["split"],
        lines=row["lines"],
        size=row["size"],
        longest=row["longest"],
        digest=(row["low"], row["high"]),
        first=row["first"],
        header=row["header"],
        before=previous.before + previous.lines if previous else 0,
    )


def _repeats(names: Sequence[str], splits: Sequence[Split]) -> dict[str, str]:
    """For each file that holds the same lines as one before it, the first that does; files without data repeat nothing."""
    first: dict[tuple[int, int, int], str] = {}
    for name in filter(lambda name: _count(name, splits), names):
        first.setdefault(_digest(name, splits), name)
    found = {name: first.get(_digest(name, splits), name) for name in names}
    return {name: earlier for name, earlier in found.items() if earlier != name}


def _digest(name: str, splits: Sequence[Split]) -> tuple[int, int, int]:
    """How many lines a file has, and sums of the halves of their hashes: equal for the same lines in any order."""
    mine = [split for split in splits if split.file == name]
    return sum(s.lines for s in mine), sum(s.digest[0] for s in mine), sum(s.digest[1] for s in mine)


def _count(name: str, splits: Sequence[Split]) -> int:
    """A file's lines of data."""
    return sum(split.lines for split in splits if split.file == name) - (0 if _is_parquet(name) else 1)


def _is_parquet(name: str) -> bool:
    return name.endswith(".parquet")


def _columns(line: str) -> list[str]:
    """The columns that a CSV file's first line names."""
    return [column.strip().strip('"') for column in line.removeprefix("\ufeff").split(",")]


def _compare(name: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    if list(found) != list(wanted):
        raise BadDelivery(
            f"landing file {name}: the header is wrong: {_difference(list(found), list(wanted))}; correct the file"
        )


def _difference(found: list[str], wanted: list[str]) -> str:
    """What differs, showing only what looks like a column's name: without a header, the first line is data."""
    for separator in SEPARATORS:
        if len(found) < len(wanted) and ",".join(found).replace('"', "") == separator.join(wanted):
            return f"columns are separated by {separator!r} and must be by ','"
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    if any(not NAME.fullmatch(name) for name in surplus):
        return f"the first line does not name columns; expected {', '.join(wanted)}"
    if missing or surplus:
        return f"missing {missing or 'none'}, not expected {surplus or 'none'}"
    if len(found) != len(wanted):
        return f"expected {len(wanted)} columns, got {len(found)}, some twice"
    place = next(index for index, name in enumerate(wanted) if found[index] != name)
    return f"reordered: column {place + 1} must be {wanted[place]}, got {found[place]}"
