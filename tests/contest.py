"""Kinds of models against each other over folds: each gets the same number of trials, then is fitted on every fold.

What is made is kept in a folder, so that a bench that broke off goes on; the folder is of one set of rows.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pipelines.binary.frames import statistics
from pipelines.binary.measures.interval import Interval
from pipelines.binary.models.fitting import Fitting
from pipelines.binary.models.trees import Floats, Rate, Setting, Trees

Found = Mapping[str, Mapping[str, float]]
"""The figures of each kind on one fold."""


TRIED_MEMBERS = 3
"""A trial of an ensemble has so many members: one alone says little of what many are together."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows to fit on and later rows to measure on, with what is measured of their scores; the first figure is what trials are judged by."""

    name: str
    features: Sequence[str]
    label: str
    train: pd.DataFrame
    test: pd.DataFrame
    figures: Callable[[pd.DataFrame, Floats], Mapping[str, float]]

    def rows(self, part: pd.DataFrame) -> Floats:
        return np.asarray(part[list(self.features)].to_numpy(np.float64))

    def labels(self, part: pd.DataFrame) -> NDArray[np.int64]:
        return np.asarray(part[self.label].to_numpy(np.int64))

    def measured(self, score: Floats) -> Mapping[str, float]:
        return self.figures(self.test, score)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``trials`` makes as many settings; ``fit`` fits one on a fold's training rows by a seed; ``members`` are averaged."""

    title: str
    trials: Callable[[int], Sequence[Setting]]
    fit: Callable[[Setting, Fold, int], Rate]
    members: int = 1

    @classmethod
    def of(cls, trees: Trees, *, threads: int) -> "Kind":
        def fit(setting: Setting, fold: Fold, seed: int) -> Rate:
            return trees.fit(setting, fold.rows(fold.train), fold.labels(fold.train), seed=seed, threads=threads)

        return cls(title=trees.title, trials=trees.trials, fit=fit)


def network(fitting: Fitting, setting: Setting, fold: Fold, seed: int, *, drawn: pd.DataFrame) -> Rate:
    """A member as an app fits it, on the rows ``drawn``, with the statistics of all training rows; the setting has batch and epochs."""
    names = list(fold.features)
    values_NF, label_N = fold.rows(fold.train), fold.labels(fold.train)
    fit = statistics.fitted_array(names, values_NF, label_N, bins=setting.get("bins", 0))
    training = fitting.of(setting, fit, len(drawn), batch=setting["batch"], epochs=setting["epochs"], seed=seed)
    module = training.fit(drawn[[*names, fold.label]], features=names, label=fold.label).module

    def rate(rows_NF: Floats) -> Floats:
        with torch.inference_mode():
            return np.asarray(torch.sigmoid(module(torch.from_numpy(rows_NF.astype(np.float32)))).double().numpy())

    return rate


