"""A model with its probabilities for the validation and the test rows: what all comparisons are made of."""

from dataclasses import dataclass
from functools import cached_property

from pipelines.binary.measures.figures import Figures
from pipelines.binary.measures.scored import Scored


@dataclass(frozen=True, kw_only=True)
class Rated:
    """``own`` is the model that the run is about; the others are what it is compared with."""

    title: str
    validation: Scored
    test: Scored
    own: bool = False

    @cached_property
    def figures(self) -> Figures:
        """On test rows."""
        return Figures.of(self.test)
