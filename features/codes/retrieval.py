"""How good the neighbours of codes are: mean average precision at n, where a neighbour of the query's own class is right."""

import numpy as np
from numpy.typing import NDArray

from features.codes.hamming import Codes, Index, Keys


def mean_average_precision(right: NDArray[np.bool_]) -> float:
    """Of rankings [q, n], nearest first, that say which neighbours are right: the mean over the queries of their average precision.

    That is the mean of the precision at each right neighbour among the n, as the literature on binary codes counts it (DeepBit's
    table too); what would have been right further down is not missed, and a query without any right one counts as 0.
    """
    if right.ndim != 2 or not len(right):
        raise ValueError(f"mean average precision needs rankings [q, n] of at least one query, got {list(right.shape)}")
    precision = right.cumsum(axis=1) / np.arange(1, right.shape[1] + 1)
    hits = right.sum(axis=1)
    total = (precision * right).sum(axis=1)
    return float(np.divide(total, hits, out=np.zeros(len(right)), where=hits > 0).mean())


def retrieval_precision(
    codes: Codes, classes: Keys, *, among: Codes, known: Keys, n: int, keys: Keys | None = None
) -> float:
    """The mean average precision at ``n`` of queries ``codes`` of ``classes`` among codes of the classes ``known``.

    Codes at one distance are ordered by ``keys``; without, by their place.
    """
    order = np.arange(len(among)) if keys is None else np.argsort(keys, kind="stable")
    rows, _ = Index.of(np.arange(len(among)), among[order]).nearest(codes, k=n)
    return mean_average_precision(known[order][rows] == classes[:, None])
