"""How a training is getting on: records, unless told otherwise one after each hundred steps and each epoch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WAITS = ("scheduling_s", "synchronisation_s", "commits_s", "data_s")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State after ``step`` steps: losses are of the rows since the record before, by the loss's own rule; ``epoch`` counts from one.

    After a validation ``validation`` is the loss of the validation rows, and ``metrics`` has the figures of Training's.

    ``skipped`` steps were not finite, and changed nothing.

    ``seconds`` is the time of the steps. In them rank 0 waited ``data_s`` for rows and, after its own backward, ``synchronisation_s``
    for the sum over workers. Beside them, between groups, ``commits_s`` went to holding the state still, ``scheduling_s`` to all else.
    """

    step: int
    epoch: int
    loss: float
    lr: float
    rows_per_s: float
    seconds: float
    validation: float | None = None
    scheduling_s: float = 0.0
    synchronisation_s: float = 0.0
    commits_s: float = 0.0
    data_s: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    skipped: int = 0

    @property
    def figures(self) -> dict[str, float]:
        """What is drawn over the steps, by name."""
        found = {"loss": self.loss, "rate": self.lr, "rows_per_s": self.rows_per_s}
        return found if self.validation is None else {**found, "validation": self.validation, **self.metrics}

    def __str__(self) -> str:
        validation = "" if self.validation is None else f", validation {self.validation:.5f}"
        validation += "".join(f", {name} {figure:.5f}" for name, figure in self.metrics.items())
        validation += f", {self.skipped} steps skipped" if self.skipped else ""
        return (
            f"epoch {self.epoch}, step {self.step}: loss {self.loss:.5f}{validation}, "
            f"rate {self.lr:.4g}, {self.rows_per_s:,.0f} rows/s"
        )


def time_shares(history: Iterable[Progress]) -> dict[str, float]:
    """What part of the time of steps and of pauses between groups went to scheduling, synchronisation, commits and data."""
    records = list(history)
    total = sum(record.seconds + record.scheduling_s + record.commits_s for record in records) or 1.0
    return {wait.removesuffix("_s"): sum(getattr(record, wait) for record in records) / total for wait in WAITS}


def told(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {part:.1%}".replace("%", " %") for name, part in parts.items())
