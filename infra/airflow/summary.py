"""What a run closes with: its models' figures side by side, where its time went, and where to look next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.airflow import results


def figures(folder: Path) -> str:
    """The tables that stand with the run's first figures in its report, or an empty text where the run did not get there."""
    listings = [
        part
        for section in results.sections(folder)
        if section["cards"]
        for part in section["parts"]
        if part["kind"] == "listing"
    ]
    return "\n\n".join(
        table([column["title"] for column in each["columns"]], [line["cells"] for line in each["lines"]])
        for each in listings
    )


def times(folder: Path) -> str:
    """For each step the share of starting Java and Python, of its imports and Spark session, and of its work."""
    rows = results.step_times(folder)
    whole = results.StepTime(
        step="all steps together",
        java_s=sum(row.java_s for row in rows),
        session_s=sum(row.session_s for row in rows),
        work_s=sum(row.work_s for row in rows),
    )
    return table(
        ["step", "seconds", "java+python", "imports+session", "work"], [_shares(row) for row in [*rows, whole]]
    )


def _shares(row: results.StepTime) -> list[str]:
    parts = (row.java_s, row.session_s, row.work_s)
    return [row.step, f"{row.total_s:.1f}", *(f"{part / row.total_s:.0%}" if row.total_s else "-" for part in parts)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(_aligned(row, widths) for row in [head, *rows])


def _aligned(row: Sequence[Any], widths: Sequence[int]) -> str:
    first, *others = row
    return "  ".join(
        [f"{first:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))]
    )
