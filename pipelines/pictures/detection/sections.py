"""What the report shows of a detector: how it learned, what it finds and misses by class, and pictures with its boxes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from pipelines.charts import Step, learning
from pipelines.fit import BOARD
from pipelines.pictures.detection.judged import Judged
from pipelines.pictures.detection.shown import LEGEND
from pipelines.pictures.drawing import colour
from pipelines.section import Card, Column, Grid, Line, Listing, Plot, Section, Tile

HEADING = "Detector"
POINTS = 200
"""Of a curve in the page."""


class Record(Step, Protocol):
    """A record of a training with figures of validation pictures, at the end of an epoch."""

    @property
    def metrics(self) -> Mapping[str, float]: ...


def learned(history: Sequence[Record]) -> Section:
    """How the loss went, and the mean precision on validation pictures after each epoch."""
    told = [(record.step, record.metrics["voc07"]) for record in history if "voc07" in record.metrics]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "val",
        "x": [step for step, _ in told],
        "y": [round(value, 4) for _, value in told],
        "line": {"color": "@own", "width": 1.3},
        "hovertemplate": "step %{x}: %{y:.3f}<extra></extra>",
    }
    layout = {"xaxis": {"title": {"text": "step"}}, "yaxis": {"range": [0, 1]}, "showlegend": False}
    return Section(
        heading=HEADING,
        place=50,
        text=f"Event files for TensorBoard lie in the detector's folder {BOARD}.",
        parts=(
            Plot(title="Loss", figure=learning("detector", history)),
            Plot(title="Mean precision (VOC07) on val", figure={"data": [line], "layout": layout}),
        ),
    )


def evaluated(val: Judged, test: Judged, thresholds: Sequence[float], tiles: Sequence[Tile]) -> tuple[Section, ...]:
    """The figures to look at first, one line a class, curves, and pictures; ``thresholds`` are in the order of the metric's classes."""
    figures, state = test.figures, test.whole
    cards = (
        Card(name="Mean precision, VOC07", value=f"{figures['voc07']:.3f}", note=f"{val.figures['voc07']:.3f} on val"),
        Card(name="Mean precision, area", value=f"{figures['area']:.3f}", note="under the whole curve"),
        Card(
            name="Test pictures",
            value=f"{len(test.pictures):,}",
            note=f"{int(state['truths'].sum()):,} objects, none seen in training",
        ),
    )
    found = Section(
        heading="Result",
        place=10,
        cards=cards,
        text="An object counts as found where a box overlaps it by more than half. Thresholds were chosen on val.",
        parts=(_classes(test, thresholds), _curves(test)),
    )
    grid = Grid(
        title="Test pictures, boxes from the thresholds on",
        tiles=tuple(tiles),
        legend=LEGEND,
        note="Chosen by the hashes of their keys, so neither the best nor the worst.",
    )
    return found, Section(heading="Pictures", place=20, parts=(grid,))


def _classes(test: Judged, thresholds: Sequence[float]) -> Listing:
    state, figures = test.whole, test.figures
    columns = (
        Column(title="Class"),
        *(
            Column(title=title, style="number")
            for title in ("Threshold", "Objects", "Found", "False alarms", "Recall", "Precision", "VOC07", "Area")
        ),
    )
    lines = []
    for label, (name, threshold) in enumerate(zip(test.metric.classes, thresholds, strict=True), 1):
        sure = (state["labels"] == label) & (state["scores"] >= threshold)
        right, told, truths = int(state["right"][sure].sum()), int(sure.sum()), int(state["truths"][label - 1])
        rates = (_rate(right, truths), _rate(right, told))
        means = (f"{figures[f'{kind}/{name}']:.3f}" if truths else "" for kind in ("voc07", "area"))
        lines.append(
            Line(cells=(name, f"{threshold:.2f}", f"{truths:,}", f"{right:,}", f"{told - right:,}", *rates, *means))
        )
    return Listing(title="Test pictures by class", columns=columns, lines=tuple(lines))


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else ""


def _curves(test: Judged) -> Plot:
    """Precision over recall, a line a class."""
    lines = []
    for number, name in enumerate(test.metric.classes):
        if name not in (found := test.metric.curves(test.whole)):
            continue
        recall, precision = found[name]
        some = np.unique(np.linspace(0, len(recall) - 1, min(POINTS, len(recall))).round().astype(int))
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [round(float(recall[at]), 4) for at in some],
                "y": [round(float(precision[at]), 4) for at in some],
                "line": {"color": colour(number), "width": 1.6},
            }
        )
    axes = {
        axis: {"title": {"text": title}, "range": [0, 1.02]}
        for axis, title in (("xaxis", "recall"), ("yaxis", "precision"))
    }
    return Plot(
        title="Precision and recall by class, test pictures", figure={"data": lines, "layout": axes}, half=False
    )


def detected(
    counts: Sequence[tuple[str, int]], pictures: int, tiles: Sequence[Tile], classes: Sequence[str]
) -> Section:
    """How many objects of each class were found in a day's pictures, and some of these."""
    total = sum(count for _, count in counts)
    cards = (Card(name="Objects found", value=f"{total:,}", note=f"in {pictures:,} pictures"),)
    columns = (Column(title="Class"), Column(title="Found", style="number"))
    listing = Listing(
        title="Found by class", columns=columns, lines=tuple(Line(cells=(n, f"{c:,}")) for n, c in counts)
    )
    grid = Grid(
        title="Some pictures, with what was found in them",
        tiles=tuple(tiles),
        legend={name: colour(number) for number, name in enumerate(classes)},
    )
    return Section(heading="Objects found", place=30, cards=cards, parts=(listing, grid))
