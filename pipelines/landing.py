"""Landing files as numbered lines: CSV with a header, or Parquet, of any size, read by Spark in splits.

A line's number is exact in a file that many tasks read: a first pass counts the lines of each split, and a line's number
is its place in its split plus the lines of the splits before. The same pass finds each header, and files that hold the
same lines as another.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from infra.tables import hadoop
from pipelines.rows import QUOTING

SUFFIXES = (".csv", ".csv.gz", ".parquet")
NAME = re.compile(r"[A-Za-z_]\w*")


class BadDelivery(ValueError):
    """What has landed cannot be read as rows at all; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One landed file: its name below the landing folder, its lines of data, and the file whose lines it repeats."""

    name: str
    lines: int
    repeats: str | None = None


@dataclass(frozen=True, kw_only=True)
class Landing:
    """The files of one folder below the landing folder ``root``, each with the columns ``header`` in that order."""

    spark: SparkSession
    root: str
    folder: str
    header: Sequence[str]

    def read(self) -> tuple[list[Delivery], DataFrame]:
        """The deliveries, and their lines of data: source_file, source_line, repeats, value (the line's text as CSV)."""
        found = self._files()
        unnumbered = self._unnumbered([file.path for file in found])
        splits = self._splits(unnumbered)
        for first in splits:
            if first["header"] is not None:
                self._check(self._name(unquote(first["path"])), first["header"])
        deliveries = self._deliveries([file.path for file in found], splits)
        return deliveries, self._numbered(unnumbered, splits, deliveries)

    def _files(self) -> list[hadoop.Entry]:
        folder = f"{self.root}/{self.folder}"
        found = [entry for entry in hadoop.entries(self.spark, folder) if entry.name[0] not in "._"]
        if not found:
            raise BadDelivery(f"no landing file in {folder}; deliver one there, then run the step again")
        for entry in found:
            if entry.is_folder or not entry.name.endswith(SUFFIXES):
                raise BadDelivery(f"landing file {entry.path}: a name must end in one of {SUFFIXES}; move it elsewhere")
            if entry.size == 0:
                raise BadDelivery(f"landing file {entry.path} is empty, without even a header; deliver it again")
        return found

    def _unnumbered(self, paths: list[str]) -> DataFrame:
        """Every line with its file, split and place, by which a split's lines are ordered."""
        parquet = [path for path in paths if path.endswith(".parquet")]
        csv = [path for path in paths if path not in parquet]
        frames = [self._text(csv)] if csv else []
        return _union(frames + [self._parquet(path) for path in parquet])

    def _text(self, paths: list[str]) -> DataFrame:
        lines = self.spark.read.option("lineSep", "\n").text(paths)
        split = F.col("_metadata.file_block_start")
        return lines.select(
            "value",
            F.col("_metadata.file_path").alias("path"),
            split.alias("split"),
            F.monotonically_increasing_id().alias("place"),
        )

    def _parquet(self, path: str) -> DataFrame:
        rows = self.spark.read.parquet(path)
        self._compare(self._name(path), rows.columns)
        return rows.select(
            F.to_csv(F.struct(*rows.columns), QUOTING).alias("value"),
            F.col("_metadata.file_path").alias("path"),
            F.lit(-1).cast("bigint").alias("split"),
            F.col("_metadata.row_index").alias("place"),
        )

    def _splits(self, lines: DataFrame) -> list[Row]:
        """Each split's count, first place, header (of a CSV file's first split) and sums of line hashes."""
        line = F.xxhash64("value")
        found = lines.groupBy("path", "split").agg(
            F.count(F.lit(1)).alias("lines"),
            F.min("place").alias("first"),
            F.min_by(F.when(F.col("split") == 0, F.col("value")), "place").alias("header"),
            F.sum(line.bitwiseAND(F.lit(0xFFFFFFFF))).alias("low"),
            F.sum(F.shiftrightunsigned(line, 32)).alias("high"),
        )
        return sorted(found.collect(), key=lambda split: (split["path"], split["split"]))

    def _deliveries(self, paths: list[str], splits: list[Row]) -> list[Delivery]:
        first: dict[tuple[int, int, int], str] = {}
        deliveries = []
        for path in paths:
            mine = [split for split in splits if self._name(unquote(split["path"])) == self._name(path)]
            digest = tuple(sum(split[name] for split in mine) for name in ("lines", "low", "high"))
            lines = digest[0] - (0 if path.endswith(".parquet") else 1)
            delivery = Delivery(name=self._name(path), lines=lines)
            deliveries.append(replace(delivery, repeats=first.get(digest)) if lines else delivery)
            first.setdefault(digest, delivery.name)
        return deliveries

    def _numbered(self, lines: DataFrame, splits: list[Row], deliveries: list[Delivery]) -> DataFrame:
        repeats = {delivery.name: delivery.repeats for delivery in deliveries}
        known = [
            (
                split["path"],
                split["split"],
                self._name(unquote(split["path"])),
                before - split["first"] + 1,
                repeats[self._name(unquote(split["path"]))],
            )
            for split, before in zip(splits, _before(splits), strict=True)
        ]
        schema = "path string, split bigint, source_file string, shift bigint, repeats string"
        numbered = lines.join(F.broadcast(self.spark.createDataFrame(known, schema)), on=["path", "split"])
        return numbered.select(
            "source_file", (F.col("place") + F.col("shift")).alias("source_line"), "repeats", "value"
        ).where((F.col("source_line") > 1) | F.col("source_file").endswith(".parquet"))

    def _name(self, path: str) -> str:
        """A file's name below the landing folder."""
        return f"{self.folder}/{path.rpartition('/')[2]}"

    def _check(self, name: str, line: str) -> None:
        self._compare(name, [column.strip().strip('"') for column in line.removeprefix("\ufeff").split(",")])

    def _compare(self, name: str, found: Sequence[str]) -> None:
        wanted = list(self.header)
        if list(found) != wanted:
            raise BadDelivery(
                f"landing file {name}: the header is wrong: {_difference(list(found), wanted)}; correct the file"
            )


def _before(splits: list[Row]) -> list[int]:
    """How many lines of the same file stand in the splits before each split."""
    before: list[int] = []
    for index, split in enumerate(splits):
        same = index > 0 and splits[index - 1]["path"] == split["path"]
        before.append(before[-1] + splits[index - 1]["lines"] if same else 0)
    return before


def _difference(found: list[str], wanted: list[str]) -> str:
    """What differs, showing only what looks like a column's name: without a header, the first line is data."""
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


def _union(frames: list[DataFrame]) -> DataFrame:
    first, *rest = frames
    for frame in rest:
        first = first.unionByName(frame)
    return first
