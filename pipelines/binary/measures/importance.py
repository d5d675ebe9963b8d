"""Permutation importance: how far average precision falls when one feature's values are shuffled among the rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor

from pipelines.binary.measures.predictions import Rate


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The mean and deviation of the falls over repeats."""

    feature: str
    mean: float
    std: float


def drawn(label_N: NDArray[np.int64], most: int, *, seed: int) -> NDArray[np.int64]:
    """The places, rising, of up to ``most`` rows of each label, 0 and 1."""
    chance = np.random.default_rng(seed)
    each = [chance.permutation(np.flatnonzero(label_N == kind))[:most] for kind in (0, 1)]
    return np.sort(np.concatenate(each))


def permuted(
    rate: Rate, rows_NF: Tensor, label_N: NDArray[np.int64], features: Sequence[str], *, seed: int, repeats: int = 3
) -> list[Importance]:
    """Return each feature's importance on the rows given, the most important first."""
    with torch.inference_mode():
        whole = average_precision_score(label_N, rate(rows_NF).numpy())
        falls = {
            name: [whole - _shuffled(rate, rows_NF, label_N, at, [seed, at, turn]) for turn in range(repeats)]
            for at, name in enumerate(features)
        }
    found = [
        Importance(feature=name, mean=float(np.mean(fall)), std=float(np.std(fall))) for name, fall in falls.items()
    ]
    return sorted(found, key=lambda each: -each.mean)


def _shuffled(rate: Rate, rows_NF: Tensor, label_N: NDArray[np.int64], at: int, seed: list[int]) -> float:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(rows_NF)))
    shuffled = rows_NF.clone()
    shuffled[:, at] = rows_NF[order, at]
    return float(average_precision_score(label_N, rate(shuffled).numpy()))
