"""Edges that cut each feature where the label changes, for networks that take a feature piece by piece."""

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

Edges = tuple[tuple[float, ...], ...]
"""Of each feature, the edges of its bins in rising order; where it has fewer bins than others, the last edge again and again."""

MOST_ROWS = 200_000
"""Edges are found on so many rows at most."""
LEAF_ROWS = 20
"""A bin holds so many rows at least."""


def edges_of(values_NF: NDArray[np.float64], label_N: NDArray[np.int64], *, bins: int) -> Edges:
    """At most ``bins`` bins a feature: the leaves of a decision tree on this feature alone (Gorishniy, Rubachev, Babenko, 2022)."""
    return tuple(_edges(column, label_N, bins) for column in values_NF.T)


def _edges(values_N: NDArray[np.float64], label_N: NDArray[np.int64], bins: int) -> tuple[float, ...]:
    tree = DecisionTreeClassifier(max_leaf_nodes=bins, min_samples_leaf=LEAF_ROWS, random_state=0)
    fitted = tree.fit(values_N[:, None], label_N).tree_
    inner = np.unique(fitted.threshold[fitted.feature >= 0]).tolist()
    last = float(values_N.max())
    return (float(values_N.min()), *inner, *[last] * (bins - len(inner)))
