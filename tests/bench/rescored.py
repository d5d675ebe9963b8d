"""Fraud's rows scored by torch, and by OpenVINO in fp32 and in int8: ``python -m tests.bench.rescored [--run FOLDER] [--rounds N]``.

On the artifact and the frame that the latest quantised run left, in this process, without Spark: seconds of ``predict`` on the test rows
(the median of the rounds, in which precisions take turns), average precision and calibration error, and how many rows another decision
falls on than by torch. Where the run has refused int8, it is made with a bound of 1 for this alone.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from apps.fraud.model import FITTING
from apps.fraud.recipe import FRAUD
from dlcore import Artifact, AveragePrecision, quantize
from dlcore.step.tuning import processor
from infra import settings as platform
from pipelines import outcome
from pipelines.binary.frames.split import Frames
from pipelines.binary.measures.figures import Figures
from pipelines.binary.measures.scored import Scored
from pipelines.binary.models.ensemble import models
from pipelines.binary.rescored import sample, validation
from pipelines.quantise import Quantised

PRECISIONS = {"torch": None, "f32": "f32", "int8": "int8"}


def latest(runs: Path) -> Path:
    """The run that was quantised last."""
    found = sorted(runs.glob("fraud/*/outcomes/quantise.json"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise SystemExit(f"no run in {runs / 'fraud'} has been quantised; `make demo` makes one")
    return found[-1].parent.parent


def with_int8(artifact: Artifact, frames: Frames, folder: str) -> Artifact:
    label = FRAUD.roles.label
    return quantize(
        artifact,
        calibration=sample(frames, label),
        validation=validation(frames, label),
        label=label,
        metric=AveragePrecision(),
        bound=1.0,
        folder=folder,
    )


def timed(predict: Any) -> tuple[float, pd.DataFrame]:
    began = time.perf_counter()
    found = predict()
    return time.perf_counter() - began, found


def measure(artifact: Artifact, rows: pd.DataFrame, rounds: int) -> None:
    runs = {name: partial(artifact.predict, rows, precision=each) for name, each in PRECISIONS.items()}  # type: ignore[arg-type]
    first = {name: timed(run) for name, run in runs.items()}
    turns = [{name: timed(run)[0] for name, run in runs.items()} for _ in range(rounds)]
    label, value = rows[FRAUD.roles.label].to_numpy(np.int64), rows[FRAUD.roles.value].to_numpy()
    threshold = artifact.details["threshold"]
    decided = first["torch"][1]["probability"] >= threshold
    for name, (began, found) in first.items():
        figures = Figures.of(Scored(label=label, value=value, probability=found["probability"].to_numpy()))
        other = int(((found["probability"] >= threshold) != decided).sum())
        print(
            f"  {name:6} first {began:6.2f} s, then {median(turn[name] for turn in turns):6.3f} s  average precision "
            f"{figures.average_precision:.4f}  calibration error {figures.calibration_error:.5f}  other decisions {other}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, default=None, help="a run's folder; default: the one that was quantised last"
    )
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    run = given.run or latest(platform.load().runs)
    frames, step = outcome.read(run, "split").left(Frames), outcome.read(run, "quantise")
    artifact = Artifact.load(str(step.left(Quantised).folder), models=models(FITTING.networks))
    rows = pd.read_parquet(frames.path("test"))
    print(
        f"{run}: {step.summary}\n{processor()}\n{len(artifact.arguments['members'])} members, {len(rows):,} test rows"
    )
    with tempfile.TemporaryDirectory() as scratch:
        whole = artifact if "ir/int8.xml" in artifact.files else with_int8(artifact, frames, scratch)
        measure(whole, rows, given.rounds)


if __name__ == "__main__":
    main()
