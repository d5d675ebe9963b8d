"""The report's tables: what the outcomes of a run's steps hold, as text ready to print."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipelines.outcome import Outcome

COLUMNS = {
    "average_precision": ("Average precision", 4),
    "recall_at_precision_90": ("Recall at precision 0.9", 3),
    "recall_at_precision_80": ("Recall at precision 0.8", 3),
    "roc_auc": ("ROC area", 4),
    "brier": ("Brier score", 6),
    "calibration_error": ("Calibration error", 5),
}
LOWER_IS_BETTER = ("brier", "calibration_error")


def evaluation(evaluated: Outcome | None) -> dict[str, Any]:
    """Headline, comparison, confusion and calibration; nothing to show where no model was evaluated."""
    if evaluated is None:
        return {"cards": [], "models": [], "columns": [], "members": ""}
    details = evaluated.details
    own = details["plots"]["ensemble"]["confusion"]
    return {
        "cards": cards(evaluated),
        "columns": [{"title": title} for title, _ in COLUMNS.values()],
        "models": models(details["models"], details["titles"]),
        "protocol": protocol(details["rows"]),
        "review": f"{details['review_cost']:g}",
        "threshold": f"{own['threshold']:.4f}",
        "confusion": confusion(details["plots"], details["titles"]),
        "slope": f"{details['calibration']['slope']:.3f}",
        "intercept": f"{details['calibration']['intercept']:+.3f}",
        "bins": [bin_(each) for each in details["plots"]["ensemble"]["reliability"]],
        "members": f"{len(details['members'])} members alone reach an average precision of "
        f"{min(details['members']):.3f} to {max(details['members']):.3f} on test rows, "
        f"{evaluated.metrics['member_average_precision']:.3f} on average; together "
        f"{evaluated.metrics['average_precision']:.3f}.",
    }


def cards(evaluated: Outcome) -> list[dict[str, str]]:
    """The four figures to look at first, each beside the best baseline's."""
    details = evaluated.details
    others = {name: each for name, each in details["models"].items() if name != "ensemble"}

    def rival(measure: str) -> str:
        if not others:
            return "no baseline"
        best = max(others, key=lambda name: others[name][measure])
        return f"best baseline {others[best][measure]:.3f}, {details['titles'][best]}"

    own = details["plots"]["ensemble"]["confusion"]
    saved = 1 - own["cost"] / own["cost_without_review"] if own["cost_without_review"] else 0.0
    shown = ("average_precision", "recall_at_precision_90", "recall_at_precision_80")
    figures = [
        {"name": COLUMNS[measure][0], "value": f"{evaluated.metrics[measure]:.3f}", "note": rival(measure)}
        for measure in shown
    ]
    note = f"cost {own['cost']:,.0f} with review, {own['cost_without_review']:,.0f} without"
    return [*figures, {"name": "Fraud cost saved", "value": f"{saved:.0%}", "note": note}]


