"""Simulated card transactions by weeks: an ensemble of MLPs against tuned trees (``python -m tests.bench.handbook``).

Train a week, leave one, test one, over weeks that do not overlap; cards known as compromised leave the test. Each kind of model gets the
same number of trials on weeks that end before the first training week begins.
"""

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pyspark.sql import functions as F
from sklearn.metrics import average_precision_score, roc_auc_score

from apps.handbook import columns
from apps.handbook.model import FITTING, MLP
from apps.handbook.simulation import Simulation
from dlcore.step.tuning import processor
from features.expressions import DAY_S
from infra import settings as platform
from infra import spark as engine
from infra.tables import hadoop
from pipelines.binary.measures.entities import precision_by_day, unknown
from pipelines.binary.models.trees import FOREST, HISTOGRAM, XGBOOST, Floats, Rate, Setting, spread
from tests.contest import Contest, Fold, Kind, network

WEEK = 7
THREADS = 1
OWN = "MLP ensemble"


def week(rows: pd.DataFrame, begin: int) -> Fold:
    """The week from day ``begin`` to train on, and the one after the next to test on, without rows of known cards."""
    test = range(begin + 2 * WEEK, begin + 3 * WEEK)
    near = rows[(rows.day >= begin) & (rows.day < test.stop)]
    label, day, card = (near[name].to_numpy() for name in (columns.LABEL, "day", "customer_id"))
    kept = unknown(label, day, card, test=test, since=begin, delay=columns.LABEL_DAYS)
    return Fold(
        name=f"test week from day {test.start}",
        features=columns.FEATURES,
        label=columns.LABEL,
        train=near[near.day < begin + WEEK],
        test=near[kept],
        figures=figures,
    )


def figures(test: pd.DataFrame, score: Floats) -> Mapping[str, float]:
    label, day, card = (test[name].to_numpy() for name in (columns.LABEL, "day", "customer_id"))
    return {
        "AP": float(average_precision_score(label, score)),
        "P@100 cards a day": float(np.mean(list(precision_by_day(score, label, day, card).values()))),
        "ROC": float(roc_auc_score(label, score)),
    }


def networks(count: int) -> list[Setting]:
    """Trials of the app's network."""
    chance = np.random.default_rng(0)
    return [
        {
            **MLP,
            "width": int(chance.choice([128, 256])),
            "dropout": float(chance.choice([0.0, 0.2])),
            "lr": spread(chance, 1e-3, 6e-3),
            "batch": int(chance.choice([512, 1024])),
            "epochs": int(chance.choice([8, 12])),
        }
        for _ in range(count)
    ]


def member(setting: Setting, fold: Fold, seed: int) -> Rate:
    return network(FITTING, setting, fold, seed, drawn=fold.train)


def made(file: Path, simulation: Simulation) -> pd.DataFrame:
    """The features of every transaction of the simulation, with label and day; Spark makes them once."""
    if not (file / "_SUCCESS").exists():
        spark = engine.session("bench handbook", platform.load())
        begin = F.unix_date(F.lit(str(columns.FIRST_DAY)).cast("date")) * DAY_S
        drawn = hadoop.uri(file.with_name("transactions"))
        simulation.rows(spark).write.mode("overwrite").parquet(drawn)  # the windows read them several times
        rows = spark.read.parquet(drawn).withColumn("time", F.timestamp_seconds(begin + F.col("second")))
        told = columns.engineered(rows).withColumn("day", F.floor(F.col("second") / DAY_S))
        chosen = told.select("day", "time_s", "customer_id", columns.LABEL, *columns.FEATURES)
        chosen.write.mode("overwrite").parquet(hadoop.uri(file))
        spark.stop()
    return pd.read_parquet(file).sort_values(["time_s", "customer_id"], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where what is made is kept; default: below state/bench"
    )
    parser.add_argument("--days", type=int, default=Simulation.days)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--weeks", type=int, default=8, help="test weeks, the last ones")
    parser.add_argument("--tuning", type=int, default=2, help="test weeks of the trials")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--members", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    folder = given.folder or platform.load().state / "bench" / "handbook"
    simulation = Simulation.scaled(given.scale, days=given.days, seed=Simulation.seed)
    rows = made(folder / "features", simulation)
    print(f"{processor()}; {len(rows):,} transactions, {rows[columns.LABEL].sum():,} frauds", flush=True)
    contest = Contest(
        kinds=(
            Kind(title=OWN, trials=networks, fit=member, members=given.members),
            *map(partial(Kind.of, threads=THREADS), (XGBOOST, FOREST, HISTOGRAM)),
        ),
        together=(OWN, XGBOOST.title),
        folder=folder,
        trials=given.trials,
    )
    begins = [given.days - WEEK * (number + 3) for number in reversed(range(given.weeks))]
    earlier = [begins[0] - WEEK * (number + 3) for number in reversed(range(given.tuning))]
    weeks = contest.held([week(rows, begin) for begin in earlier], [week(rows, begin) for begin in begins])
    print(contest.table(weeks))


if __name__ == "__main__":
    main()
