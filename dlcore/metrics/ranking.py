"""Metrics of order: how far up scores put the rows that are wanted. The state holds each row's score."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcore.metrics.metric import State, joined, one_a_row, one_of


class Curve(NamedTuple):
    """At each distinct score, from the highest down, how many rows have it or more (``rows``), and how many positive ones (``hits``)."""

    rows: Tensor
    hits: Tensor


def curve(state: State) -> Curve:
    scores, order = state["scores"].sort(descending=True)
    last = torch.cat([scores[1:] != scores[:-1], torch.ones(1, dtype=torch.bool)])
    return Curve(rows=torch.arange(1, len(scores) + 1)[last], hits=state["positive"][order].cumsum(0)[last])


@dataclass(frozen=True, kw_only=True)
class OfScores:
    """A figure of the scores of rows of two classes; ``of`` names the output and the target, where there are several."""

    of: str | None = None
    higher_is_better: bool = field(default=True, init=False)

    def update(self, prediction: Any, target: Any) -> State:
        scores, targets = one_a_row(prediction, target, self.of)
        return {"scores": scores.float(), "positive": targets > 0}

    def merge(self, states: Sequence[State]) -> State:
        return joined(states)


@dataclass(frozen=True, kw_only=True)
class AveragePrecision(OfScores):
    """The area under precision over recall, as steps, of scores of two classes, as scikit-learn has it; zero without positives."""

    name: str = "average_precision"

    def result(self, state: State) -> float:
        rows, hits = curve(state)
        found = hits.double()
        gained = torch.diff(found, prepend=torch.zeros(1, dtype=torch.float64))
        return float((gained * found / rows).sum() / max(1, int(hits[-1])))


@dataclass(frozen=True, kw_only=True)
class RocAuc(OfScores):
    """The area under the ROC curve, the part of the pairs of a positive and a negative row in which the positive one scores higher, ties
    counted half; NaN without rows of both classes. It is a ratio of counts.
    """

    name: str = "roc_auc"

    def result(self, state: State) -> float:
        rows, hits = (torch.cat([torch.zeros(1, dtype=torch.int64), each]) for each in curve(state))
        misses = rows - hits
        twice = (misses.diff() * (hits[1:] + hits[:-1])).sum()  # trapezes, in whole numbers
        pairs = int(hits[-1]) * int(misses[-1])
        return int(twice) / (2 * pairs) if pairs else float("nan")


@dataclass(frozen=True, kw_only=True)
class OfLists:
    """A figure of each list's first ``k`` rows, averaged over lists. A list is the rows that have one value of the target ``by``, a whole
    number, wherever they lie; ``of`` names the target that says how relevant a row is, and the output where there are several.

    Of equal scores the less relevant come first, so that a model that tells nothing apart gains nothing.
    """

    k: int
    by: str
    of: str
    name: str = ""
    higher_is_better: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"{type(self).__name__}.k must be at least 1, got {self.k}")
        object.__setattr__(self, "name", self.name or f"{type(self).__name__.lower()}_{self.k}")

    def update(self, prediction: Any, target: Any) -> State:
        output = prediction if isinstance(prediction, Tensor) else one_of(prediction, self.of)
        scores, relevance = one_a_row(output, one_of(target, self.of), None)
        lists = one_of(target, self.by).reshape(-1)
        return {"scores": scores.float(), "relevance": relevance.float(), "lists": lists}

    def merge(self, states: Sequence[State]) -> State:
        return joined(states)

    def result(self, state: State) -> float:
        scores, relevance, lists = (state[name].numpy() for name in ("scores", "relevance", "lists"))
        order = np.lexsort((relevance, -scores, lists))
        best = np.lexsort((-relevance, lists))
        begins = np.flatnonzero(np.diff(lists[order], prepend=lists[order][0] - 1))
        places = np.arange(len(lists)) - np.repeat(begins, np.diff(begins, append=len(lists)))
        first = places < self.k
        ranked = Ranked(
            places=places,
            relevance=np.where(first, relevance[order], 0).astype(np.float64),
            best=np.where(first, relevance[best], 0).astype(np.float64),
            begins=begins,
        )
        return float(self.figures(ranked).mean())

    def figures(self, ranked: "Ranked") -> NDArray[np.float64]:
        """The figure of each list."""
        raise NotImplementedError


class Ranked(NamedTuple):
    """Rows list by list: their ``places`` from zero; their ``relevance`` as they are scored, and as it would be at its ``best``, both zero
    from place k on; where each list ``begins``.
    """

    places: NDArray[np.int64]
    relevance: NDArray[np.float64]
    best: NDArray[np.float64]
    begins: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HitRatio(OfLists):
    """The part of the lists that have a relevant row among their first ``k``."""

    def figures(self, ranked: Ranked) -> NDArray[np.float64]:
        hit: NDArray[np.float64] = np.maximum.reduceat((ranked.relevance > 0).astype(np.float64), ranked.begins)
        return hit


@dataclass(frozen=True, kw_only=True)
class NDCG(OfLists):
    """Relevance discounted by the logarithm of its place, over what the best order has, as scikit-learn has it (where scores differ).

    A list without a relevant row counts zero.
    """

    def figures(self, ranked: Ranked) -> NDArray[np.float64]:
        discount = 1 / np.log2(ranked.places + 2)
        gained, best = (np.add.reduceat(each * discount, ranked.begins) for each in (ranked.relevance, ranked.best))
        found: NDArray[np.float64] = np.divide(gained, best, out=np.zeros_like(gained), where=best > 0)
        return found
