"""The report's sections of any run: its steps, its gates, the runs before it, its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines import charts
from pipelines.outcome import Outcome
from pipelines.section import Column, Line, Listing, Pairs, Plot, Section

if TYPE_CHECKING:
    from infra.expectations import Finding  # which takes seconds to import


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A run beside this one, by its outcomes in the order in which they ended."""

    id: str
    outcomes: Mapping[str, Outcome]

    @property
    def facts(self) -> dict[str, str]:
        return {name: fact for outcome in self.outcomes.values() for name, fact in outcome.facts.items()}

    @property
    def ended(self) -> float:
        """When the last step that left facts ended."""
        return max((each.times.get("ended", 0.0) for each in self.outcomes.values() if each.facts), default=0.0)


def notices(outcomes: Mapping[str, Outcome]) -> Section:
    """Failures and warnings, which stand with the result."""
    failed = [f"{name} failed: {outcome.failed}" for name, outcome in outcomes.items() if outcome.failed]
    warned = [f"{name}: {warning}" for name, outcome in outcomes.items() for warning in outcome.warnings]
    column = (Column(title="Warnings", style="warning"),)
    lines = tuple(Line(cells=(sentence,)) for sentence in (*failed, *warned))
    return Section(heading="Result", place=10, parts=(Listing(columns=column, lines=lines),) if lines else ())


def steps(outcomes: Mapping[str, Outcome]) -> Section:
    """When each step ran, and one line a step: its seconds, its rows, its sentence."""
    columns = (
        Column(title="Step", style="code"),
        *(Column(title=title, style="number") for title in ("Seconds", "Rows in", "Out", "Quarantined")),
        Column(title="What it did"),
    )
    listing = Listing(columns=columns, lines=tuple(_step(name, outcome) for name, outcome in outcomes.items()))
    timed = any("ended" in outcome.times for outcome in outcomes.values())
    plot = Plot(title="When each step ran", figure=charts.timeline(outcomes), half=False)
    return Section(heading="Pipeline", place=70, parts=(plot, listing) if timed else (listing,))


def _step(name: str, outcome: Outcome) -> Line:
    times, rows = outcome.times, outcome.rows
    seconds = f"{times['ended'] - times['launched']:.1f}" if "ended" in times else ""
    counts = [f"{count:,}" for count in (rows.taken, rows.given, rows.quarantined)] if rows else ["", "", ""]
    return Line(cells=(name, seconds, *counts, f"FAILED: {outcome.failed}" if outcome.failed else outcome.summary))


def judged(subject: str, summary: str, findings: Sequence[Finding], drift: Mapping[str, float]) -> Section:
    """What was expected of some rows and what was found, and how far their columns have drifted, the farthest first."""
    listing = Listing(
        title=f"{subject}: {summary}",
        folded=True,
        columns=(
            Column(title="Expectation"),
            Column(title="Rows that break it", style="number"),
            Column(title="Holds"),
            Column(title="Keys or value", style="code"),
        ),
        lines=tuple(_found(finding) for finding in findings),
    )
    ranked = sorted(drift.items(), key=lambda found: -found[1])
    drifted = Pairs(
        title=f"{subject}: drift from the training profile",
        note="Population stability index: 0 for equal shares, above 0.25 a major shift.",
        values={column: f"{index:.3f}" for column, index in ranked},
    )
    return Section(
        heading="Gates",
        place=80,
        text="What was expected of the tables, and what was found before they were let in.",
        parts=(listing, drifted) if drift else (listing,),
    )


def _found(finding: Finding) -> Line:
    shown = ", ".join(finding.keys) or ("" if finding.success or finding.observed is None else str(finding.observed))
    return Line(cells=(finding.sentence, f"{finding.rows:,}", "yes" if finding.success else "NO", shown))


def earlier(runs: Sequence[Earlier], own: str) -> Section:
    """One line a run that left facts, the latest first."""
    told = sorted((run for run in runs if run.facts), key=lambda run: -run.ended)
    names = list(dict.fromkeys(name for run in told for name in run.facts))
    numbers = {name for name in names if all(_is_number(run.facts.get(name, "0")) for run in told)}
    columns = (
        Column(title="Run", style="code"),
        Column(title="Ended (UTC)"),
        *(Column(title=name, style="number" if name in numbers else "code") for name in names),
    )
    lines = tuple(
        Line(cells=(run.id, _moment(run.ended), *(run.facts.get(name, "") for name in names)), own=run.id == own)
        for run in told
    )
    text = "Runs on other dates were measured on other rows: small differences between them say little."
    parts = (Listing(columns=columns, lines=lines),) if lines else ()
    return Section(heading="Earlier runs", place=90, text=text if lines else "", parts=parts)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").removeprefix("-").isdecimal()


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else ""


def settings(given: Mapping[str, Mapping[str, Any]]) -> Section:
    """A listing for each group of settings."""
    columns = (Column(title="Name"), Column(title="Value", style="code"))
    listings = [
        Listing(
            title=name,
            half=True,
            columns=columns,
            lines=tuple(Line(cells=(key, str(value))) for key, value in values.items()),
        )
        for name, values in given.items()
    ]
    return Section(heading="Settings and versions", place=100, parts=tuple(listings))


def data(outcomes: Mapping[str, Outcome]) -> str:
    """The dates of the partitions that the run worked on."""
    dates = sorted({partition.ds for outcome in outcomes.values() for partition in outcome.partitions})
    return ", ".join(dates) if len(dates) <= 3 else f"{dates[0]} to {dates[-1]}, {len(dates)} dates"
