"""Fraud by rolling folds: networks against tuned trees on rows before the test rows (``python -m tests.bench.fraud_folds``).

Works on the training and validation rows of the frame that the latest run left (``make demo`` makes one). Each fold fits on all rows
before it; every kind of model gets the same number of trials on the same folds, so each is judged at its best. With ``--seeds`` the
best settings are then fitted on the training rows, by so many seeds, and measured on the test rows, which nothing else reads.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score

from apps.fraud import columns
from apps.fraud.model import FITTING, MLP
from apps.fraud.recipe import FRAUD
from dlcore.step.tuning import processor
from infra import settings as platform
from pipelines import outcome
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures.figures import recall_at_precision
from pipelines.binary.measures.scored import Scored
from pipelines.binary.models.trees import HISTOGRAM, XGBOOST, Floats, Rate, Setting
from pipelines.binary.search import Folds
from tests.bench.fraud import latest
from tests.contest import Contest, Fold, Kind, network, over_seeds

THREADS = 1
OWN = "Networks"
CUTS = Folds(cuts=(0.4, 0.52, 0.64, 0.76, 0.88, 1.0))
SHORT: Setting = {"epochs": 20}
TRIALS: tuple[Setting, ...] = (
    {},
    SHORT,
    {**SHORT, "optimizer": "sgd", "lr": 0.025},
    {**SHORT, "lr": 5e-4},
    {**SHORT, "undersample": 1.0},
    {**SHORT, "dropout": 0.2},
    {**SHORT, "width": 128},
    {**SHORT, "depth": 2},
)
"""Of networks, beside the app's setting, which is the first."""


def folds(rows: pd.DataFrame, features: tuple[str, ...]) -> list[Fold]:
    bounds = enumerate(CUTS.bounds(len(rows)), start=1)
    return [fold(f"fold {number}", features, rows[:begin], rows[begin:end]) for number, (begin, end) in bounds]


def fold(name: str, features: Sequence[str], train: pd.DataFrame, test: pd.DataFrame) -> Fold:
    return Fold(name=name, features=features, label=FRAUD.roles.label, train=train, test=test, figures=figures)


def figures(test: pd.DataFrame, score: Floats) -> Mapping[str, float]:
    label = test[FRAUD.roles.label].to_numpy(np.int64)
    scored = Scored(label=label, value=np.ones(len(label)), probability=score)
    return {"AP": float(average_precision_score(label, score)), "R@P.9": recall_at_precision(scored, 0.9)}


def networks(count: int) -> list[Setting]:
    return [{**MLP, "batch": 1024, "epochs": 40, "undersample": FRAUD.undersample, **trial} for trial in TRIALS[:count]]


def member(setting: Setting, fold: Fold, seed: int) -> Rate:
    """A member on a bag drawn as the app draws it: frauds a Poisson number of times, a share of the others."""
    chance, label = np.random.default_rng(seed), fold.labels(fold.train)
    assert FRAUD.oversample is not None
    negative = (chance.random(len(label)) < setting["undersample"]).astype(np.int64)
    copies = np.where(label == 1, chance.poisson(FRAUD.oversample, len(label)), negative)
    return network(FITTING, setting, fold, seed, drawn=fold.train.iloc[np.repeat(np.arange(len(label)), copies)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=None, help="a run's folder; default: the latest with a split")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where what is made is kept; default: below state/bench"
    )
    parser.add_argument("--windows", action="store_true", help="with the amounts against windows of the whole stream")
    parser.add_argument("--trials", type=int, default=len(TRIALS))
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=0, help="of what is measured on the test rows in the end")
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    settings = platform.load()
    frames = outcome.read(given.run or latest(settings.runs), "split").left(Frames)
    rows = pd.concat([pd.read_parquet(frames.path(part)) for part in ("train", "validation")])
    rows = rows.sort_values(list(FRAUD.roles.order), ignore_index=True)
    print(f"{processor()}; {len(rows):,} rows, {rows[FRAUD.roles.label].sum()} frauds", flush=True)
    contest = Contest(
        kinds=(
            Kind(title=OWN, trials=networks, fit=member, members=given.members),
            *map(partial(Kind.of, threads=THREADS), (XGBOOST, HISTOGRAM)),
        ),
        together=(OWN, XGBOOST.title),
        folder=(given.folder or settings.state / "bench" / "fraud") / ("windows" if given.windows else "plain"),
        trials=given.trials,
    )
    against = [name for name in columns.FEATURES if name.startswith("against_")]
    every = folds(rows, (*columns.MODEL_FEATURES, *(against if given.windows else ())))
    print(contest.table(contest.held(every, every)))
    if given.seeds:
        last = fold("test rows", every[0].features, *(pd.read_parquet(frames.path(part)) for part in ("train", "test")))
        best = contest.settings(every)
        print(over_seeds([contest.on(last, best, number=number) for number in range(given.seeds)]))


if __name__ == "__main__":
    main()
