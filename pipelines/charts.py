"""The report's charts of any run as Plotly figures: plain JSON, with colours named by role (``@own``) for the page to fill in."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pipelines.outcome import Outcome
from pipelines.section import Figure

COLOURS = ("@second", "@third", "@fourth", "@fifth", "@sixth")
LOSSES = [digit * 10.0**power for power in range(-4, 2) for digit in (1, 2, 5)]
PHASES = (
    ("launched", "began", "start of the process", "@faint"),
    ("began", "ready", "Spark session", "@muted"),
    ("ready", "ended", "work", "@own"),
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


def over_days(lines: Mapping[str, Mapping[str, float | None]], title: str, *, own: str = "") -> Figure:
    """A line a name over dates, ``own`` the one to look at first; a date without a value is a gap."""
    others = [name for name in lines if name != own]
    coloured = [
        *zip(others, itertools.cycle(COLOURS), strict=False),
        *((name, "@own") for name in lines if name == own),
    ]
    drawn = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": list(lines[name]),
            "y": [None if value is None else round(value, 5) for value in lines[name].values()],
            "line": {"color": colour, "width": 2.6 if name == own else 1.6},
            "hovertemplate": "%{x}: %{y:.3f}<extra>" + name + "</extra>",
        }
        for name, colour in coloured
    ]
    layout = {
        "xaxis": {"type": "category", "nticks": 10},
        "yaxis": {"title": {"text": title}, "rangemode": "tozero"},
        "hovermode": "closest",
    }
    return {"data": drawn, "layout": layout}


class Step(Protocol):
    """A record of a training: how far it was, and its loss."""

    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> float: ...


def learning(name: str, history: Sequence[Step]) -> Figure:
    """The loss of one fit by step."""
    scale = {"type": "log", "tickvals": LOSSES}
    return by_step(name, {record.step: record.loss for record in history}, "loss", scale=scale)


def by_step(name: str, values: Mapping[int, float], title: str, *, scale: Mapping[str, Any] | None = None) -> Figure:
    """What one fit was after its steps; ``scale`` are settings of the axis, which is linear without."""
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(values),
        "y": list(values.values()),
        "line": {"color": "@own", "width": 1.3},
        "opacity": 0.55,
        "hovertemplate": "step %{x}: %{y:.4f}<extra>" + name + "</extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "step"}},
        "yaxis": {"title": {"text": title}, **(scale or {})},
        "showlegend": False,
    }
    return {"data": [line], "layout": layout}


def note(text: str, **place: Any) -> dict[str, Any]:
    """A text inside a chart, to the right of its place."""
    return {"text": text, "showarrow": False, "xanchor": "left", **place}


def marker(**ends: Any) -> dict[str, Any]:
    """A dashed line across a chart."""
    return {"type": "line", "line": {"color": "@muted", "width": 1, "dash": "dash"}, **ends}
