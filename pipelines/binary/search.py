"""Grid search: each trial fits in one process, in a Spark task of its own, over time-ordered folds of the training rows."""

import itertools
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import torch
from numpy.typing import NDArray
from pyspark.sql import SparkSession
from sklearn.metrics import average_precision_score

from dlcore import Training
from infra.tables import hadoop
from pipelines.binary import sections
from pipelines.binary.frames import statistics
from pipelines.binary.frames.bag import Bag
from pipelines.binary.frames.sample import at_most
from pipelines.binary.frames.split import Frames
from pipelines.binary.frames.statistics import Statistics
from pipelines.binary.models.fitting import Setting, named
from pipelines.outcome import Outcome, Rows


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one setting reached: the folds' average precisions and their mean weighted by positives, or the error."""

    setting: Setting
    average_precision: float | None
    folds: tuple[float, ...]
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Expanding folds: fit on the rows before each cut, measure on those from it to the next; cuts are shares of the rows."""

    cuts: tuple[float, ...] = (0.5, 0.75, 1.0)

    def __post_init__(self) -> None:
        if len(self.cuts) < 2 or list(self.cuts) != sorted(set(self.cuts)) or self.cuts[0] <= 0 or self.cuts[-1] > 1:
            raise ValueError(f"Folds.cuts must be at least two rising shares in (0, 1], got {self.cuts}")

    def bounds(self, rows: int) -> list[tuple[int, int]]:
        """For each fold where its training rows end and where its measured rows end."""
        at = [int(rows * cut) for cut in self.cuts]
        return list(itertools.pairwise(at))


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The setting that the search found best."""

    setting: Setting


@dataclass(frozen=True, kw_only=True)
class Search:
    """Try every setting on the bag's draw of the training rows, which is written below ``into``, and leave the best one.

    ``training`` makes a training of a setting, the statistics of a fold's training rows, and the number of rows drawn of them.
    A trial holds its rows in memory: of more than ``most`` training rows trials see a sample of about so many.
    """

    frames: Frames
    into: Path
    settings: tuple[Setting, ...]
    training: Callable[[Setting, Statistics, int], Training]
    bag: Bag
    folds: Folds = Folds()
    most: int = 500_000

    def __post_init__(self) -> None:
        if not self.settings:
            raise ValueError("Search.settings must hold at least one setting, got none")

    def run(self, spark: SparkSession | None) -> Outcome:
        assert spark is not None
        drawn = self.into / "drawn"
        trials = spark.sparkContext.parallelize(self.settings, len(self.settings))
        read = self.draw(spark, drawn)
        ranked = sorted(trials.map(self.trial(drawn)).collect(), key=lambda trial: -(trial.average_precision or 0.0))
        failed = [trial for trial in ranked if trial.error]
        if len(failed) == len(ranked):
            raise RuntimeError(f"every trial of the search failed; the first with: {failed[0].error}")
        best = ranked[0].average_precision or 0.0
        sample = f" on a sample of {read.given:,} of {read.taken:,} training rows" if read.left_out else ""
        said = (
            f"{len(ranked)} trials{sample}, {len(failed)} failed; best average precision {best:.4f} "
            f"with {named(ranked[0].setting)}"
        )
        return Outcome(
            summary=said,
            rows=read,
            metrics={"trials": len(ranked), "failed": len(failed), "average_precision": best},
            warnings=tuple(f"trial {named(trial.setting)} failed: {trial.error}" for trial in failed),
            result=Winner(setting=ranked[0].setting),
            sections=(sections.searched(said, ranked),),
        )

    def draw(self, spark: SparkSession, into: Path) -> Rows:
        """Write the training rows in order, each with how often it was drawn."""
        roles = self.bag.roles
        train, count = self.frames.read(spark, "train"), self.frames.rows("train")
        sample, left_out = at_most(train, count, self.most, roles.key)
        columns = dict.fromkeys([*roles.order, *self.frames.features, roles.label, "copies"])
        rows = self.bag.counted(sample).orderBy(*roles.order).select(*columns)
        rows.write.mode("overwrite").parquet(hadoop.uri(into))
        return Rows(taken=count, given=spark.read.parquet(hadoop.uri(into)).count(), left_out=left_out)

    def trial(self, drawn: Path) -> Callable[[Setting], Trial]:
        """The function that a Spark task runs; it carries values alone."""
        roles = self.bag.roles
        fold = Fold(
            drawn=drawn,
            training=self.training,
            features=self.frames.features,
            label=roles.label,
            order=roles.order,
            bins=self.frames.statistics.bins,
        )
        bounds = self.folds.bounds
        return lambda setting: attempt(setting, fold, bounds)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Fits and measures one setting on the drawn rows, which lie in time order."""

    drawn: Path
    training: Callable[[Setting, Statistics, int], Training]
    features: tuple[str, ...]
    label: str
    order: tuple[str, ...]
    bins: int

    def measured(self, setting: Setting, bounds: Callable[[int], list[tuple[int, int]]]) -> list[tuple[float, int]]:
        """Each fold's average precision and its positives."""
        table = ds.dataset(self.drawn, format="parquet").to_table()
        rows = table.sort_by([(name, "ascending") for name in self.order]).to_pandas()
        return [self.fold(setting, rows[:fit_end], rows[fit_end:end]) for fit_end, end in bounds(len(rows))]

    def fold(self, setting: Setting, before: Any, after: Any) -> tuple[float, int]:
        names = list(self.features)
        values_NF, label_N = before[names].to_numpy(np.float64), before[self.label].to_numpy(np.int64)
        fit = statistics.fitted_array(names, values_NF, label_N, bins=self.bins)
        bag = before.loc[before.index.repeat(before["copies"])]
        fitted = self.training(setting, fit, len(bag)).fit(bag[[*names, self.label]], features=names, label=self.label)
        later_N: NDArray[np.int64] = after[self.label].to_numpy(np.int64)
        if not later_N.any():
            raise ValueError(
                f"a fold must hold a positive to measure on, got none in {len(later_N)} rows; use wider folds"
            )
        with torch.inference_mode():
            score_N = fitted.module(torch.from_numpy(after[names].to_numpy(np.float32))).reshape(-1).numpy()
        return float(average_precision_score(later_N, score_N)), int(later_N.sum())


def attempt(setting: Setting, fold: Fold, bounds: Callable[[int], list[tuple[int, int]]]) -> Trial:
    """Run one trial; whatever fails in it becomes its error, with where it was raised."""
    torch.set_num_threads(1)
    try:
        measured = fold.measured(setting, bounds)
    except Exception as error:  # noqa: BLE001  a trial may fail in any part of a model; the search goes on and reports it
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return Trial(
            setting=setting, average_precision=None, folds=(), error=f"{type(error).__name__}: {error} ({where})"
        )
    precision, positives = zip(*measured, strict=True)
    return Trial(setting=setting, average_precision=float(np.average(precision, weights=positives)), folds=precision)