@dataclass(frozen=True, kw_only=True)
class Contest:
    """``kinds``, our own first, are tuned by ``trials`` each; ``together`` names those whose ranks are averaged as a row of their own."""

    kinds: Sequence[Kind]
    together: Sequence[str]
    folder: Path
    trials: int

    def held(self, tuning: Sequence[Fold], folds: Sequence[Fold]) -> list[Found]:
        """Every kind's figures on each fold, told while they are made."""
        settings = self.settings(tuning)
        return [self.on(fold, settings) for fold in folds]

    def settings(self, tuning: Sequence[Fold]) -> dict[str, Setting]:
        """Each kind's best setting."""
        return {kind.title: self.tuned(kind, tuning) for kind in self.kinds}

    def tuned(self, kind: Kind, folds: Sequence[Fold]) -> Setting:
        """The setting of the best mean of the first figure over the tuning folds, by a few of the kind's members together."""

        def reached(setting: Setting) -> float:
            found = [fold.measured(averaged(kind, setting, fold, range(members))) for fold in folds]
            return float(np.mean([next(iter(figures.values())) for figures in found]))

        members = min(kind.members, TRIED_MEMBERS)

        tried = kind.trials(self.trials)
        found = [self.kept(f"{kind.title}/trial-{at}", partial(reached, each)) for at, each in enumerate(tried)]
        best = int(np.argmax(found))
        said = f"best of {len(tried)} trials {found[best]:.4f}, median {np.median(found):.4f}"
        print(f"{kind.title}: {said}, with {dict(tried[best])}", flush=True)
        return tried[best]

    def on(self, fold: Fold, settings: Mapping[str, Setting], *, number: int = 0) -> Found:
        """Every kind's figures on a fold, the first time or, with members of other seeds, another."""
        scores = {kind.title: self.scored(kind, settings[kind.title], fold, number) for kind in self.kinds}
        scores[" and ".join(self.together) + ", by rank"] = ranked([scores[title] for title in self.together])
        found = {title: fold.measured(score) for title, score in scores.items()}
        shown = ", ".join(f"{title} {next(iter(figures.values())):.4f}" for title, figures in found.items())
        print(f"{fold.name}, {fold.labels(fold.test).sum()} positives: {shown}", flush=True)
        return found

    def scored(self, kind: Kind, setting: Setting, fold: Fold, number: int) -> Floats:
        """The mean score of the kind's members for each test row."""

        def of(seed: int) -> list[float]:
            scores: list[float] = averaged(kind, setting, fold, [seed]).tolist()
            return scores

        seeds = range(number * kind.members, (number + 1) * kind.members)
        each = [self.kept(f"{kind.title}/{fold.name}-{seed}", partial(of, seed)) for seed in seeds]
        return np.asarray(np.mean(each, axis=0))

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """What was made and kept as JSON."""
        file = self.folder / f"{name}.json"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(make()))
        return json.loads(file.read_text())

    def table(self, folds: Sequence[Found]) -> str:
        """Means over folds, and our own's paired lead on each other with its interval over folds."""
        own = self.kinds[0].title
        figures = list(folds[0][own])
        widths = [max(8, len(figure)) for figure in figures]
        heads = "".join(f"  {figure:>{width}}" for figure, width in zip(figures, widths, strict=True))
        lines = [f"{'mean over folds':<36}{heads}   {own} leads by (95 %)"]
        for title in folds[0]:
            means = [np.mean([fold[title][figure] for fold in folds]) for figure in figures]
            shown = "".join(f"  {mean:>{width}.4f}" for mean, width in zip(means, widths, strict=True))
            leads = "; ".join(lead([fold[own][figure] - fold[title][figure] for fold in folds]) for figure in figures)
            lines.append(f"{title:<36}{shown}" + ("" if title == own else f"   {leads}"))
        return "\n".join(lines)


def over_seeds(found: Sequence[Found]) -> str:
    """The mean of each kind's first figure over seeds, with the lowest and the highest."""
    lines = []
    for title, figures in found[0].items():
        name = next(iter(figures))
        reached = [each[title][name] for each in found]
        lines.append(f"{title:<36}  {name} {np.mean(reached):.4f} ({min(reached):.4f} to {max(reached):.4f})")
    return "\n".join(lines)


def averaged(kind: Kind, setting: Setting, fold: Fold, seeds: Sequence[int]) -> Floats:
    """The mean score of the members with these seeds for each test row."""
    return np.asarray(np.mean([kind.fit(setting, fold, seed)(fold.rows(fold.test)) for seed in seeds], axis=0))


def ranked(scores: Sequence[Floats]) -> Floats:
    """The mean of the rows' ranks by several models."""
    return np.asarray(np.mean([pd.Series(score).rank(pct=True).to_numpy() for score in scores], axis=0))


def lead(differences: Sequence[float]) -> str:
    interval = Interval.paired(np.array(differences))
    return f"{np.mean(differences):+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
