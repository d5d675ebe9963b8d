"""A report holds what its run left, escapes every value, asks no network, and leaves out what there is not."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from infra.expectations import Finding
from pipelines import sections
from pipelines.binary import sections as of_models
from pipelines.binary.comparison import Comparison
from pipelines.binary.frames.roles import Words
from pipelines.binary.measures.daily import Day
from pipelines.binary.measures.importance import Importance
from pipelines.binary.measures.raised import Flagged, Raised
from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Cost, Scored
from pipelines.binary.search import Trial
from pipelines.outcome import Outcome, Rows
from pipelines.report import Report
from pipelines.runner.turn import turn
from pipelines.section import Grid, Section, Text, Tile
from tests.chromium import EXECUTABLE, FLAGS

HOSTILE = '<script>alert("1")</script>'


def scored(sharpness: float) -> Scored:
    chance = np.random.default_rng(4)
    label = (chance.random(4000) < 0.03).astype(np.int64)
    log_odds = -5 + sharpness * label + chance.normal(size=4000)
    return Scored(label=label, value=chance.exponential(90, 4000), probability=1 / (1 + np.exp(-log_odds)))


DAYS = [
    Day(date=f"2018-04-0{day}", rows=100, positives=3, average_precision=0.7, precision_at_top=0.2) for day in (1, 2)
]
WHY = Raised(feature=HOSTILE, value=3.0, log_odds=1.25)


def evaluated() -> Outcome:
    models = (
        Rated(title="Ensemble", own=True, validation=scored(6.8), test=scored(7.0)),
        Rated(title="Random forest", validation=scored(4.8), test=scored(5.0)),
    )
    compared = Comparison(models=models, cost=Cost(review=10.0), words=Words(positives="frauds"))
    important = [Importance(feature=HOSTILE, mean=0.2, std=0.01)]
    return Outcome(
        summary="average precision 0.9 on test rows",
        headline="average precision 0.9 on test rows",
        facts={"Test rows": "4,000", "Average precision": "0.9000", "Model": "0123456789ab"},
        sections=(
            compared.result(),
            compared.ranking(),
            compared.decision(),
            compared.calibration(1.1, -0.2),
            of_models.members([0.79, 0.81], 0.9, important, 400),
            *of_models.daily({"Ensemble": DAYS}, {day.date: {HOSTILE: 0.3} for day in DAYS}, own="Ensemble"),
            *of_models.flagged([Flagged(key=HOSTILE, probability=0.9, label=1, raised=[WHY])], 0.5),
        ),
    )


@dataclass(frozen=True)
class Record:
    step: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)


JUDGED = Record(2, 0.4, {"average_precision": 0.7})
TRIALS = [
    Trial(setting={"network": "mlp", "width": 64}, average_precision=0.7654, folds=(0.7, 0.8)),
    Trial(setting={"network": "cnn"}, average_precision=None, folds=(), error=f"ValueError: {HOSTILE}"),
]
FINDINGS = [
    Finding(sentence="fraud must be one of 0, 1", success=True),
    Finding(sentence="amount must not be null", success=False, rows=3, keys=("a.csv:2", "a.csv:3", "a.csv:9")),
]
OUTCOMES = {
    "ingest@2013-09-01": Outcome(summary=f"rows of {HOSTILE}", rows=Rows(taken=1100, given=1090, quarantined=10)),
    "gate@2013-09-01": Outcome(
        summary="",
        failed="GateFailed: amount must not be null: 3 rows break it",
        warnings=("amount has drifted",),
        sections=(sections.judged("fraud.rows", "1 of 2 expectations hold", FINDINGS, {"amount": 0.31, "v1": 0.02}),),
    ),
    "search": Outcome(summary="2 trials", sections=(of_models.searched("2 trials, 1 failed", TRIALS),)),
    "train@000": Outcome(
        summary="",
        sections=(of_models.learned("member 0", [Record(1, 0.5), Record(2, 0.4, {"average_precision": 0.7})]),),
    ),
    "train@001": Outcome(summary="", sections=(of_models.learned("member 1", [Record(1, 0.6), Record(2, 0.3)]),)),
    "evaluate": evaluated(),
    "publish": Outcome(
        summary="champion moved",
        facts={"Model": "0123456789ab (became champion)"},
        sections=(Section(heading="Result", place=10, parts=(Text(strong="Publishing.", text="champion moved"),)),),
    ),
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
    step.run(None)
    return step.into.read_text()


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
        "day-by-day",
        "why-rows-are-flagged",
        "members-and-features",
        "search",
        "pipeline",
        "gates",
        "earlier-runs",
        "settings-and-versions",
    }
    assert sections <= found.ids
    assert set(found.addresses) == {f"#{section}" for section in sections}


def test_every_chart_has_its_figure(page: str) -> None:
    text = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    figures = json.loads(text.group(1))
    places = set(re.findall(r'data-figure="([^"]+)"', page))
    assert places == set(figures)
    ranking, importance = figures["ranking-0"], figures["members-and-features-2"]
    assert [trace["name"] for trace in ranking["data"]] == ["Random forest", "Ensemble"]
    assert importance["data"][0]["y"] == [HOSTILE]
    for learned in (
        figures["members-and-features-0"],
        figures["members-and-features-1"],
    ):  # of both members in one chart
        assert [trace["name"] for trace in learned["data"]] == ["member 0", "member 1"]
    assert figures["members-and-features-1"]["data"][0]["y"] == [0.7]
    assert figures["day-by-day-0"]["data"][0]["x"] == ["2018-04-01", "2018-04-02"]
    assert figures["day-by-day-2"]["data"][0]["name"] == HOSTILE


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
        "a.csv:2, a.csv:3, a.csv:9",
        "FAILED: GateFailed: amount must not be null: 3 rows break it",
        "Random forest",
        "earlier",
        "<h3>versions</h3>",
        "3.11.99",
        "(+1.2)",
    ):
        assert shown in page
    assert page.count("0123456789ab") >= 2 and "(became champion)" in page


def test_a_run_without_a_model_has_a_report_too(tmp_path: Path) -> None:
    found = Page(written(lay_out(tmp_path / "own", {"ingest@2013-09-01": OUTCOMES["ingest@2013-09-01"]})))
    assert (
        "pipeline" in found.ids
        and not {"ranking", "search", "gates", "earlier-runs", "members-and-features"} & found.ids
    )


def test_a_run_whose_steps_left_nothing_says_so_at_the_top(tmp_path: Path) -> None:
    page = written(tmp_path / "own")
    assert "<strong>The run failed.</strong> No step of it has come to its work" in page


def test_what_failed_stands_on_top_with_its_sentence_and_so_does_what_was_killed(tmp_path: Path) -> None:
    """A killed step took its turn and left nothing; one that still holds it, as the report's own, is at work."""
    folder = lay_out(tmp_path / "own", {"gate@2013-09-01": OUTCOMES["gate@2013-09-01"]})
    with turn(folder / "locks" / "score@2013-09-01.lock"), turn(folder / "locks" / "gate@2013-09-01.lock"):
        pass
    with turn(folder / "locks" / "report.lock"):
        page = written(folder)
    head = page[: page.index("<main>")]
    assert "<strong>gate@2013-09-01 failed.</strong> GateFailed: amount must not be null: 3 rows break it" in head
    assert "<strong>score@2013-09-01 failed.</strong> it was killed" in head
    assert "report failed" not in head and head.count("failed.</strong>") == 2


