"""Drift of columns from a profile: how their rows spread over bins that held equal shares when the profile was made."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypedDict

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

LEAST = 1e-4
"""Smallest share that enters a logarithm, so that an empty bin weighs much and not without bound."""


class Bins(TypedDict):
    """The upper edges of all bins but the last, ascending, and each bin's share of the rows."""

    edges: list[float]
    shares: list[float]


Profile = Mapping[str, Bins]


def profile(df: DataFrame, columns: Sequence[str], *, bins: int = 10, error: float = 0.01) -> dict[str, Bins]:
    """The quantile bins of each column, to ``error`` in rank, with the shares that its rows have in them; plain JSON."""
    if bins < 2:
        raise ValueError(f"a profile needs at least 2 bins, got {bins}")
    quantiles = df.approxQuantile(list(columns), [number / bins for number in range(1, bins)], error)
    edges = {name: sorted(set(found)) for name, found in zip(columns, quantiles, strict=True)}
    shares = _shares(df, edges)
    return {name: Bins(edges=edges[name], shares=shares[name]) for name in columns}


def drift(df: DataFrame, profile: Profile) -> dict[str, float]:
    """Population stability index of each column: 0 for equal shares; over 0.25 is commonly called a major shift."""
    shares = _shares(df, {name: bins["edges"] for name, bins in profile.items()})
    return {name: stability(bins["shares"], shares[name]) for name, bins in profile.items()}


def _shares(df: DataFrame, edges: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The share of rows in each bin, of all columns in one pass; null and NaN fall into the last bin."""
    below = [F.array(*[_count(name, edge) for edge in known]).alias(name) for name, known in edges.items()]
    (counted,) = df.agg(F.count(F.lit(1)).alias("_rows"), *below).collect()
    if not counted["_rows"]:
        raise ValueError("drift needs at least one row, got none")
    return {name: _parts(counted[name], counted["_rows"]) for name in edges}


def _count(name: str, edge: float) -> Column:
    return F.count(F.when(F.col(name) <= edge, 1))


def _parts(below: Sequence[int], rows: int) -> list[float]:
    """Shares of bins from counts up to each edge."""
    cumulative = [0, *below, rows]
    return [(high - low) / rows for low, high in pairwise(cumulative)]


def stability(expected: Sequence[float], found: Sequence[float]) -> float:
    """Population stability index of shares of bins."""
    pairs = [(max(a, LEAST), max(b, LEAST)) for a, b in zip(expected, found, strict=True)]
    return sum((b - a) * math.log(b / a) for a, b in pairs)
