"""Cut a range of feature rows by time into training, validation and test frames, and fit on the first what models carry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from infra.tables import hadoop
from pipelines.binary.frames import statistics
from pipelines.binary.frames.boundary import before, boundary, seconds
from pipelines.binary.frames.edges import MOST_ROWS, Edges, edges_of
from pipelines.binary.frames.preparation import MakesPipeline, Prepared
from pipelines.binary.frames.roles import Roles
from pipelines.binary.frames.sample import at_most, in_words, inside
from pipelines.binary.frames.statistics import Statistics
from pipelines.dated.labels import PinnedLabels
from pipelines.dated.pin import FilesPin, TablePin
from pipelines.outcome import Outcome, Rows

PARTS = ("train", "validation", "test")
JUDGED_ROWS = 500_000
"""How many rows at most models are judged on."""

Profile = Callable[[DataFrame, Sequence[str]], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """The rows of one frame, its positives, and the time of its first and last row in seconds; how many of its range are left out."""

    rows: int
    positives: int
    first_s: float
    last_s: float
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Frames:
    """What a split leaves: a folder of frames with the columns ``features`` that models see, and what was fitted on train.

    ``sources`` are the columns of the rows that these are made of, by ``prepared`` where there is such a pipeline.
    """

    folder: Path
    features: tuple[str, ...]
    sources: tuple[str, ...]
    parts: Mapping[str, Part]
    statistics: Statistics
    profile: Mapping[str, Any] = field(default_factory=dict)
    prepared: Prepared | None = None

    def path(self, part: str) -> Path:
        return self.folder / part

    def read(self, spark: SparkSession, part: str) -> DataFrame:
        return spark.read.parquet(hadoop.uri(self.path(part)))

    def rows(self, *parts: str) -> int:
        """How many rows the split wrote to some of its parts."""
        return sum(self.parts[part].rows for part in parts)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Write ``into``/train, validation and test: the first, next and last rows by time, ties by key.

    Rows that have no label yet, where ``labels`` are a table of their own, are left out and counted, for they are no negatives.
    ``shares`` are those of training and validation; the rest is for testing. Who validates and tests holds these rows in memory:
    of more than ``judged_rows`` in either range a sample of about so many is written, and the rest is left out. Statistics and the
    profile that later data is compared with (made by ``profile`` of about ``profile_rows`` rows) are functions of the training rows
    alone; so is ``pipeline``, if there is one, which makes ``features`` of the rows, and so are the edges of ``bins`` bins a feature,
    if there are any.
    """

    rows: TablePin | FilesPin
    features: tuple[str, ...]
    into: Path
    roles: Roles
    labels: PinnedLabels | None = None
    pipeline: MakesPipeline | None = None
    shares: tuple[float, float] = (0.6, 0.1)
    profile: Profile | None = None
    profile_rows: int = 20_000
    judged_rows: int = JUDGED_ROWS
    bins: int = 0

    def __post_init__(self) -> None:
        train, validation = self.shares
        if not (train > 0 and validation > 0 and train + validation < 1):
            raise ValueError(
                f"shares of training and validation must be above 0 and leave rows to test on, got {self.shares}"
            )

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        rows = self.rows.read(spark)
        labelled, unlabelled = self.labelled(spark, rows)
        drawn = self.drawn(labelled, labelled.count())
        prepared = self.prepared(drawn["train"][0])
        parts = {
            part: self.write(prepared.applied(frame) if prepared else frame, part, left_out)
            for part, (frame, left_out) in drawn.items()
        }
        self.refuse_without_positives(parts)
        return self.outcome(self.fitted(spark, parts, rows, prepared), unlabelled)

    def labelled(self, spark: SparkSession, rows: DataFrame) -> tuple[DataFrame, int]:
        """The rows that have a label, with it, and how many have none yet."""
        if self.labels is None:
            return rows, 0
        found, label = self.labels.joined(spark, rows), F.col(self.roles.label)
        return found.where(label.isNotNull()), found.where(label.isNull()).count()

    def outcome(self, found: Frames, unlabelled: int) -> Outcome:
        said = [
            f"{part} {in_words(each.rows, each.left_out)} with {each.positives} positives"
            for part, each in found.parts.items()
        ]
        left_out = [f"{unlabelled:,} rows without a label yet left out"] if unlabelled else []
        sampled = sum(part.left_out for part in found.parts.values())
        counts = {f"{part}_rows": each.rows for part, each in found.parts.items()}
        counts |= {f"{part}_positives": each.positives for part, each in found.parts.items()}
        return Outcome(
            summary=", ".join([*said, *left_out]),
            rows=Rows(taken=self.rows.rows, given=found.rows(*PARTS), left_out=unlabelled + sampled),
            metrics=counts | ({"unlabelled_rows": unlabelled} if self.labels else {}),
            result=found,
        )

    def drawn(self, rows: DataFrame, total: int) -> dict[str, tuple[DataFrame, int]]:
        """The three frames, each with how many rows of its range are left out."""
        train, validation = (int(total * share + 1e-9) for share in (self.shares[0], sum(self.shares)))
        if not 0 < train < validation < total:
            raise ValueError(f"a split by {self.shares} needs a row for each part, got {total} rows")
        ranges = self.cut(rows, train, validation)
        counts = (train, validation - train, total - validation)
        most = (train, self.judged_rows, self.judged_rows)
        drawn = [at_most(*each, self.roles.key) for each in zip(ranges, counts, most, strict=True)]
        return dict(zip(PARTS, drawn, strict=True))

    def cut(self, rows: DataFrame, train: int, validation: int) -> tuple[DataFrame, DataFrame, DataFrame]:
        """The rows of the three ranges, where those of validation and of testing begin at these positions."""
        order = self.roles.order
        first, second = (boundary(rows, order, position) for position in (train, validation))
        return (
            rows.where(before(order, first)),
            rows.where(~before(order, first) & before(order, second)),
            rows.where(~before(order, second)),
        )

    def write(self, frame: DataFrame, part: str, left_out: int) -> Part:
        """Write one frame in time order and say what is in it."""
        folder = hadoop.uri(self.into / part)
        frame.orderBy(*self.roles.order).write.mode("overwrite").parquet(folder)
        written, label = frame.sparkSession.read.parquet(folder), F.coalesce(F.sum(self.roles.label), F.lit(0))
        time = seconds(written, self.roles.time)
        row = written.agg(F.count(F.lit(1)), label, F.min(time), F.max(time)).first()
        assert row is not None
        count, positives, first_s, last_s = row
        return Part(
            rows=int(count), positives=int(positives), first_s=float(first_s), last_s=float(last_s), left_out=left_out
        )

    def refuse_without_positives(self, parts: Mapping[str, Part]) -> None:
        for part in ("train", "validation"):
            if not parts[part].positives:
                raise ValueError(
                    f"the {part} range must hold at least one positive ({self.roles.label} = 1), got none in "
                    f"{parts[part].rows:,} rows; widen the range of dates"
                )

    def prepared(self, train: DataFrame) -> Prepared | None:
        """The pipeline as fitted on training rows in their order, so that the same rows give the same numbers."""
        if self.pipeline is None:
            return None
        rows = train.orderBy(*self.roles.order).coalesce(1)
        return Prepared.fit(self.pipeline(), rows, self.features, self.into / "preparation")

    def fitted(
        self, spark: SparkSession, parts: Mapping[str, Part], rows: DataFrame, prepared: Prepared | None
    ) -> Frames:
        """Fit what the model carries, on training rows."""
        train = spark.read.parquet(hadoop.uri(self.into / "train"))
        sample = profiled(train, self.roles.key, self.profile_rows / parts["train"].rows)
        features = prepared.features if prepared else self.features
        return Frames(
            folder=self.into,
            features=features,
            sources=tuple(name for name in rows.columns if name != "ds") if prepared else features,
            parts=parts,
            statistics=replace(
                statistics.fitted(train, features), edges=self.edges(train, parts["train"].rows, features)
            ),
            profile=self.profile(sample, self.watched(rows, prepared)) if self.profile else {},
            prepared=prepared,
        )

    def edges(self, train: DataFrame, count: int, features: Sequence[str]) -> Edges:
        """Where each feature is cut, by the labels of the training rows, or of a sample of them."""
        if not self.bins:
            return ()
        sample, _ = at_most(train, count, MOST_ROWS, self.roles.key)
        rows: pd.DataFrame = sample.select(*features, self.roles.label).toPandas()
        values_NF, label_N = rows[list(features)].to_numpy(np.float64), rows[self.roles.label].to_numpy(np.int64)
        return edges_of(values_NF, label_N, bins=self.bins)

    def watched(self, rows: DataFrame, prepared: Prepared | None) -> tuple[str, ...]:
        """The columns whose drift is watched: those of the feature table that models see, or that become what they see."""
        if prepared is None:
            return self.features
        others = {*self.roles.kept}
        numeric = [each.name for each in rows.schema if isinstance(each.dataType, NumericType)]
        return tuple(name for name in numeric if name not in others)


def profiled(rows: DataFrame, key: Sequence[str], share: float) -> DataFrame:
    """About ``share`` of the rows in one partition by their key: what is made of them is the same however the rows were ordered."""
    return rows.where(inside(key, share)).coalesce(1).sortWithinPartitions(*key)