def test_only_its_own_scripts_may_run_and_its_plots_and_pictures_are_shown(page: str, tmp_path: Path) -> None:
    """In a browser, where a value that became a script, or asked for another host, would be refused."""
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and policy.count("'sha256-") == 2
    if EXECUTABLE is None:
        pytest.skip("no `chromium` on PATH; where it is there, the page is looked at")
    picture = f'<img id="dot" src="{DOT}"><script>document.title = "taken over"</script>'
    (tmp_path / "page.html").write_text(page.replace("</main>", f"{picture}</main>"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS.split())
        shown = chromium.new_page()
        said: list[str] = []
        shown.on("console", lambda message: said.append(message.text))
        shown.goto((tmp_path / "page.html").as_uri())
        drawn = shown.locator("[data-figure] svg.main-svg").count()
        assert drawn >= shown.locator("[data-figure]").count() > 0
        assert shown.evaluate("document.getElementById('dot').naturalWidth") == 1
        assert "taken over" not in shown.title()
        chromium.close()
    assert len(said) == 1 and "Content Security Policy" in said[0]  # the one script that is not the page's own


DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


def test_a_grid_holds_its_pictures_and_says_where_there_is_nothing_to_see(tmp_path: Path) -> None:
    tiles = (
        Tile(picture=DOT, caption=HOSTILE, note="3 dots"),
        Tile(picture="", caption="b.jpg", note="empty", bad=True),
    )
    grid = Grid(title="Some", note="2 of 9", tiles=tiles, legend={"dot": "#e4572e"})
    shown = Outcome(summary="", sections=(Section(heading="Pictures", place=20, parts=(grid,)),))
    assert Outcome.from_json(shown.to_json()).sections == shown.sections
    page = written(lay_out(tmp_path / "own", {"prepare": shown}))
    assert DOT in Page(page).addresses and HOSTILE not in page
    for said in ("nothing to see", "2 of 9", "background: #e4572e", "3 dots"):
        assert said in page


def test_a_picture_that_is_not_in_the_page_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be in the page .* got 'https://"):
        Tile(picture="https://example.org/a.png", caption="a")
