"""Five million rows with a driver of 1 GB: ``python -m tests.bench.memory``, or ``--rows 500000`` for less.

Transactions of fraud's columns, drawn, go through the steps of a training, each by the command line on two cores of this machine, so
that Spark's heap of 1 GB is driver and executor at once. Of each step it tells how much memory its Python driver and its JVM held at
their peaks, and its tasks' Python processes together; the limit is on the driver's Python and, as its heap, on its JVM. Baselines take the
longest: with ``--drawn`` others are in their place, whose probabilities are drawn.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from apps.fraud import columns
from apps.fraud.recipe import FRAUD
from dlcore.step.tuning import processor
from infra import processes
from infra import spark as engine
from infra.settings import Settings
from pipelines import outcome
from pipelines.binary.baselines import RATED, TITLES, Baseline, Fitted
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures import predictions
from pipelines.outcome import Outcome

DAYS = ("2013-09-01", "2013-09-02")
DAY_S = 86_400
FRAUDS, TELLING = 0.002, 1.5
"""The share of frauds, and by how many deviations the first components of theirs lie apart."""
STEPS = ("pin", "split", "train", "baselines", "evaluate", "quantise", "publish")
RUN = "memory"
GIVEN = ["--run", RUN, "--first-date", DAYS[0], "--last-date", DAYS[-1], "--members", "1", "--epochs", "1"]
LIMIT_GB = 1.0
DRIVER, JVM, TASKS = "driver's Python", "driver's JVM", "tasks' Python"


def drawn(spark: SparkSession, day: int, rows: int) -> DataFrame:
    """The features of one day, of which a few tell frauds."""
    numbered = spark.range(0, rows, 1, 8).withColumn("fraud", (F.rand(day) < FRAUDS).cast("int"))
    features = [
        (F.randn(100 * day + at) + F.col("fraud") * (TELLING if at < 3 else 0)).alias(name)
        for at, name in enumerate(columns.FEATURES)
    ]
    return numbered.select(
        F.lit("transactions.csv").alias("source_file"),
        (F.col("id") + day * rows).alias("source_line"),
        (F.col("id") * DAY_S / rows + day * DAY_S).cast("bigint").alias("time_s"),
        "fraud",
        *[
            F.abs(each).alias("amount") if name == "amount" else each
            for name, each in zip(columns.FEATURES, features, strict=True)
        ],
    )


def write(settings: Settings, rows: int) -> None:
    """Fill the table of features, in a process that then ends: its metastore serves one at a time."""
    spark = engine.session("bench memory", settings, hive=True)
    for day, ds in enumerate(DAYS):
        draft = columns.FEATURE_TABLE.stage(spark, drawn(spark, day, rows // len(DAYS)), ds=ds, run="bench")
        draft.commit()
    spark.stop()


def peaks_mb(step: subprocess.Popen[bytes]) -> dict[str, float]:
    """The highest resident memory of the step's processes while it lives, those of tasks taken together."""
    found: dict[str, float] = defaultdict(float)
    while step.poll() is None:
        now: dict[str, float] = defaultdict(float)
        for part, held in held_mb(step.pid):
            now[part] += held
        found |= {part: max(held, found[part]) for part, held in now.items()}
        time.sleep(0.1)
    return found


def held_mb(pid: int) -> Iterator[tuple[str, float]]:
    """Of each process of a step which it is, and its memory: of the driver's the highest so far, of a task's what it holds now."""
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            kind = process.name()
            if process.pid != pid and not kind.startswith(("java", "python")):
                continue
            part = DRIVER if process.pid == pid else JVM if kind == "java" else TASKS
            status = Path(f"/proc/{process.pid}/status").read_text()
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            continue
        name = "VmRSS" if part == TASKS else "VmHWM"
        yield part, sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024


def done(name: str, settings: Settings) -> bool:
    """Run one step, tell what it held, and say whether that is within the limit."""
    command = [sys.executable, "-m", "apps", "fraud", name, *GIVEN]
    log = settings.state / f"{name}.log"
    began = time.monotonic()
    with (
        log.open("wb") as said,
        subprocess.Popen(command, env=os.environ | settings.environment(), stdout=said, stderr=said) as step,
    ):
        found = peaks_mb(step)
    if step.returncode:
        raise SystemExit(f"{name} failed:\n{log.read_text(errors='replace')[-3000:]}")
    held = found[DRIVER] <= LIMIT_GB * 1024
    told = ", ".join(f"{part} {found[part]:,.0f} MB" for part in (DRIVER, JVM, TASKS) if found[part])
    print(f"{name:<10} {time.monotonic() - began:6.0f} s  {told}: {'held' if held else 'MISSED'}", flush=True)
    return held


def draw_baselines(settings: Settings) -> None:
    """Leave what the step would, of baselines that were fitted on nothing."""
    folder, chance = settings.run_folder("fraud", RUN), np.random.default_rng(0)
    frames = outcome.read(folder, "split").left(Frames)
    found = [Baseline(title=title, folder=folder / "baselines" / name) for name, title in TITLES.items()]
    for each in found:
        for part in RATED:
            rows = predictions.batches(frames.path(part), FRAUD.roles.kept)
            predictions.lay(rows, lambda batch: chance.random(len(batch)), each.folder / part, FRAUD.roles)
    left = Outcome(summary="baselines were drawn", result=Fitted(baselines=tuple(found)))
    outcome.file(folder, "baselines").write_text(left.to_json())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--drawn", action="store_true", help="draw the baselines' probabilities and fit none")
    given = parser.parse_args()
    processes.end_as_by_ctrl_c()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(state=Path(folder) / "state", driver_memory="1g")
        writing = get_context("spawn").Process(target=write, args=(settings, given.rows))
        writing.start()
        writing.join()
        if writing.exitcode:
            raise SystemExit("the rows could not be written; the cause is above")
        print(
            f"{processor()}; {given.rows:,} rows; a heap of {settings.driver_memory} and {LIMIT_GB:g} GB of Python",
            flush=True,
        )
        held = []
        for name in STEPS:
            if name == "baselines" and given.drawn:
                draw_baselines(settings)
            else:
                held.append(done(name, settings))
        if not all(held):
            raise SystemExit("a step's driver held more than it may")


if __name__ == "__main__":
    main()
