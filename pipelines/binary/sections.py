"""What training, search and importance add to the report."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dlcore import AveragePrecision
from pipelines.binary.measures import charts
from pipelines.binary.measures.daily import TOP, Day
from pipelines.binary.measures.importance import Importance
from pipelines.binary.measures.raised import Flagged, Raised
from pipelines.charts import Step, by_step, learning, over_days
from pipelines.fit import BOARD
from pipelines.section import Column, Line, Listing, Plot, Section

MEMBERS = "Members and features"
DRIFTING = 5
"""How many features' drift is drawn."""


def members(alone: Sequence[float], together: float, important: Sequence[Importance], rows: int) -> Section:
    """What the members reach alone, and what their ensemble rests on, as found on so many validation rows."""
    mean = sum(alone) / len(alone)
    return Section(
        heading=MEMBERS,
        place=50,
        text=f"{len(alone)} members alone reach an average precision of {min(alone):.3f} to {max(alone):.3f} on test rows, "
        f"{mean:.3f} on average; together {together:.3f}.",
        parts=(Plot(title=f"Permutation importance, {rows:,} validation rows", figure=charts.importance(important)),),
    )


class Record(Step, Protocol):
    """A record of a training, with figures of validation rows where it validated."""

    @property
    def metrics(self) -> Mapping[str, float]: ...


def learned(member: str, history: Sequence[Record]) -> Section:
    """How one member's loss, and its average precision on validation rows, went; the members of a run are drawn together."""
    name = AveragePrecision().name
    judged = {record.step: record.metrics[name] for record in history if name in record.metrics}
    return Section(
        heading=MEMBERS,
        place=50,
        text=f"Event files for TensorBoard lie in the folder {BOARD} of each member.",
        parts=(
            Plot(title="Loss of each member on its bag", figure=learning(member, history)),
            Plot(
                title="Average precision of each member on validation rows, by step",
                figure=by_step(member, judged, "average precision"),
            ),
        ),
    )


def daily(
    models: Mapping[str, Sequence[Day]], drift: Mapping[str, Mapping[str, float]], *, own: str
) -> tuple[Section, ...]:
    """Figures and drift of test rows as time lines; none where they are of one day."""
    if len(models[own]) < 2:
        return ()
    titles = {"average_precision": "Average precision", "precision_at_top": f"Precision at {TOP} entities a day"}
    lines = {
        title: {name: {day.date: getattr(day, figure) for day in days} for name, days in models.items()}
        for figure, title in titles.items()
    }
    shown = {title: found for title, found in lines.items() if any(each is not None for each in found[own].values())}
    worst = sorted(profiled(drift), key=lambda name: -max(day[name] for day in drift.values()))[:DRIFTING]
    moved = {name: {date: day[name] for date, day in drift.items()} for name in worst}
    plots = [Plot(title=title, figure=over_days(found, title.lower(), own=own)) for title, found in shown.items()]
    if moved:
        plots.append(Plot(title="Drift from the training rows", figure=over_days(moved, "stability index")))
    said = f" Drift is a feature's population stability index, of the {len(moved)} that moved most; over 0.25 is commonly a major shift."
    text = "Test rows by their day." + (said if moved else "")
    return (Section(heading="Day by day", place=45, text=text, parts=tuple(plots)),)


def profiled(drift: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The features whose drift is told."""
    return list(next(iter(drift.values()), {}))


def flagged(found: Sequence[Flagged], threshold: float) -> tuple[Section, ...]:
    """The rows of highest scores with what raised them; none where no row is flagged."""
    if not found:
        return ()
    columns = (
        Column(title="Row", style="code"),
        Column(title="Probability", style="number"),
        Column(title="Label", style="number"),
        Column(title="Raised by (log-odds)"),
    )
    lines = tuple(
        Line(cells=(each.key, f"{each.probability:.4f}", str(each.label), _raised(each.raised))) for each in found
    )
    text = (
        f"The {len(found)} highest scores at or above the threshold {threshold:.4f}, each with the features that raise it: by how much "
        "its log-odds would fall if the feature were what it is on average."
    )
    listing = Listing(title="Flagged test rows", columns=columns, lines=lines, folded=True)
    return (Section(heading="Why rows are flagged", place=47, text=text, parts=(listing,)),)


def _raised(found: Sequence[Raised]) -> str:
    return ", ".join(f"{each.feature} {each.value:.4g} (+{each.log_odds:.1f})" for each in found)


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