def models(figures: Mapping[str, Mapping[str, float]], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row a model, the ensemble first, the best value of each column marked."""
    best = {
        measure: (min if measure in LOWER_IS_BETTER else max)(each[measure] for each in figures.values())
        for measure in COLUMNS
    }
    ranked = sorted(figures, key=lambda name: (name != "ensemble", -figures[name]["average_precision"]))
    return [
        {
            "title": titles.get(name, "Ensemble"),
            "own": name == "ensemble",
            "cells": [
                {"text": f"{figures[name][measure]:.{digits}f}", "best": figures[name][measure] == best[measure]}
                for measure, (_, digits) in COLUMNS.items()
            ],
        }
        for name in ranked
    ]


def confusion(plots: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """What each model's decisions do on test rows."""
    columns = ("Threshold", "Caught", "Missed", "False alarms", "Passed", "Precision", "Recall", "Cost")
    ranked = sorted(plots, key=lambda name: (name != "ensemble", plots[name]["confusion"]["cost"]))
    rows = [
        {"title": titles.get(name, "Ensemble"), "own": name == "ensemble", "cells": decided(plots[name]["confusion"])}
        for name in ranked
    ]
    return {"columns": columns, "rows": rows}


def decided(found: Mapping[str, float]) -> list[str]:
    counts = ("true_positives", "false_negatives", "false_positives", "true_negatives")
    return [
        f"{found['threshold']:.4f}",
        *[f"{found[name]:,.0f}" for name in counts],
        f"{found['precision']:.3f}",
        f"{found['recall']:.3f}",
        f"{found['cost']:,.0f}",
    ]


def bin_(found: Mapping[str, float]) -> dict[str, str]:
    return {
        "range": f"{found['from']:g} to {found['to']:g}",
        "rows": f"{found['rows']:,}",
        "frauds": f"{found['frauds']:,}",
        "probability": f"{found['probability']:.5f}",
        "rate": f"{found['rate']:.5f}",
    }


def protocol(rows: Mapping[str, Mapping[str, int]]) -> str:
    test, validation = rows["test"], rows["validation"]
    return (
        f"Rows are split by time. Test: the last {test['rows']:,} rows with {test['frauds']:,} frauds, on which nothing is chosen; "
        f"calibration and thresholds come from the {validation['rows']:,} validation rows with {validation['frauds']:,} frauds "
        "before them; all fitting is done on earlier rows."
    )


def steps(outcomes: Mapping[str, Outcome]) -> list[dict[str, str]]:
    """One row a step: its seconds, its rows, its sentence."""
    return [
        {
            "name": name,
            "seconds": f"{outcome.times['ended'] - outcome.times['launched']:.1f}" if "ended" in outcome.times else "",
            "taken": f"{outcome.rows.taken:,}" if outcome.rows else "",
            "given": f"{outcome.rows.given:,}" if outcome.rows else "",
            "quarantined": f"{outcome.rows.quarantined:,}" if outcome.rows else "",
            "summary": outcome.summary,
        }
        for name, outcome in outcomes.items()
    ]


def search(searched: Outcome | None) -> dict[str, Any] | None:
    """Every trial, the best first."""
    if searched is None:
        return None
    trials = searched.details["trials"]
    names = list(dict.fromkeys(name for trial in trials for name in trial["setting"]))
    return {
        "summary": searched.summary,
        "names": names,
        "numeric": [
            name for name in names if any(isinstance(trial["setting"].get(name), int | float) for trial in trials)
        ],
        "trials": [
            {
                "setting": {name: trial["setting"].get(name, "") for name in names},
                "precision": "" if trial["average_precision"] is None else f"{trial['average_precision']:.4f}",
                "folds": ", ".join(f"{each:.3f}" for each in trial["folds"]),
                "error": trial["error"] or "",
            }
            for trial in trials
        ],
    }


def gates(outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """What each gate expected and found, and how far columns have drifted, the farthest first."""
    return [
        {
            "name": name,
            "summary": outcome.summary,
            "expectations": [
                {"sentence": each["sentence"], "rows": f"{each['rows']:,}", "holds": each["success"]}
                for each in outcome.details["expectations"]
            ],
            "drift": [
                {"column": column, "index": f"{index:.3f}"}
                for column, index in sorted(outcome.details["drift"].items(), key=lambda found: -found[1])
            ],
        }
        for name, outcome in outcomes.items()
        if "expectations" in outcome.details
    ]


def earlier(runs: Iterable[tuple[str, Outcome, Outcome | None]], own: str) -> list[dict[str, Any]]:
    """One row a run, the latest first."""
    ranked = sorted(runs, key=lambda run: -run[1].times.get("ended", 0.0))
    return [compared(name, evaluated, published, name == own) for name, evaluated, published in ranked]


def compared(name: str, evaluated: Outcome, published: Outcome | None, own: bool) -> dict[str, Any]:
    ended = evaluated.times.get("ended")
    version = published.details["version"] if published else evaluated.details["candidate"]
    return {
        "id": name,
        "own": own,
        "ended": datetime.fromtimestamp(ended, UTC).strftime("%Y-%m-%d %H:%M") if ended else "",
        "rows": f"{evaluated.details['rows']['test']['rows']:,}",
        "precision": f"{evaluated.metrics['average_precision']:.4f}",
        "recall_90": f"{evaluated.metrics['recall_at_precision_90']:.3f}",
        "recall_80": f"{evaluated.metrics['recall_at_precision_80']:.3f}",
        "cost": f"{evaluated.details['plots']['ensemble']['confusion']['cost']:,.0f}",
        "model": version[:12] + (" (became champion)" if published and published.details["moved"] else ""),
    }


def data(outcomes: Mapping[str, Outcome]) -> str:
    """The dates of the partitions that the run worked on."""
    dates = sorted({partition.ds for outcome in outcomes.values() for partition in outcome.partitions})
    return ", ".join(dates)
