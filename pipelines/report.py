"""A run's report: one HTML file that needs no network, made of the sections that the run's steps left in their outcomes."""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from pyspark.sql import SparkSession

from pipelines import outcome, sections
from pipelines.outcome import Outcome
from pipelines.runner.turn import ended
from pipelines.section import Figure, Part, Plot, Section, merged, slug

TEMPLATES = Path(__file__).parent / "templates"
NOTHING = ("The run", "No step of it has come to its work; the tasks' logs say why.")
KILLED = Outcome(
    summary="", failed="it was killed, or ran out of memory, before it could say why; its log shows how far it came"
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write ``into`` from the outcomes in ``folder``; the latest ``earlier`` runs beside it are compared by their facts.

    It knows no step: what there is to say of a step stands in the step's own sections.
    """

    folder: Path
    into: Path
    title: str
    run_id: str
    settings: Mapping[str, Mapping[str, Any]]
    earlier: int = 20

    def run(self, spark: SparkSession | None) -> Outcome:
        outcomes = outcome.read_all(self.folder)
        outcomes |= {name: KILLED for name in ended(self.folder / "locks") if name not in outcomes}
        page = self.render(outcomes)
        self.into.parent.mkdir(parents=True, exist_ok=True)
        aside = self.into.with_name(f".{self.into.name}")
        aside.write_text(page, encoding="utf-8")
        aside.rename(self.into)
        return Outcome(summary=f"report of {len(outcomes)} steps in {self.into}, {len(page) / 1e6:.1f} MB")

    def render(self, outcomes: Mapping[str, Outcome]) -> str:
        """The page, every value escaped."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        plotly, drawing = get_plotlyjs(), (TEMPLATES / "report.js").read_text()
        shown = self.sections(outcomes)
        headlines = [each.headline for each in outcomes.values() if each.headline and not each.failed]
        return environment.get_template("report.html.j2").render(
            title=self.title,
            run_id=self.run_id,
            failed=[(name, each.failed) for name, each in outcomes.items() if each.failed]
            or ([] if outcomes else [NOTHING]),
            lede=f"{headlines[-1][:1].upper()}{headlines[-1][1:]}." if headlines else "",
            data=sections.data(outcomes),
            contents=[(slug(section.heading), section) for section in shown],
            grouped=grouped,
            figures=embedded(figures(shown)),
            allowed=Markup(" ".join(map(source, (plotly, drawing)))),
            plotly=Markup(plotly),
            drawing=Markup(drawing),
        )

    def sections(self, outcomes: Mapping[str, Outcome]) -> list[Section]:
        """What the steps left, and what any run has; a section that holds nothing is left out."""
        of_steps = [section for each in outcomes.values() for section in each.sections]
        beside = [sections.Earlier(id=folder.name, outcomes=outcome.read_all(folder)) for folder in self.beside()]
        of_run = [
            sections.notices(outcomes),
            sections.steps(outcomes),
            sections.earlier(beside, self.folder.name),
            sections.settings(self.settings),
        ]
        return [section for section in merged([*of_steps, *of_run]) if section.cards or section.parts]

    def beside(self) -> list[Path]:
        """The folders of the latest runs, this one among them."""
        found = sorted(self.folder.parent.glob("*/outcomes"), key=lambda outcomes: outcomes.stat().st_mtime)
        return [outcomes.parent for outcomes in found[-self.earlier :]]


def grouped(parts: Sequence[Part]) -> list[tuple[bool, list[tuple[int, Part]]]]:
    """Parts with their places, those that follow each other and take half a line each together."""
    numbered = list(enumerate(parts))
    return [
        (half, list(group))
        for half, group in itertools.groupby(numbered, key=lambda each: getattr(each[1], "half", False))
    ]


def figures(shown: Iterable[Section]) -> dict[str, Figure]:
    """Every figure by the place in the page that it is drawn in."""
    return {
        f"{slug(section.heading)}-{at}": part.figure
        for section in shown
        for at, part in enumerate(section.parts)
        if isinstance(part, Plot)
    }


def source(script: str) -> str:
    """A script as a Content-Security-Policy allows it by its content: nothing else in the page, or in a value of it, is run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def embedded(value: Any) -> Markup:
    """JSON that may stand inside a script element: no ``<`` of a value can end it."""
    return Markup(json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028"))
