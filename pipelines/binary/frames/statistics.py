"""Means and deviations of features, fitted on training rows and carried by the model that was trained with them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from pipelines.binary.frames.edges import Edges, edges_of

EXACT = "decimal(38, 12)"


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The mean and deviation of each feature; a constant feature has deviation 1, so that scaling keeps it finite.

    ``edges`` are those of its bins, where networks take features piece by piece.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    edges: Edges = ()

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.mean) == len(self.std):
            raise ValueError(
                f"statistics need one mean and deviation a feature, "
                f"got {len(self.features)} features, {len(self.mean)} means, {len(self.std)} deviations"
            )
        if self.edges and len(self.edges) != len(self.features):
            raise ValueError(
                f"statistics need edges of each feature or of none, got {len(self.edges)} of {len(self.features)}"
            )

    @property
    def bins(self) -> int:
        """How many bins each feature is cut into; 0 where it is not."""
        return len(self.edges[0]) - 1 if self.edges else 0


def fitted(frame: DataFrame, features: Sequence[str]) -> Statistics:
    """Fit on every row of ``frame``, by decimal sums: no order of rows or partitions changes a bit of the result."""
    row = frame.agg(F.count(F.lit(1)).alias("rows"), *[total for name in features for total in _totals(name)]).first()
    if row is None or row["rows"] == 0:
        raise ValueError("statistics are fitted on at least one row, got none")
    moments = [_moments(row, name) for name in features]
    return Statistics(
        features=tuple(features), mean=tuple(mean for mean, _ in moments), std=tuple(std for _, std in moments)
    )


def fitted_array(
    features: Sequence[str], values_NF: NDArray[np.float64], label_N: NDArray[np.int64] | None = None, *, bins: int = 0
) -> Statistics:
    """Fit on an array of rows by features, for a trial that holds its fold in memory; edges of ``bins`` bins take labels."""
    std = values_NF.std(axis=0)
    return Statistics(
        features=tuple(features),
        mean=tuple(values_NF.mean(axis=0).tolist()),
        std=tuple(np.where(std > 0, std, 1.0).tolist()),
        edges=() if label_N is None or not bins else edges_of(values_NF, label_N, bins=bins),
    )


def _totals(name: str) -> list[Column]:
    exact = F.col(name).cast(EXACT)
    square = (F.col(name) * F.col(name)).cast(EXACT)
    return [F.sum(exact).alias(f"{name}_sum"), F.sum(square).alias(f"{name}_square")]


def _moments(row: Row, name: str) -> tuple[float, float]:
    total, square = row[f"{name}_sum"], row[f"{name}_square"]
    if total is None or square is None:
        raise ValueError(f"feature {name!r} must have finite values below 1e13, got a row without one")
    mean = Decimal(total) / row["rows"]
    variance = Decimal(square) / row["rows"] - mean * mean
    return float(mean), math.sqrt(variance) if variance > 0 else 1.0
