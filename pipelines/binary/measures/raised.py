"""Which features raised a row's score: how far its log-odds fall when one of them is what it is on average."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.binary.measures.predictions import Rate


@dataclass(frozen=True, kw_only=True)
class Raised:
    """A feature of a row, its value there, and by how much it raises the row's log-odds."""

    feature: str
    value: float
    log_odds: float


def raised(
    log_odds: Rate, rows_NF: Tensor, mean_F: Sequence[float], features: Sequence[str], *, most: int = 3
) -> list[list[Raised]]:
    """Of each row the ``most`` features that raise its score, the strongest first; those that lower it are left out."""
    with torch.inference_mode():
        whole_N = log_odds(rows_NF)
        falls = []
        for at, mean in enumerate(mean_F):
            changed_NF = rows_NF.clone()
            changed_NF[:, at] = mean
            falls.append(whole_N - log_odds(changed_NF))
    falls_NF = torch.stack(falls, dim=1)
    return [_strongest(fall_F, row_F, features, most) for fall_F, row_F in zip(falls_NF, rows_NF, strict=True)]


def _strongest(fall_F: Tensor, row_F: Tensor, features: Sequence[str], most: int) -> list[Raised]:
    order = torch.argsort(fall_F, descending=True, stable=True)[:most].tolist()
    found = [Raised(feature=features[at], value=float(row_F[at]), log_odds=float(fall_F[at])) for at in order]
    return [each for each in found if each.log_odds > 0]


@dataclass(frozen=True, kw_only=True)
class Flagged:
    """A row that is flagged, by its key, with what raised its score."""

    key: str
    probability: float
    label: int
    raised: list[Raised]
