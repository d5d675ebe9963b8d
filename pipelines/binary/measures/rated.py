"""A model with its probabilities for the validation and the test rows: what all comparisons are made of."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import rankdata

from pipelines.binary.measures.figures import Figures
from pipelines.binary.measures.scored import Scored


@dataclass(frozen=True, kw_only=True)
class Rated:
    """``own`` is the model that the run is about; the others are what it is compared with: rivals, but for what has a ``part`` of it."""

    title: str
    validation: Scored
    test: Scored
    own: bool = False
    part: bool = False

    @property
    def rival(self) -> bool:
        return not (self.own or self.part)

    def with_ranks_of(self, other: "Rated") -> "Rated":
        """Both models by the mean of a row's ranks, with the probabilities of this one in that order."""
        validation, test = (
            together(mine, theirs) for mine, theirs in ((self.validation, other.validation), (self.test, other.test))
        )
        title = f"{self.title} and {other.title} by rank"
        return Rated(title=title, part=True, validation=validation, test=test)

    @cached_property
    def figures(self) -> Figures:
        """On test rows."""
        return Figures.of(self.test)


def together(first: Scored, second: Scored) -> Scored:
    """Rows in the order of their mean rank by both, with the first's probabilities; equal ones keep the lowest of their places."""
    ranks = rankdata(first.probability) + rankdata(second.probability)
    lowest = rankdata(ranks, method="min").astype(np.int64) - 1
    return replace(first, probability=np.sort(first.probability)[lowest])
