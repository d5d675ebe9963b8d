"""A report holds what its run left, escapes every value, asks no network, and leaves out what there is not."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.binary import measures
from pipelines.binary.measures import Cost, Scored
from pipelines.outcome import Outcome, Rows
from pipelines.report import Report

HOSTILE = '<script>alert("1")</script>'


def scored(sharpness: float) -> Scored:
    chance = np.random.default_rng(4)
    fraud = (chance.random(4000) < 0.03).astype(np.int64)
    log_odds = -5 + sharpness * fraud + chance.normal(size=4000)
    return Scored(fraud=fraud, amount=chance.exponential(90, 4000), probability=1 / (1 + np.exp(-log_odds)))


def plots(found: Scored) -> dict[str, Any]:
    cost = Cost()
    return measures.curves(found, cost) | {
        "confusion": measures.confusion(found, 0.3, cost),
        "reliability": measures.reliability(found),
        "histogram": measures.histogram(found),
    }


def evaluated() -> Outcome:
    models = {"ensemble": scored(7.0), "forest": scored(5.0)}
    figures = {name: measures.headline(found) for name, found in models.items()}
    return Outcome(
        summary="average precision 0.9 on test rows",
        metrics=figures["ensemble"] | {"threshold": 0.3, "member_average_precision": 0.8},
        details={
            "models": figures,
            "titles": {"forest": "Random forest"},
            "members": [0.79, 0.81],
            "plots": {name: plots(found) for name, found in models.items()},
            "importance": [{"feature": HOSTILE, "mean": 0.2, "std": 0.01}],
            "calibration": {"slope": 1.1, "intercept": -0.2},
            "review_cost": 10.0,
            "candidate": "0123456789abcdef",
            "rows": {part: {"rows": 4000, "frauds": 120} for part in ("validation", "test")},
        },
    )


OUTCOMES = {
    "ingest@2013-09-01": Outcome(summary=f"rows of {HOSTILE}", rows=Rows(taken=1100, given=1090, quarantined=10)),
    "features": Outcome(
        summary="2 expectations hold",
        warnings=("amount has drifted",),
        details={
            "expectations": [{"sentence": "fraud must be one of 0, 1", "rows": 0, "success": True}],
            "drift": {"amount": 0.31, "v1": 0.02},
        },
    ),
    "search": Outcome(
        summary="2 trials, 1 failed",
        details={
            "trials": [
                {
                    "setting": {"name": "mlp", "width": 64},
                    "average_precision": 0.7654,
                    "folds": [0.7, 0.8],
                    "error": None,
                },
                {"setting": {"name": "cnn"}, "average_precision": None, "folds": [], "error": f"ValueError: {HOSTILE}"},
            ]
        },
    ),
    "train@000": Outcome(summary="member 0 fitted", details={"history": [{"step": 1, "loss": 0.5}], "member": 0}),
    "evaluate": evaluated(),
    "publish": Outcome(summary="champion moved", details={"version": "0123456789abcdef", "moved": True}),
}


class Page(HTMLParser):
    """The text, the ids, and every address that a page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.addresses: list[str] = []
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            if name in ("src", "href", "action") and value:
                self.addresses.append(value)


def lay_out(folder: Path, outcomes: dict[str, Outcome]) -> Path:
    (folder / "outcomes").mkdir(parents=True)
    for at, (name, outcome) in enumerate(outcomes.items()):
        times = {"launched": 100.0 + at, "began": 101.0 + at, "ready": 102.0 + at, "ended": 110.0 + at}
        (folder / "outcomes" / f"{name}.json").write_text(replace(outcome, times=times).to_json())
    return folder


def written(folder: Path) -> str:
    step = Report(
        folder=folder,
        into=folder / "report.html",
        title="Fraud",
        run_id=f"{folder.name} {HOSTILE}",
        settings={"parameters": {"members": 1, "note": HOSTILE}, "versions": {"python": "3.11.99"}},
    )
    return Path(step.run(None).files["report"]).read_text()


@pytest.fixture
def page(tmp_path: Path) -> str:
    lay_out(tmp_path / "earlier", {"evaluate": evaluated()})
    return written(lay_out(tmp_path / "own", OUTCOMES))


def test_every_section_is_there_and_every_link_leads_to_one(page: str) -> None:
    found = Page(page)
    sections = {
        "result",
        "ranking",
        "decision",
        "calibration",
        "members",
        "search",
        "pipeline",
        "gates",
        "earlier",
        "settings",
    }
    assert sections <= found.ids
    assert set(found.addresses) == {f"#{section}" for section in sections}


def test_every_chart_has_its_figure(page: str) -> None:
    text = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    figures = json.loads(text.group(1))
    places = set(re.findall(r'data-figure="(\w+)"', page))
    assert places == set(figures)
    assert figures["precision_recall"]["data"][-1]["name"] == "Ensemble"
    assert figures["importance"]["data"][0]["y"] == [HOSTILE]


def test_values_are_escaped_everywhere(page: str) -> None:
    assert HOSTILE not in page
    assert Page(page).scripts == 3


def test_it_shows_rows_figures_and_comparisons(page: str) -> None:
    for shown in (
        "1,100",
        "1,090",
        "0.7654",
        "amount has drifted",
        "fraud must be one of 0, 1",
        "Random forest",
        "earlier",
        "<h3>versions</h3>",
        "3.11.99",
    ):
        assert shown in page
    assert "0123456789ab" in page and "(became champion)" in page


def test_a_run_without_a_model_has_a_report_too(tmp_path: Path) -> None:
    found = Page(written(lay_out(tmp_path / "own", {"ingest@2013-09-01": OUTCOMES["ingest@2013-09-01"]})))
    assert "pipeline" in found.ids and not {"ranking", "search", "gates", "earlier", "members"} & found.ids


def test_a_run_that_left_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no outcomes in"):
        written(tmp_path / "own")
