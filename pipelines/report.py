"""A run's report: one HTML file that needs no network, made of what the run's steps left in its outcomes folder."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from pyspark.sql import SparkSession

from pipelines import charts, tables
from pipelines.outcome import Outcome

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write ``into`` from the outcomes in ``folder``; runs beside it that were evaluated too are compared.

    What a run lacks (a search, a gate, an evaluation that did not come about) the page leaves out.
    """

    folder: Path
    into: Path
    title: str
    run_id: str
    settings: Mapping[str, Mapping[str, Any]]
    earlier: int = 20

    def run(self, spark: SparkSession | None) -> Outcome:
        outcomes = read(self.folder)
        page = self.render(outcomes)
        self.into.parent.mkdir(parents=True, exist_ok=True)
        aside = self.into.with_name(f".{self.into.name}")
        aside.write_text(page, encoding="utf-8")
        aside.rename(self.into)
        return Outcome(
            summary=f"report of {len(outcomes)} steps in {self.into}, {len(page) / 1e6:.1f} MB",
            files={"report": str(self.into)},
        )

    def render(self, outcomes: Mapping[str, Outcome]) -> str:
        """The page, every value escaped."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        context = self.context(outcomes)
        return environment.get_template("report.html.j2").render(
            **context, figures=embedded(figures(outcomes)), plotly=Markup(get_plotlyjs())
        )

    def context(self, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
        """What the template fills in, but for the charts."""
        evaluated, published = outcomes.get("evaluate"), outcomes.get("publish")
        sections = {
            "title": self.title,
            "run_id": self.run_id,
            "lede": evaluated.summary[:1].upper() + evaluated.summary[1:] + "."
            if evaluated
            else "No model was evaluated.",
            "data": tables.data(outcomes),
            "version": published.details["version"] if published else None,
            "publish": published.summary if published else None,
            "warnings": [f"{name}: {warning}" for name, outcome in outcomes.items() for warning in outcome.warnings],
            "learning": bool(instances(outcomes, "train")),
            "importance": bool(evaluated),
            "timeline": any("ended" in outcome.times for outcome in outcomes.values()),
            "search": tables.search(outcomes.get("search")),
            "steps": tables.steps(outcomes),
            "gates": tables.gates(outcomes),
            "earlier": tables.earlier(neighbours(self.folder, self.earlier), self.folder.name),
            "settings": self.settings,
        }
        sections |= tables.evaluation(evaluated)
        return sections | {"contents": [entry[:2] for entry in CONTENTS if sections[entry[2]]]}


CONTENTS = (
    ("result", "Result", "title"),
    ("ranking", "Ranking", "cards"),
    ("decision", "Decision", "cards"),
    ("calibration", "Calibration", "cards"),
    ("members", "Members and features", "importance"),
    ("search", "Search", "search"),
    ("pipeline", "Pipeline", "steps"),
    ("gates", "Gates", "gates"),
    ("earlier", "Earlier runs", "earlier"),
    ("settings", "Settings", "settings"),
)


def figures(outcomes: Mapping[str, Outcome]) -> dict[str, charts.Figure]:
    """The charts of what there is to draw."""
    drawn = {"timeline": charts.timeline(outcomes)}
    if members := instances(outcomes, "train"):
        drawn["learning"] = charts.learning({name: outcome.details["history"] for name, outcome in members.items()})
    if evaluated := outcomes.get("evaluate"):
        plots, titles = evaluated.details["plots"], evaluated.details["titles"]
        own = plots["ensemble"]
        drawn |= {
            "precision_recall": charts.precision_recall(plots, titles),
            "roc": charts.roc(plots, titles),
            "cost": charts.cost(plots, titles),
            "reliability": charts.reliability(own["reliability"]),
            "histogram": charts.histogram(own["histogram"], own["confusion"]["threshold"]),
            "importance": charts.importance(evaluated.details["importance"]),
        }
    return drawn


def read(folder: Path) -> dict[str, Outcome]:
    """Every outcome of a run by its step's name and instance, in the order in which they ended."""
    files = sorted((folder / "outcomes").glob("*.json"))
    found = {file.stem: Outcome.from_json(file.read_text()) for file in files}
    if not found:
        raise FileNotFoundError(f"no outcomes in {folder / 'outcomes'}; run the steps that the report is about first")
    return dict(sorted(found.items(), key=lambda entry: entry[1].times.get("ended", 0.0)))


def neighbours(folder: Path, most: int) -> Iterable[tuple[str, Outcome, Outcome | None]]:
    """The latest runs beside this one that were evaluated, each with its name, evaluation and publishing."""
    files = sorted(folder.parent.glob("*/outcomes/evaluate.json"), key=lambda file: file.stat().st_mtime)
    for file in files[-most:]:
        publish = file.with_name("publish.json")
        published = Outcome.from_json(publish.read_text()) if publish.exists() else None
        yield file.parent.parent.name, Outcome.from_json(file.read_text()), published


def instances(outcomes: Mapping[str, Outcome], step: str) -> dict[str, Outcome]:
    return {name: outcome for name, outcome in sorted(outcomes.items()) if name.split("@")[0] == step}


def embedded(value: Any) -> Markup:
    """JSON that may stand inside a script element: no ``<`` of a value can end it."""
    return Markup(json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028"))
