"""Fraud over several seeds: the ensemble against its baselines with paired bootstrap intervals, and where a run's time went.

``python -m tests.bench.fraud`` works on the frame that the latest run left (``make demo`` makes one), with the run's own steps.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from apps.fraud import fitting
from apps.fraud.columns import MODEL_FEATURES
from apps.fraud.model import ensemble
from infra import settings as platform
from infra import spark as engine
from infra.airflow import summary
from pipelines.binary import measures, predictions
from pipelines.binary.bag import Bag
from pipelines.binary.baselines import TITLES, Baselines
from pipelines.binary.ensemble import assembled
from pipelines.binary.measures import Scored
from pipelines.binary.predictions import rate
from pipelines.binary.statistics import Statistics
from pipelines.binary.train import Train

Floats = NDArray[np.float64]
RESAMPLES = 1000


class Ranking:
    """Labels of rows in falling order of a score, ready for the average precision of any weights."""

    def __init__(self, scored: Scored) -> None:
        self.order = np.argsort(-scored.probability, kind="stable")
        self.fraud = scored.fraud[self.order]
        self.last = np.append(np.flatnonzero(np.diff(scored.probability[self.order])), len(self.fraud) - 1)

    def average_precision(self, weights: Floats) -> float:
        """Rows of equal score count together, each row as often as its weight says."""
        ordered = weights[self.order]
        hits = np.cumsum(ordered * self.fraud)[self.last]
        taken = np.cumsum(ordered)[self.last]
        gained = np.diff(hits, prepend=0.0)
        return float((gained * hits / np.maximum(taken, 1e-9)).sum() / hits[-1])


def resamples(rows: int, seed: int = 0) -> Iterator[Floats]:
    """How often each row is drawn in each bootstrap sample."""
    chance = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield np.bincount(chance.integers(0, rows, rows), minlength=rows).astype(np.float64)


def one_seed(spark: SparkSession, frame: Path, into: Path, seed: int, members: int, model: str) -> dict[str, Scored]:
    """Train and fit everything with one seed; return each model's test rows."""
    statistics = Statistics.read(frame / "statistics.json")
    setting = fitting.SETTINGS[model]
    folders = tuple(into / f"{member:03d}" for member in range(members))
    for member, folder in enumerate(folders):
        training = partial(fitting.training, setting, statistics, batch=1024, epochs=20, seed=seed * 1000 + member)
        bag = Bag(seed=seed, member=member)
        Train(frame=frame, into=folder, bag=bag, training=training, features=MODEL_FEATURES, workers=2).run(spark)
    Baselines(frame=frame, into=into / "baselines", features=MODEL_FEATURES, seed=seed).run(spark)
    module = assembled(ensemble, fitting.arguments(setting, len(MODEL_FEATURES)), folders)
    rows, members_NM = rate(
        frame / "test", MODEL_FEATURES, [*predictions.KEY, "fraud", "amount"], lambda x: module.each(x).T
    )
    own = predictions.scored(rows, module.probability(members_NM.T).numpy(), label="fraud", amount="amount")
    return {"ensemble": own} | {name: predictions.read(into / "baselines" / name / "test") for name in TITLES}


def table(seeds: Sequence[Mapping[str, Scored]]) -> str:
    """Means over seeds, and the ensemble's lead on each baseline with its 95 % interval over resampled test rows."""
    names = ["ensemble", *TITLES]
    figures = {name: [measures.headline(found[name]) for found in seeds] for name in names}
    rankings = {name: [Ranking(found[name]) for found in seeds] for name in names}
    drawn = [
        {name: np.mean([ranking.average_precision(weights) for ranking in rankings[name]]) for name in names}
        for weights in resamples(len(seeds[0]["ensemble"].fraud))
    ]
    lines = [f"{'model':<22}{'AP mean':>9}{'AP seeds':>17}{'R@P.9':>8}{'R@P.8':>8}   ensemble leads by (95 %)"]
    for name in names:
        precision = [each["average_precision"] for each in figures[name]]
        recalls = [np.mean([each[f"recall_at_precision_{at}"] for each in figures[name]]) for at in (90, 80)]
        lead = np.array([sample["ensemble"] - sample[name] for sample in drawn])
        low, high = np.quantile(lead, [0.025, 0.975])
        gap = "" if name == "ensemble" else f"   {lead.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        spread = f"{min(precision):.4f} to {max(precision):.4f}"
        lines.append(
            f"{TITLES.get(name, 'Ensemble'):<22}{np.mean(precision):>9.4f}{spread:>17}{recalls[0]:>8.3f}{recalls[1]:>8.3f}{gap}"
        )
    return "\n".join(lines)


def latest(runs: Path) -> Path:
    """The run folder whose frame was written last."""
    found = sorted(runs.glob("fraud/*/frame/statistics.json"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise SystemExit(f"no run in {runs / 'fraud'} has left a frame; `make demo` makes one")
    return found[-1].parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=None, help="a run's folder; default: the latest with a frame")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--model", choices=fitting.SETTINGS, default="mlp")
    given = parser.parse_args()
    settings = platform.load()
    run = given.run or latest(settings.runs)
    if (run / "outcomes").exists():
        print(f"{run}\n{summary.times(run / 'outcomes')}\n")
    spark = engine.session("bench fraud", settings)
    with tempfile.TemporaryDirectory() as scratch:
        seeds = []
        for seed in range(1, given.seeds + 1):
            seeds.append(one_seed(spark, run / "frame", Path(scratch) / str(seed), seed, given.members, given.model))
            print(f"seed {seed}: ensemble {measures.average_precision(seeds[-1]['ensemble']):.4f}", flush=True)
        print(table(seeds))
    spark.stop()


if __name__ == "__main__":
    main()
