"""Charts of classifiers as Plotly figures: ranking, cost, calibration, scores and importance."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.binary.measures import curves
from pipelines.binary.measures.curves import Curve, Histogram
from pipelines.binary.measures.figures import Bin, Confusion
from pipelines.binary.measures.importance import Importance
from pipelines.binary.measures.rated import Rated
from pipelines.binary.measures.scored import Cost, log_odds
from pipelines.charts import COLOURS, marker, note
from pipelines.section import Figure

ODDS = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)


def precision_by_recall(models: Sequence[Rated]) -> Figure:
    return _compared(models, lambda each: curves.precision_by_recall(each.test), ("recall", "precision"))


def roc(models: Sequence[Rated]) -> Figure:
    """ROC with a logarithmic false-positive axis: where positives are rare, only its left end matters."""
    figure = _compared(models, lambda each: curves.roc(each.test), ("false-positive rate", "true-positive rate"))
    figure["layout"]["xaxis"] |= {"type": "log", "range": [-5, 0], "dtick": 1, "exponentformat": "power"}
    return figure


def cost_by_threshold(models: Sequence[Rated], cost: Cost, chosen: Confusion) -> Figure:
    """Cost of each threshold, the chosen one marked, and the cost of no review at all."""

    def curve(each: Rated) -> Curve:
        found = curves.cost_by_threshold(each.test, cost)
        return Curve(x=_log_odds(found.x), y=found.y)

    figure = _compared(models, curve, ("threshold", "cost on test rows"))
    at, free = _log_odds([chosen.threshold])[0], chosen.cost_without_review
    layout = figure["layout"]
    layout["xaxis"] |= {"title": {"text": "threshold"}, **_odds_axis(), "range": [-11, 7]}
    layout["yaxis"] |= {"type": "log", "range": None, "dtick": 1}
    layout["shapes"] = [
        marker(x0=at, x1=at, y0=0, y1=1, yref="paper"),
        marker(x0=0, x1=1, xref="paper", y0=free, y1=free),
    ]
    layout["annotations"] = [
        note("chosen on validation rows", x=at, y=0.97, yref="paper", xshift=4),
        note("no review at all", x=6.9, y=math.log10(max(free, 1.0)), yanchor="bottom", xanchor="right"),
    ]
    return figure


def reliability(bins: Sequence[Bin], positives: str) -> Figure:
    """Rate of positives against mean probability, both on logarithmic axes, since most rows lie far below one percent."""
    drawn = [each for each in bins if each.positives]
    diagonal = {"type": "scatter", "mode": "lines", "x": [1e-4, 1], "y": [1e-4, 1], "line": {"color": "@muted", "dash": "dot"},
                "name": "perfect", "hoverinfo": "skip"}  # fmt: skip
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [each.probability for each in drawn],
        "y": [each.rate for each in drawn],
        "customdata": [[each.positives, each.rows] for each in drawn],
        "hovertemplate": "probability %{x:.4f}, rate %{y:.4f}<br>%{customdata[0]} "
        + positives
        + " of %{customdata[1]} rows<extra></extra>",
        "line": {"color": "@own", "width": 2},
        "marker": {"size": 9},
    }
    axis = {"type": "log", "dtick": 1, "exponentformat": "power", "range": [-4, 0.05]}
    layout = {
        "xaxis": {**axis, "title": {"text": "mean probability"}},
        "yaxis": {**axis, "title": {"text": f"share of {positives}"}},
        "showlegend": False,
    }
    return {"data": [diagonal, points], "layout": layout}


def histogram(found: Histogram, threshold: float, names: tuple[str, str]) -> Figure:
    """Negatives and positives, by their ``names``, by probability; counts on a logarithmic axis."""
    centres = [(left + right) / 2 for left, right in itertools.pairwise(found.edges)]
    shown = ((names[0], found.negatives, "@second"), (names[1], found.positives, "@own"))
    bars = [
        {"type": "bar", "name": title, "x": centres, "y": counts, "marker": {"color": colour}, "opacity": 0.75,
         "hovertemplate": "%{y} rows<extra>" + title + "</extra>"}
        for title, counts, colour in shown
    ]  # fmt: skip
    at = _log_odds([threshold])[0]
    layout = {
        "barmode": "overlay",
        "bargap": 0.05,
        "xaxis": {"title": {"text": "probability"}, **_odds_axis(), "range": [-14.2, 10]},
        "yaxis": {"title": {"text": "rows"}, "type": "log", "dtick": 1},
        "shapes": [marker(x0=at, x1=at, y0=0, y1=1, yref="paper")],
        "annotations": [note("threshold", x=at, y=0.97, yref="paper", xshift=4)],
    }
    return {"data": bars, "layout": layout}


def importance(found: Sequence[Importance], top: int = 20) -> Figure:
    """The fall of average precision when one feature is shuffled, largest on top."""
    shown = list(reversed(found[:top]))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [each.feature for each in shown],
        "x": [each.mean for each in shown],
        "error_x": {
            "type": "data",
            "array": [each.std for each in shown],
            "color": "@muted",
            "thickness": 1,
            "width": 2,
        },
        "marker": {"color": "@own"},
        "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "fall of average precision"}},
        "yaxis": {"automargin": True},
        "height": 90 + 19 * len(shown),
        "bargap": 0.3,
    }
    return {"data": [bars], "layout": layout}


def _compared(models: Sequence[Rated], curve: Callable[[Rated], Curve], axes: tuple[str, str]) -> dict[str, Any]:
    """One line a model, our own last so that it lies on top."""
    others = [each for each in models if not each.own]
    coloured = [*zip(others, itertools.cycle(COLOURS), strict=False), *((own, "@own") for own in models if own.own)]
    layout = {
        "xaxis": {"title": {"text": axes[0]}, "range": [0, 1.02]},
        "yaxis": {"title": {"text": axes[1]}, "range": [0, 1.03]},
        "hovermode": "closest",
    }
    return {"data": [_line(each.title, curve(each), colour) for each, colour in coloured], "layout": layout}


def _line(title: str, curve: Curve, colour: str) -> dict[str, Any]:
    width = 2.6 if colour == "@own" else 1.6
    line = {"color": colour, "width": width}
    return {"type": "scatter", "mode": "lines", "name": title, "x": curve.x, "y": curve.y, "line": line}


def _odds_axis() -> dict[str, Any]:
    texts = [f"{tick:g}" for tick in ODDS]
    return {"tickvals": _log_odds(ODDS), "ticktext": texts, "tickangle": 0, "zeroline": False}


def _log_odds(probabilities: Sequence[float]) -> list[float]:
    return [round(float(each), 4) for each in log_odds(probabilities, least=1e-9)]
