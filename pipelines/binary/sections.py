"""What training, search and importance add to the report."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pipelines.binary.measures import charts
from pipelines.binary.measures.importance import Importance
from pipelines.charts import Step, learning
from pipelines.section import Column, Line, Listing, Plot, Section

MEMBERS = "Members and features"


def members(alone: Sequence[float], together: float, important: Sequence[Importance]) -> Section:
    """What the members reach alone, and what their ensemble rests on."""
    mean = sum(alone) / len(alone)
    return Section(
        heading=MEMBERS,
        place=50,
        text=f"{len(alone)} members alone reach an average precision of {min(alone):.3f} to {max(alone):.3f} on test rows, "
        f"{mean:.3f} on average; together {together:.3f}.",
        parts=(Plot(title="Permutation importance, validation rows", figure=charts.importance(important)),),
    )


def learned(member: str, history: Sequence[Step]) -> Section:
    """How one member's loss went; the members of a run are drawn together."""
    plot = Plot(title="Loss of each member on its bag", figure=learning(member, history))
    return Section(heading=MEMBERS, place=50, parts=(plot,))


class Tried(Protocol):
    """A trial of a search: what was set, what it reached, or its error."""

    @property
    def setting(self) -> Mapping[str, Any]: ...
    @property
    def average_precision(self) -> float | None: ...
    @property
    def folds(self) -> tuple[float, ...]: ...
    @property
    def error(self) -> str | None: ...


def searched(summary: str, trials: Sequence[Tried]) -> Section:
    """Every trial, the best first."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.setting))
    numbers = {n for n in names if any(isinstance(trial.setting.get(n), int | float) for trial in trials)}
    columns = (
        Column(title="Rank", style="number"),
        *(Column(title=name, style="number" if name in numbers else "text") for name in names),
        Column(title="Average precision", style="number"),
        Column(title="Folds", style="number"),
        Column(title="Error", style="warning"),
    )
    lines = tuple(
        Line(cells=(str(rank), *_tried(trial, names)), own=rank == 1) for rank, trial in enumerate(trials, start=1)
    )
    return Section(
        heading="Search",
        place=60,
        text=f"{summary}. Each trial is measured on time-ordered folds of the training rows.",
        parts=(Listing(columns=columns, lines=lines),),
    )


def _tried(trial: Tried, names: Sequence[str]) -> tuple[str, ...]:
    reached = "" if trial.average_precision is None else f"{trial.average_precision:.4f}"
    folds = ", ".join(f"{each:.3f}" for each in trial.folds)
    return (*(str(trial.setting.get(name, "")) for name in names), reached, folds, trial.error or "")
