"""Small labelled frames for tests of the modelling steps: positives differ from negatives in two of four features."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.binary.frames.roles import Roles
from pipelines.binary.frames.split import Frames, Part
from pipelines.binary.frames.statistics import Statistics, fitted_array

FEATURES = ("a", "b", "c", "d")
ROLES = Roles(key=("source_file", "source_line"), time="time_s", label="fraud", value="amount")


def rows(count: int = 3000, *, frauds: int = 90, seed: int = 0) -> pd.DataFrame:
    """Rows in time order, several a second, positives spread evenly among them."""
    chance = np.random.default_rng(seed)
    fraud = np.zeros(count, dtype=np.int32)
    fraud[np.linspace(3, count - 4, frauds).astype(int)] = 1
    values = chance.normal(size=(count, 4))
    values[:, 0] += 2.5 * fraud
    values[:, 1] = 40 + 15 * (values[:, 1] + fraud * chance.choice([0, 2.0], count))
    frame = pd.DataFrame(values, columns=list(FEATURES))
    return frame.assign(
        source_file="a.csv",
        source_line=np.arange(2, count + 2),
        time_s=np.sort(chance.integers(0, count, count)),
        amount=chance.exponential(80, count).round(2),
        fraud=fraud,
    )


def write(
    folder: Path, frame: pd.DataFrame, shares: tuple[float, float] = (0.6, 0.8), statistics: Statistics | None = None
) -> Frames:
    """Lay ``frame`` out as a split leaves it."""
    first, second = (int(len(frame) * share) for share in shares)
    parts = {"train": frame[:first], "validation": frame[first:second], "test": frame[second:]}
    for part, kept in parts.items():
        lay(folder / part, kept)
    return Frames(
        folder=folder,
        features=FEATURES,
        sources=FEATURES,
        parts={part: counted(kept) for part, kept in parts.items()},
        statistics=statistics or fitted_array(FEATURES, parts["train"][list(FEATURES)].to_numpy()),
    )


def counted(rows: pd.DataFrame) -> Part:
    time = rows["time_s"].astype(float)
    return Part(rows=len(rows), positives=int(rows["fraud"].sum()), first_s=time.min(), last_s=time.max())


def lay(folder: Path, rows: pd.DataFrame) -> None:
    """One part's rows as one file."""
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "part-0.parquet", index=False)
