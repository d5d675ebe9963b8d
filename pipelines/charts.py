"""The report's charts as Plotly figures: plain JSON, with colours named by role (``@ensemble``) for the page to fill in."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.outcome import Outcome

Figure = dict[str, Any]
Plots = Mapping[str, Mapping[str, Any]]

ODDS = (1e-6, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)
LOSSES = [digit * 10.0**power for power in range(-4, 2) for digit in (1, 2, 5)]
PHASES = (
    ("launched", "began", "start of the process", "@faint"),
    ("began", "ready", "Spark session", "@muted"),
    ("ready", "ended", "work", "@ensemble"),
)


def timeline(outcomes: Mapping[str, Outcome]) -> Figure:
    """Each step's start, session and work, in seconds since the first was launched."""
    timed = {name: outcome.times for name, outcome in outcomes.items() if "ended" in outcome.times}
    names = sorted(timed, key=lambda name: timed[name]["launched"], reverse=True)
    zero = min((times["launched"] for times in timed.values()), default=0.0)
    bars = [
        {
            "type": "bar",
            "orientation": "h",
            "name": title,
            "y": names,
            "x": [round(timed[name][end] - timed[name][begin], 2) for name in names],
            "base": [round(timed[name][begin] - zero, 2) for name in names],
            "marker": {"color": colour},
            "hovertemplate": "%{y}: " + title + " %{x:.1f} s<extra></extra>",
        }
        for begin, end, title, colour in PHASES
    ]
    axis = {"title": {"text": "seconds since the run began"}, "zeroline": False}
    layout = {
        "barmode": "overlay",
        "xaxis": axis,
        "yaxis": {"automargin": True},
        "height": 90 + 24 * len(names),
        "bargap": 0.35,
    }
    return {"data": bars, "layout": layout}


def precision_recall(plots: Plots, titles: Mapping[str, str]) -> Figure:
    return _compared(plots, titles, ("precision_recall", "recall", "precision"), ("recall", "precision"))


def roc(plots: Plots, titles: Mapping[str, str]) -> Figure:
    """ROC with a logarithmic false-positive axis: where frauds are rare, only its left end matters."""
    figure = _compared(
        plots,
        titles,
        ("roc", "false_positive_rate", "true_positive_rate"),
        ("false-positive rate", "true-positive rate"),
    )
    figure["layout"]["xaxis"] |= {"type": "log", "range": [-5, 0], "dtick": 1, "exponentformat": "power"}
    return figure


def cost(plots: Plots, titles: Mapping[str, str]) -> Figure:
    """Cost of each threshold, the ensemble's chosen one marked, and the cost of no review at all."""
    figure = _compared(plots, titles, ("cost", "threshold", "cost"), ("threshold", "cost on test rows"))
    for trace in figure["data"]:
        trace["x"] = _log_odds(trace["x"])
    chosen = plots["ensemble"]["confusion"]
    at = _log_odds([chosen["threshold"]])[0]
    figure["layout"]["xaxis"] |= {"title": {"text": "threshold"}, **_odds_axis(), "range": [-11, 7]}
    figure["layout"]["yaxis"] |= {"type": "log", "range": None, "title": {"text": "cost on test rows"}, "dtick": 1}
    figure["layout"]["shapes"] = [
        _line(x0=at, x1=at, y0=0, y1=1, yref="paper"),
        _line(x0=0, x1=1, xref="paper", y0=chosen["cost_without_review"], y1=chosen["cost_without_review"]),
    ]
    free = max(chosen["cost_without_review"], 1.0)
    figure["layout"]["annotations"] = [
        _note("chosen on validation rows", x=at, y=0.97, yref="paper", xshift=4),
        _note("no review at all", x=6.9, y=math.log10(free), yanchor="bottom", xanchor="right"),
    ]
    return figure


def reliability(bins: Sequence[Mapping[str, float]]) -> Figure:
    """Rate of frauds against mean probability, both on logarithmic axes, since most rows lie far below one percent."""
    drawn = [each for each in bins if each["frauds"]]
    diagonal = {"type": "scatter", "mode": "lines", "x": [1e-4, 1], "y": [1e-4, 1], "line": {"color": "@muted", "dash": "dot"},
                "name": "perfect", "hoverinfo": "skip"}  # fmt: skip
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "ensemble",
        "x": [each["probability"] for each in drawn],
        "y": [each["rate"] for each in drawn],
        "customdata": [[each["frauds"], each["rows"]] for each in drawn],
        "hovertemplate": "probability %{x:.4f}, rate %{y:.4f}<br>%{customdata[0]} frauds of %{customdata[1]} rows<extra></extra>",
        "line": {"color": "@ensemble", "width": 2},
        "marker": {"size": 9},
    }
    axis = {"type": "log", "dtick": 1, "exponentformat": "power", "range": [-4, 0.05]}
    layout = {
        "xaxis": {**axis, "title": {"text": "mean probability"}},
        "yaxis": {**axis, "title": {"text": "share of frauds"}},
        "showlegend": False,
    }
    return {"data": [diagonal, points], "layout": layout}


