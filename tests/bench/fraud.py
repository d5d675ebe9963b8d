"""Fraud over several seeds: the ensemble against its baselines with paired bootstrap intervals, and where a run's time went.

``python -m tests.bench.fraud`` works on the frame that the latest run left (``make demo`` makes one), with the run's own steps.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from apps.fraud.model import FITTING
from apps.fraud.recipe import FRAUD
from infra import settings as platform
from infra import spark as engine
from infra.airflow import summary
from pipelines import outcome
from pipelines.binary.baselines import Baselines, Fitted
from pipelines.binary.frames.bag import Bag
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.binary.measures.figures import Figures
from pipelines.binary.measures.interval import Interval, Ranking, resamples
from pipelines.binary.measures.rated import together
from pipelines.binary.measures.scored import Scored
from pipelines.binary.models.ensemble import Member, assembled
from pipelines.binary.models.trees import XGBOOST
from pipelines.binary.train import Train

OWN = "Ensemble"


def one_seed(spark: SparkSession, frames: Frames, into: Path, seed: int, members: int, model: str) -> dict[str, Scored]:
    """Train and fit everything with one seed; return each model's test rows."""
    fitted = [trained(spark, frames, into / f"{member:03d}", seed, member, model) for member in range(members)]
    compared = Baselines(frames=frames, into=into / "baselines", roles=FRAUD.roles, seed=seed).run(spark).left(Fitted)
    module = assembled(FITTING.networks, fitted)
    rows, members_NM = predictions.rate(
        frames.path("test"), frames.features, FRAUD.roles.kept, lambda x: module.each(x).T
    )
    own = predictions.scored(rows, module.probability(members_NM.T).numpy(), FRAUD.roles)
    others = {each.title: each.rated(FRAUD.roles).test for each in compared.baselines}
    return {OWN: own, f"{OWN} and {XGBOOST.title} by rank": together(own, others[XGBOOST.title]), **others}


def trained(spark: SparkSession, frames: Frames, into: Path, seed: int, member: int, model: str) -> Member:
    setting = FITTING.member(model, member)
    knobs = {"batch": 1024, "epochs": 40, "seed": seed * 1000 + member}
    step = Train(
        frames=frames,
        into=into,
        bag=Bag(seed=seed, member=member, roles=FRAUD.roles),
        fitting=FITTING,
        setting=setting,
        training=partial(FITTING.of, setting, frames.statistics, **knobs),
        workers=2,
    )
    return step.run(spark).left(Member)


def table(seeds: Sequence[Mapping[str, Scored]]) -> str:
    """Means over seeds, and the ensemble's lead on each baseline with its interval over resampled test rows."""
    names = list(seeds[0])
    figures = {name: [Figures.of(found[name]) for found in seeds] for name in names}
    rankings = {name: [Ranking(found[name]) for found in seeds] for name in names}
    drawn = [
        {name: np.mean([ranking.average_precision(weights) for ranking in rankings[name]]) for name in names}
        for weights in resamples(seeds[0][OWN].label)
    ]
    lines = [f"{'model':<28}{'AP mean':>9}{'AP seeds':>17}{'R@P.9':>8}{'R@P.8':>8}   ensemble leads by (95 %)"]
    for name in names:
        precision = [each.average_precision for each in figures[name]]
        recalls = [np.mean([getattr(each, f"recall_at_precision_{at}") for each in figures[name]]) for at in (90, 80)]
        lead = np.array([sample[OWN] - sample[name] for sample in drawn])
        interval = Interval.of(lead)
        gap = "" if name == OWN else f"   {lead.mean():+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
        spread = f"{min(precision):.4f} to {max(precision):.4f}"
        lines.append(f"{name:<28}{np.mean(precision):>9.4f}{spread:>17}{recalls[0]:>8.3f}{recalls[1]:>8.3f}{gap}")
    return "\n".join(lines)


def latest(runs: Path) -> Path:
    """The run folder whose split was made last."""
    found = sorted(runs.glob("fraud/*/outcomes/split.json"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise SystemExit(f"no run in {runs / 'fraud'} has left a split; `make demo` makes one")
    return found[-1].parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=None, help="a run's folder; default: the latest with a split")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--model", choices=FITTING.settings, default="mlp")
    given = parser.parse_args()
    settings = platform.load()
    run = given.run or latest(settings.runs)
    frames = outcome.read(run, "split").left(Frames)
    print(f"{run}\n{summary.times(run / 'outcomes')}\n")
    spark = engine.session("bench fraud", settings)
    with tempfile.TemporaryDirectory() as scratch:
        seeds = []
        for seed in range(1, given.seeds + 1):
            seeds.append(one_seed(spark, frames, Path(scratch) / str(seed), seed, given.members, given.model))
            print(f"seed {seed}: ensemble {Figures.of(seeds[-1][OWN]).average_precision:.4f}", flush=True)
        print(table(seeds))
    spark.stop()


if __name__ == "__main__":
    main()