def histogram(bins: Mapping[str, Sequence[float]], threshold: float) -> Figure:
    """Normal rows and frauds by probability, counts on a logarithmic axis."""
    edges = bins["edges"]
    centres = [(left + right) / 2 for left, right in itertools.pairwise(edges)]
    bars = [
        {"type": "bar", "name": title, "x": centres, "y": list(bins[name]), "marker": {"color": colour}, "opacity": 0.75,
         "hovertemplate": "%{y} rows<extra>" + title + "</extra>"}
        for name, title, colour in (("normal", "normal", "@logistic"), ("fraud", "fraud", "@ensemble"))
    ]  # fmt: skip
    at = _log_odds([threshold])[0]
    layout = {
        "barmode": "overlay",
        "bargap": 0.05,
        "xaxis": {"title": {"text": "probability"}, **_odds_axis(), "range": [-14.2, 10]},
        "yaxis": {"title": {"text": "rows"}, "type": "log", "dtick": 1},
        "shapes": [_line(x0=at, x1=at, y0=0, y1=1, yref="paper")],
        "annotations": [_note("threshold", x=at, y=0.97, yref="paper", xshift=4)],
    }
    return {"data": bars, "layout": layout}


def learning(members: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Each member's loss on its own bag by epoch."""
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": [record["step"] for record in history],
            "y": [record["loss"] for record in history],
            "line": {"color": "@ensemble", "width": 1.3},
            "opacity": 0.55,
            "hovertemplate": "step %{x}: %{y:.4f}<extra>" + name + "</extra>",
        }
        for name, history in members.items()
    ]
    layout = {
        "xaxis": {"title": {"text": "step"}},
        "yaxis": {"title": {"text": "loss"}, "type": "log", "tickvals": LOSSES},
        "showlegend": False,
    }
    return {"data": lines, "layout": layout}


def importance(found: Sequence[Mapping[str, Any]], top: int = 20) -> Figure:
    """The fall of average precision when one feature is shuffled, largest on top."""
    shown = list(reversed(found[:top]))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [each["feature"] for each in shown],
        "x": [each["mean"] for each in shown],
        "error_x": {
            "type": "data",
            "array": [each["std"] for each in shown],
            "color": "@muted",
            "thickness": 1,
            "width": 2,
        },
        "marker": {"color": "@ensemble"},
        "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "fall of average precision"}},
        "yaxis": {"automargin": True},
        "height": 90 + 19 * len(shown),
        "bargap": 0.3,
    }
    return {"data": [bars], "layout": layout}


def _compared(plots: Plots, titles: Mapping[str, str], source: tuple[str, str, str], axes: tuple[str, str]) -> Figure:
    """One line a model, the ensemble last so that it lies on top."""
    curve, x, y = source
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": titles.get(name, "Ensemble"),
            "x": plots[name][curve][x],
            "y": plots[name][curve][y],
            "line": {"color": f"@{name}", "width": 2.6 if name == "ensemble" else 1.6},
        }
        for name in sorted(plots, key=lambda name: name == "ensemble")
    ]
    layout = {
        "xaxis": {"title": {"text": axes[0]}, "range": [0, 1.02]},
        "yaxis": {"title": {"text": axes[1]}, "range": [0, 1.03]},
        "hovermode": "closest",
    }
    return {"data": lines, "layout": layout}


def _odds_axis() -> dict[str, Any]:
    texts = [f"{tick:g}" for tick in ODDS]
    return {"tickvals": _log_odds(ODDS), "ticktext": texts, "tickangle": 0, "zeroline": False}


def _log_odds(probabilities: Sequence[float]) -> list[float]:
    clipped = [min(max(each, 1e-9), 1 - 1e-9) for each in probabilities]
    return [round(math.log(each / (1 - each)), 4) for each in clipped]


def _note(text: str, **place: Any) -> dict[str, Any]:
    return {"text": text, "showarrow": False, "xanchor": "left", **place}


def _line(**ends: Any) -> dict[str, Any]:
    return {"type": "line", "line": {"color": "@muted", "width": 1, "dash": "dash"}, **ends}
